"""Edits and enlargements over the wire: forms, base64 and earlier pictures, and everything that is no good."""

import base64
import io
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from adapters.demo import DemoGenerator
from adapters.pillow.intake import IntakeLimits, PillowIntake
from api_setting import RunningApi, ended, submit
from contracts.picture_work import difference, file_of, four_colours, right_half
from contracts.samples import png
from imaging_core.capabilities import Capabilities
from imaging_core.errors import Unavailable
from imaging_core.images import Operation

PICTURE = four_colours(256, 192)
FILE = file_of(PICTURE)
MASK = file_of(right_half(256, 192))
SMALL_MASK, BLACK = file_of(right_half(64, 64)), file_of(Image.new("L", (256, 192)))
QUICK = {"backend": "demo", "prompt": "a lake", "steps": "2"}
LIMIT = 1_000_000


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    intake = PillowIntake(IntakeLimits(max_bytes=LIMIT))
    running = RunningApi(DemoGenerator(step_s=0), intake=intake, max_picture_bytes=LIMIT)
    with running.serving():
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def made(client: httpx.Client, answer: httpx.Response) -> Image.Image:
    """The picture that an accepted request comes to."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/status/{answer.json()['image_id']}"
    status = ended(client, answer.json()["image_id"])
    assert status["status"] == "finished", status
    return Image.open(io.BytesIO(client.get(f"/image/{status['image_id']}").content)).convert("RGB")


def problems(answer: httpx.Response, status: int = 422) -> dict[str, str]:
    """What is wrong, by field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in answer.json().get("errors", ())}


def edit_form(client: httpx.Client, image: bytes | None = FILE, mask: bytes | None = None, **fields: str) -> Any:
    """The answer to an edit that is sent as a form."""
    given = {"image": image, "mask": mask}
    files: dict[str, Any] = {name: (f"{name}.png", data) for name, data in given.items() if data is not None}
    return client.post("/images/edits", files=files | texts(**{**QUICK, **fields}))


def texts(**fields: str) -> dict[str, Any]:
    """Text fields of a form."""
    return {name: (None, text) for name, text in fields.items()}


# --- what is taken ---------------------------------------------------------------------------------------


def test_a_form_with_a_picture_is_an_edit_of_it(client: httpx.Client) -> None:
    answer = edit_form(client, strength="0.25", count="1", output_format="png")

    picture = made(client, answer)

    assert picture.size == PICTURE.size
    assert 1 < difference(picture, PICTURE) < 60
    request = client.get(f"/jobs/{answer.json()['image_id']}").json()["request"]
    assert (request["operation"], request["strength"], request["steps"]) == ("edit", 0.25, 2)
    assert request["init_image"] == {
        "media_type": "image/png", "width": 256, "height": 192,
        "size": request["init_image"]["size"], "sha256": request["init_image"]["sha256"],
    }  # fmt: skip


def test_what_the_mask_keeps_stays_in_both_conventions(client: httpx.Client) -> None:
    holes = PICTURE.convert("RGBA")
    ImageDraw.Draw(holes).rectangle((128, 0, 256, 192), fill=(0, 0, 0, 0))

    for mask, mode in ((MASK, "white"), (file_of(holes), "transparent")):
        picture = made(client, edit_form(client, mask=mask, mask_mode=mode, strength="1"))

        left = (0, 0, 120, 192)
        assert difference(picture.crop(left), PICTURE.crop(left)) == 0
        right = (136, 0, 256, 192)
        assert difference(picture.crop(right), PICTURE.crop(right)) > 5


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_json_with_base64_is_the_same_as_a_form(client: httpx.Client, prefix: str) -> None:
    body = {"backend": "demo", "prompt": "a lake", "steps": 2, "seed": 5, "strength": 1.0,
            "image": prefix + base64_of(FILE), "mask": prefix + base64_of(MASK)}  # fmt: skip

    by_json = made(client, client.post("/images/edits", json=body))
    by_form = made(client, edit_form(client, mask=MASK, seed="5", strength="1.0"))

    assert difference(by_json, by_form) == 0


