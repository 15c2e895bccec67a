"""POST /png-info over real HTTP: pictures of this service, of the recorded WebUI, and of people who mean no good."""

import base64
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from api_setting import RunningApi, ended, submit
from contracts.samples import png
from imaging_core.infotext import parse
from imaging_core.infotext_names import settings_in
from imaging_core.marking import Marks, with_marks

DATA = Path(__file__).parents[1] / "data" / "sdwebui"


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(max_picture_bytes=300_000, upload_deadline_s=1.0).serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.release()
    with api.client() as client:
        yield client


def told(client: httpx.Client, data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    answer = client.post("/png-info", content=data, headers={"Content-Type": media_type})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def recorded(file: str) -> tuple[bytes, str]:
    """A picture that the WebUI made, and the text that it said it had put in."""
    response = json.loads((DATA / "exchanges" / file).with_suffix(".json").read_text("utf-8"))["response"]["json"]
    return (DATA / "pictures" / file).read_bytes(), json.loads(response["info"])["infotexts"][0]


def test_a_picture_can_be_asked_for_again_from_what_it_says(client: httpx.Client) -> None:
    fields = {
        "prompt": "a lighthouse,\nat dusk",
        "negative_prompt": "fog",
        "steps": 9,
        "sampler": "Euler a",
        "seed": 77,
    }
    fields |= {"n_iter": 2, "cfg_scale": 6.5, "clip_skip": 2, "styles": ["film"], "checkpoint": "tinyB"}
    image_id = submit(client, "/local/images", **fields)
    ended(client, image_id)
    file = client.get(f"/image/{image_id}?index=1")

    info = told(client, file.content)
    again = submit(client, backend="local", **info["settings"])
    ended(client, again)

    assert info["record"]["job_id"] == image_id
    assert info["record"]["backend"] == "local"
    assert info["record"]["index"] == 1
    assert info["settings"]["seed"] == 78
    assert (info["media_type"], info["width"], info["height"]) == ("image/png", 16, 16)
    first, second = (client.get(f"/jobs/{job}").json()["request"] for job in (image_id, again))
    # The second picture of two is the first and only one of its own job.
    assert second == {**first, "seed": 78, "count": 1}
    assert told(client, client.get(f"/image/{again}").content)["settings"] == info["settings"]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("txt2img_ok.png", "image/png"),
        ("txt2img_prompt_unicode.png", "image/png"),
        ("txt2img_format_jpg.jpg", "image/jpeg"),
        ("txt2img_format_webp.webp", "image/webp"),
        ("v1.8.0_txt2img_ok.png", "image/png"),
    ],
)
def test_pictures_of_the_webui_are_read(client: httpx.Client, name: str, media_type: str) -> None:
    data, text = recorded(name)

    info = told(client, data, media_type)

    assert info["parameters"] == text
    assert info["record"] is None
    assert info["media_type"] == media_type
    assert info["settings"] == settings_in(parse(text))
    assert info["settings"]["seed"] == 1234
    assert info["settings"]["checkpoint"] in ("tinyA", "tinyB")


def test_a_picture_that_says_nothing_is_told_as_that(client: httpx.Client) -> None:
    assert told(client, png(8, 6)) == {
        "parameters": None,
        "settings": None,
        "record": None,
        "media_type": "image/png",
        "width": 8,
        "height": 6,
    }