def test_an_earlier_picture_is_a_starting_picture(client: httpx.Client) -> None:
    first = submit(client, backend="demo", prompt="a forest", steps=1, width=128, height=128)
    ended(client, first)

    for body in ({"image_id": first}, {"image_id": first, "index": 0}):
        answer = client.post("/images/edits", json={"backend": "demo", "prompt": "a lake", "steps": 1, **body})
        assert made(client, answer).size == (128, 128)
    by_form = client.post("/images/upscale", files=texts(backend="demo", image_id=first, scale="3"))
    assert made(client, by_form).size == (384, 384)


def test_a_picture_is_made_larger(client: httpx.Client) -> None:
    answer = client.post("/images/upscale", data={"backend": "demo", "scale": "2.5"}, files={"image": FILE})

    picture = made(client, answer)

    assert picture.size == (640, 480)
    assert difference(picture.resize(PICTURE.size), PICTURE) < 8


def test_a_photograph_is_taken_upright_and_without_what_it_tells(client: httpx.Client, api: RunningApi) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretCamera"
    buffer = io.BytesIO()
    PICTURE.save(buffer, "JPEG", exif=exif, quality=95)

    answer = edit_form(client, buffer.getvalue(), strength="0")

    assert difference(made(client, answer), PICTURE.rotate(-90, expand=True)) < 3
    job = api.within(lambda: api.service.get(answer.json()["image_id"]))
    picture = job.request.init_image
    assert picture is not None
    stored = api.within(lambda: api.service.store.open_input(picture))
    assert b"SecretCamera" not in stored
    assert job.request.operation is Operation.EDIT


def test_the_same_key_and_picture_are_one_job_and_another_picture_is_refused(client: httpx.Client) -> None:
    def answer(image: bytes) -> httpx.Response:
        headers = {"idempotency-key": "k1"}
        return client.post("/images/edits", data=QUICK, files={"image": image}, headers=headers)

    first, again, other = answer(FILE), answer(FILE), answer(file_of(four_colours(64, 64)))

    assert first.json()["image_id"] == again.json()["image_id"]
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")