def test_every_way_of_sending_gives_the_same(client: httpx.Client) -> None:
    data, text = recorded("txt2img_ok.png")
    encoded = base64.b64encode(data).decode()

    answers = [
        client.post("/png-info", content=data, headers={"Content-Type": "image/png"}),
        client.post("/png-info", content=data, headers={"Content-Type": "application/octet-stream"}),
        client.post("/png-info", content=data, headers={"Content-Type": "image/jpeg"}),
        client.post("/png-info", json={"image": encoded}),
        client.post("/png-info", json={"image": f"data:image/png;base64,{encoded}"}),
        client.post("/png-info", files={"image": ("x.png", data, "image/png")}),
        client.post("/png-info", files={"image": ('a name; name="other".png', data)}, data={"more": "text"}),
        client.post(
            "/png-info",
            content=b"--b\r\nContent-Disposition: form-data; name=image\r\n\r\n" + data + b"\r\n--b--\r\n",
            headers={"Content-Type": 'multipart/form-data; charset=utf-8; boundary="b"'},
        ),
    ]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert {answer.json()["parameters"] for answer in answers} == {text}


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "image/png", 422),
        (b"GIF89a" + bytes(100), "image/gif", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422),
        (b"{}", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"image": 7}', "application/json", 422),
        (b'{"image": "%%%"}', "application/json", 422),
        (b'{"image": "http://127.0.0.1/x.png"}', "application/json", 422),
        (b'{"image": "data:image/png,abc"}', "application/json", 422),
        (b'{"image": ', "application/json", 400),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (b"--b\r\n" * 50_000, "multipart/form-data; boundary=b", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--',
            "multipart/form-data; boundary=b",
            422,
        ),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
    ],
)
def test_what_is_no_picture_is_refused(client: httpx.Client, content: bytes, media_type: str, status: int) -> None:
    answer = client.post("/png-info", content=content, headers={"Content-Type": media_type})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_picture_that_is_too_large_is_refused_in_every_wrapping(client: httpx.Client) -> None:
    large = bytes(300_001)

    answers = [
        client.post("/png-info", content=large, headers={"Content-Type": "image/png"}),
        client.post("/png-info", files={"image": large}),
        client.post("/png-info", json={"image": base64.b64encode(large).decode()}),
    ]

    assert [answer.status_code for answer in answers] == [413] * 3


def test_a_picture_that_comes_too_slowly_is_refused(client: httpx.Client) -> None:
    def slow() -> Iterator[bytes]:
        yield b"\x89PNG"
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            time.sleep(0.2)
            yield b"."

    answer = client.post("/png-info", content=slow(), headers={"Content-Type": "image/png"})

    assert answer.status_code == 408


def test_senders_that_do_not_go_on_keep_nobody_from_being_told() -> None:
    head = b"POST /png-info HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nhalf"
    with RunningApi(upload_deadline_s=30.0).serving() as slow, ExitStack() as stack, slow.client() as other:
        wires = [stack.enter_context(closing(socket.socket())) for _ in range(12)]
        for wire in wires:
            wire.connect(("127.0.0.1", slow.port))
            wire.sendall(head)
        # Their requests came before, on a loop that takes them in turn.
        for _ in range(3):
            assert other.post("/png-info", content=png(8, 8), headers={"Content-Type": "image/png"}).status_code == 200


def test_no_pixel_is_decoded(client: httpx.Client) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 24)))
        + chunk(b"IEND", b"")
    )

    info = told(client, bomb)

    assert (info["width"], info["height"]) == (60_000, 60_000)


def test_numbers_and_words_of_strangers_do_no_harm(client: httpx.Client) -> None:
    record = (
        '{"settings": {"seed": '
        + "9" * 400
        + ', "prompt": "\\ud800 lone", "on": true}, "deep": '
        + "[" * 400
        + "]" * 400
        + "}"
    )
    data = with_marks(png(8, 8), Marks(parameters="\u202e\x1b[2J\nSteps: 1, Seed: 9, Size: 1x1", record=record))

    info = told(client, data)

    assert info["parameters"].startswith("\u202e\x1b[2J")
    assert info["settings"] is None or "prompt" in info["settings"]


def test_a_converted_picture_is_read_back_too(client: httpx.Client) -> None:
    image_id = submit(client, seed=3)
    ended(client, image_id)
    whole = told(client, client.get(f"/image/{image_id}").content)

    for name in ("webp", "jpeg"):
        file = client.get(f"/image/{image_id}?format={name}")
        info = told(client, file.content, file.headers["content-type"])
        assert info["settings"] == whole["settings"]
        assert info["record"] == whole["record"]
        with Image.open(io.BytesIO(file.content)) as image:
            assert image.size == (info["width"], info["height"])