def test_a_form_under_a_known_key_is_answered_while_its_backend_is_away(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> Capabilities:
        raise Unavailable("The demo is away.")

    def answer(key: str, **fields: str) -> httpx.Response:
        headers = {"idempotency-key": key}
        return client.post("/images/edits", data={**QUICK, **fields}, files={"image": FILE}, headers=headers)

    # The seed is a number to every backend; what the style is only this one knows.
    plain, further = answer("away-1", seed="7"), answer("away-2", style_preset="cinematic")
    monkeypatch.setattr(DemoGenerator, "capabilities", away)

    for first, again in ((plain, answer("away-1", seed="7")), (further, answer("away-2", style_preset="cinematic"))):
        assert (again.status_code, again.json()["image_id"]) == (202, first.json()["image_id"])
    assert answer("away-2", style_preset="anime").json()["type"] == "/problems/idempotency-mismatch"
    assert answer("away-3", style_preset="anime").status_code == 503


def test_prefer_wait_answers_with_the_end(client: httpx.Client) -> None:
    answer = client.post("/images/edits", data=QUICK, files={"image": FILE}, headers={"prefer": "wait=10"})

    assert (answer.status_code, answer.json()["status"]) == (200, "finished")


def test_parts_may_come_in_any_order_and_of_any_type(client: httpx.Client) -> None:
    files = [
        ("mask", ("m", MASK, "text/plain")),
        ("steps", (None, "2")),
        ("image", ("../../etc/passwd", FILE, "application/octet-stream")),
        ("prompt", (None, "a lake — 湖")),
        ("backend", (None, "demo")),
    ]

    assert made(client, client.post("/images/edits", files=files)).size == PICTURE.size  # type: ignore[arg-type]


# --- what is not -----------------------------------------------------------------------------------------


def animated(kind: str) -> bytes:
    frames = [four_colours(64, 64), four_colours(64, 64).rotate(90)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=100, loop=0)
    return buffer.getvalue()


def bomb(width: int, height: int, rows: int | None = None) -> bytes:
    """A small file that asks for a lot of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width // 8 + 2) * (rows or height)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


BAD_PICTURES = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "must be a PNG, JPEG or WebP"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "must be a PNG, JPEG or WebP"),
    "gif": (file_of(PICTURE, "GIF"), "must be a PNG, JPEG or WebP"),
    "bmp": (file_of(PICTURE, "BMP"), "must be a PNG, JPEG or WebP"),
    "cut off png": (FILE[: len(FILE) // 2], "cannot be decoded"),
    "cut off jpeg": (file_of(PICTURE, "JPEG")[:700], "cannot be decoded"),
    "only a start": (FILE[:20], "cannot be decoded"),
    "animated png": (animated("PNG"), "must not be animated"),
    "animated webp": (animated("WEBP"), "must not be animated"),
    "13000 x 13000": (bomb(13_000, 13_000), "must have at most 16777216 px, not 13000 x 13000"),
    "100000 x 1": (png(100_000, 1), "must have sides from 16 to 16384 px; it has 100000 x 1"),
    "tiny": (png(3, 3), "must have sides from 16"),
    "bad checksum": (FILE[:-20] + b"\x00" * 8 + FILE[-12:], "cannot be decoded"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_refused_by_the_name_of_its_field(client: httpx.Client, name: str) -> None:
    data, sentence = BAD_PICTURES[name]

    wrong = problems(edit_form(client, data))
    by_mask = problems(edit_form(client, mask=data))
    body = {"backend": "demo", "prompt": "a", "image": base64_of(data)}
    by_json = problems(client.post("/images/edits", json=body))

    assert wrong.keys() == by_json.keys() == {"image"}
    assert by_mask.keys() == {"mask"}
    for message in (wrong["image"], by_mask["mask"], by_json["image"]):
        assert sentence in message


def test_a_picture_that_asks_for_gigabytes_is_refused_at_once(client: httpx.Client) -> None:
    data = bomb(60_000, 60_000, rows=9)
    began = time.monotonic()

    problems(edit_form(client, data))

    # To decode it would take minutes.
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({}, "image", "is required"),
        ({"image": base64_of(FILE), "image_id": "0" * 32}, "image_id", "must not be given together"),
        ({"image_id": "0" * 32}, "image_id", "no job with that id"),
        ({"image_id": "../../etc"}, "image_id", "no job with that id"),
        ({"image_id": 5}, "image_id", "must be text"),
        ({"image": 5}, "image", "must be text"),
        ({"image": "%%%"}, "image", "is no valid base64"),
        ({"image": "data:image/png,abc"}, "image", "or a data: URL"),
        ({"image": "http://127.0.0.1/a.png"}, "image", "is no valid base64"),
        ({"image": base64_of(FILE), "index": 0}, "index", "only together with image_id"),
        ({"image_id": "0" * 32, "index": -1}, "index", "must be at least 0"),
        ({"image": base64_of(FILE), "mask_mode": "white"}, "mask_mode", "only together with mask"),
        ({"image": base64_of(FILE), "mask": base64_of(MASK), "mask_mode": "grey"}, "mask_mode", "one of 'white' or 'transparent'"),
        ({"image": base64_of(FILE), "strength": 1.5}, "strength", "must be from 0 to 1"),
        ({"image": base64_of(FILE), "strength": "much"}, "strength", "must be a number"),
        ({"image": base64_of(FILE), "scale": 2}, "scale", "for edits"),
        ({"image": base64_of(FILE), "init_image": "x"}, "init_image", ""),
        ({"image": base64_of(FILE), "operation": "upscale"}, "operation", ""),
        ({"image": base64_of(FILE), "mask": base64_of(SMALL_MASK)}, "mask", "as large as the picture, 256 x 192 px"),
        ({"image": base64_of(FILE), "mask": base64_of(BLACK)}, "mask", "marks nothing"),
        ({"image": base64_of(FILE), "mask": base64_of(MASK), "mask_mode": "transparent"}, "mask", "no transparent part"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client: httpx.Client, fields: dict[str, Any], field: str, sentence: str) -> None:
    wrong = problems(client.post("/images/edits", json={"backend": "demo", "prompt": "a lake", **fields}))

    assert list(wrong) == [field]
    assert sentence in wrong[field]


def test_a_prompt_is_needed_for_an_edit_and_a_mask_is_not_for_an_enlargement(client: httpx.Client) -> None:
    no_prompt = client.post("/images/edits", json={"backend": "demo", "image": base64_of(FILE)})
    masked = client.post("/images/upscale", json={"backend": "demo", "image": base64_of(FILE), "mask": base64_of(MASK)})

    assert "prompt" in problems(no_prompt)
    assert problems(masked) == {"mask": "is not taken here."}


def test_a_form_says_what_is_wrong_with_its_texts(client: httpx.Client) -> None:
    wrong = problems(edit_form(client, strength="1,5", seed="-7"))
    assert wrong.keys() == {"strength", "seed"}
    assert problems(edit_form(client, steps="1.5")) == {"steps": "must be a whole number."}
    assert "known" in edit_form(client, colour="red").text
    twice = client.post("/images/edits", data=QUICK, files=[("image", FILE), ("image", FILE)])
    assert problems(twice) == {"image": "must come once."}
    stray = client.post("/images/edits", data=QUICK, files={"image": FILE, "photo": FILE})
    assert "Files are: image, mask" in stray.text


def test_a_backend_that_cannot_says_which_can(client: httpx.Client) -> None:
    wrong = problems(edit_form(client, backend="local"))

    assert wrong == {"backend": "Backend 'local' cannot edit pictures. These can: demo."}
    unknown = edit_form(client, backend="nowhere")
    assert (unknown.status_code, unknown.json()["type"]) == (422, "/problems/unknown-backend")


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=" + "b" * 300, 400),
        (b"garbage", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data; name=image\r\n\r\nxx", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nxx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data; name=prompt\r\n\r\n\xff\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Disposition: form-data; name=p\r\n\r\nx\r\n" * 200 + b"--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"[1]", "application/json", 422),
        (b"{", "application/json", 400),
        (b'{"image": NaN}', "application/json", 400),
    ],
)  # fmt: skip
def test_a_malformed_body_is_told(client: httpx.Client, content: bytes, content_type: str, status: int) -> None:
    answer = client.post("/images/edits", content=content, headers={"content-type": content_type})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_while_it_is_read(client: httpx.Client) -> None:
    large = bytes(LIMIT + 10)

    def pieces() -> Iterator[bytes]:
        for _ in range(LIMIT // 10_000 + 10):
            yield bytes(10_000)

    whole = client.post("/images/edits", data=QUICK, files={"image": large})
    chunked = client.post(
        "/images/upscale", content=pieces(), headers={"content-type": "multipart/form-data; boundary=b"}
    )

    for answer in (whole, chunked):
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    small = client.post("/images", content=b" " * 70_000, headers={"content-type": "application/json"})
    assert small.status_code == 413, "everything else keeps its limit"


def test_backends_tell_what_they_do_with_pictures(client: httpx.Client) -> None:
    told = {b["name"]: b for b in client.get("/backends").json()["backends"]}

    assert told["demo"]["operations"] == ["generate", "edit", "upscale"]
    assert told["local"]["operations"] == ["generate"]
    parameters = {p["name"]: p for p in told["demo"]["parameters"]}
    assert parameters["strength"]["operations"] == ["edit"]
    assert (parameters["init_image"]["kind"], parameters["init_image"]["operations"]) == ("image", ["edit", "upscale"])
