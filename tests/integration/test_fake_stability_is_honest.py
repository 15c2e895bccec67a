"""The fake Stability AI API gives only answers that the API's description allows, in the order and words recorded live.

Talks to the fake over a real port; imports nothing of the service.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from fakes.stability import StabilityProcess, contract, launch

KEY = {"authorization": "Bearer sk-test"}
CORE = "/v2beta/stable-image/generate/core"
ULTRA = "/v2beta/stable-image/generate/ultra"
SD3 = "/v2beta/stable-image/generate/sd3"
GENERATE = (CORE, ULTRA, SD3)
CREATIVE = "/v2beta/stable-image/upscale/creative"
RATIOS = ("21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21")
DOCUMENT = contract.document()


@pytest.fixture(scope="module")
def fake() -> Iterator[StabilityProcess]:
    with launch(rate_limit=False) as server:
        yield server


@pytest.fixture(scope="module")
def client(fake: StabilityProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, trust_env=False, timeout=30) as client:
        yield client


def picture(width: int = 64, height: int = 64, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, kind)
    return buffer.getvalue()


def form(**fields: Any) -> list[tuple[str, Any]]:
    """Multipart parts: bytes become a file, everything else a quoted text part without a filename."""
    return [
        (name, ("in.png", value, "image/png") if isinstance(value, bytes) else (None, str(value)))
        for name, value in fields.items()
    ]


def post(client: httpx.Client, path: str, accept: str = "image/*", **fields: Any) -> httpx.Response:
    answer = client.post(path, headers=KEY | {"accept": accept}, files=form(**fields))
    check(answer, path, "post")
    return answer


def check(answer: httpx.Response, template: str, method: str) -> None:
    """Status, media type, body and headers are among those the description gives for this operation."""
    responses = DOCUMENT["paths"][template][method]["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not described for {template}"
    described = responses[str(answer.status_code)]
    if "$ref" in described:
        described = DOCUMENT["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
    media_type = answer.headers["content-type"]
    assert media_type in described["content"]
    schema = described["content"][media_type]["schema"]
    if media_type.startswith("application/json"):
        Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.json())
        assert not {"seed", "finish-reason"} & set(answer.headers)
    else:
        assert answer.headers["finish-reason"] in {"SUCCESS", "CONTENT_FILTERED"}
        assert 0 < int(answer.headers["seed"]) <= 4294967294
        assert_decodes(answer.content, media_type)
    if template.startswith("/v2beta"):
        assert answer.headers["x-request-id"]


def assert_decodes(data: bytes, media_type: str) -> None:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert opened.format is not None
        assert media_type == f"image/{opened.format.lower()}"


def failures(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400
    errors: list[str] = answer.json()["errors"]
    return errors


@pytest.mark.parametrize("accept", ["image/*", "application/json"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("path", GENERATE)
def test_a_picture_comes_as_bytes_or_json_in_the_format_asked_for(
    client: httpx.Client, path: str, kind: str, accept: str
) -> None:
    answer = post(client, path, accept, prompt="a lighthouse", output_format=kind, seed=7)

    assert answer.status_code == 200
    assert answer.headers["content-type"].removeprefix("application/json; type=") == f"image/{kind}"
    seed = answer.json()["seed"] if accept == "application/json" else int(answer.headers["seed"])
    assert seed == 7


@pytest.mark.parametrize("path", GENERATE)
def test_each_aspect_ratio_gives_its_documented_size(client: httpx.Client, path: str) -> None:
    sizes = DOCUMENT["paths"][path]["post"]["x-output"]["sizes"]
    assert set(sizes) == set(RATIOS)

    for ratio in RATIOS:
        answer = post(client, path, prompt="x", aspect_ratio=ratio, output_format="jpeg")
        with Image.open(io.BytesIO(answer.content)) as opened:
            assert f"{opened.width}x{opened.height}" == sizes[ratio]


@pytest.mark.parametrize(
    ("path", "fields", "size"),
    [
        (ULTRA, {"prompt": "x", "image": picture(), "strength": 0.5}, (1024, 1024)),
        (SD3, {"prompt": "x", "mode": "image-to-image", "image": picture(), "strength": 0.5}, (64, 64)),
        ("/v2beta/stable-image/edit/inpaint", {"prompt": "x", "image": picture(80, 64), "mask": picture()}, (80, 64)),
        ("/v2beta/stable-image/edit/erase", {"image": picture(), "mask": picture()}, (64, 64)),
        ("/v2beta/stable-image/edit/outpaint", {"image": picture(), "left": 10, "down": 6}, (74, 70)),
        (
            "/v2beta/stable-image/edit/search-and-replace",
            {"image": picture(), "prompt": "x", "search_prompt": "y"},
            (64, 64),
        ),
        ("/v2beta/stable-image/edit/remove-background", {"image": picture(), "output_format": "webp"}, (64, 64)),
        ("/v2beta/stable-image/upscale/fast", {"image": picture()}, (256, 256)),
        (
            "/v2beta/stable-image/upscale/conservative",
            {"image": picture(), "prompt": "x", "output_format": "jpeg"},
            (3112, 3112),
        ),
        ("/v2beta/stable-image/control/style", {"image": picture(), "prompt": "x", "fidelity": 0.5}, None),
    ],
)
def test_routes_that_take_a_picture_answer_with_one(
    client: httpx.Client, path: str, fields: dict[str, Any], size: tuple[int, int] | None
) -> None:
    answer = post(client, path, **fields)

    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert size is None or opened.size == size


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_creative_upscale_answers_an_id_then_202_then_the_picture(
    fake: StabilityProcess, client: httpx.Client, accept: str
) -> None:
    submitted = post(client, CREATIVE, image=picture(), prompt="x", output_format="jpeg", seed=5)
    assert submitted.status_code == 200
    path = f"/v2beta/results/{submitted.json()['id']}"

    first, answer = (client.get(path, headers=KEY | {"accept": accept}) for _ in range(2))

    for got, status in ((first, 202), (answer, 200)):
        check(got, "/v2beta/results/{id}", "get")
        assert got.status_code == status
    if accept == "application/json":
        assert set(answer.json()) == {"result", "seed", "finish_reason"}
    older = client.get(f"{CREATIVE}/result/{submitted.json()['id']}", headers=KEY | {"accept": accept})
    check(older, CREATIVE + "/result/{id}", "get")
    other = client.get(path, headers={"authorization": "Bearer sk-other"})
    check(other, "/v2beta/results/{id}", "get")
    assert other.status_code == 404
    assert other.json()["errors"] == ["id: the generation either does not exist or has expired."]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CORE, {"prompt": "x" * 10_000, "negative_prompt": "y" * 10_000, "seed": 0}),
        (CORE, {"prompt": "x", "seed": 4294967294, "style_preset": "tile-texture", "none": "", "n": 4}),
        (SD3, {"prompt": "x", "model": "sd3.5-flash", "cfg_scale": 1}),
        (SD3, {"prompt": "x", "model": "sd3.5-medium", "cfg_scale": 10, "style_preset": "3d-model"}),
    ],
)
def test_values_at_the_limits_and_unknown_parts_are_taken(
    client: httpx.Client, path: str, fields: dict[str, Any]
) -> None:
    assert post(client, path, output_format="jpeg", **fields).status_code == 200


@pytest.mark.parametrize(
    ("path", "fields", "wrong"),
    [
        (CORE, {"negative_prompt": "x"}, ["prompt"]),
        (CORE, {"prompt": ""}, ["prompt"]),
        (CORE, {"prompt": "x" * 10_001, "seed": -1, "aspect_ratio": "4:3"}, ["prompt", "aspect_ratio", "seed"]),
        (CORE, {"prompt": "x", "seed": 4294967295}, ["seed"]),
        (CORE, {"prompt": "x", "seed": "1.5", "style_preset": "oil"}, ["seed", "style_preset"]),
        (CORE, {"prompt": "x", "output_format": "gif"}, ["output_format"]),
        (ULTRA, {"prompt": "x", "image": picture()}, ["strength"]),
        (ULTRA, {"prompt": "x", "image": picture(63, 64), "strength": 1.5}, ["image", "strength"]),
        (ULTRA, {"prompt": "x", "image": b"no picture", "strength": 1}, ["image"]),
        (SD3, {"prompt": "x", "cfg_scale": 0.9}, ["cfg_scale"]),
        (SD3, {"prompt": "x", "cfg_scale": 10.1, "model": "sd3-large"}, ["model", "cfg_scale"]),
        (SD3, {"prompt": "x", "cfg_scale": "NaN"}, ["cfg_scale"]),
        (SD3, {"prompt": "x", "image": picture(), "strength": 0.5}, ["image", "strength"]),
        (SD3, {"prompt": "x", "mode": "image-to-image", "aspect_ratio": "1:1"}, ["image", "strength", "aspect_ratio"]),
        ("/v2beta/stable-image/edit/inpaint", {"grow_mask": 5}, ["image", "prompt"]),
        ("/v2beta/stable-image/edit/outpaint", {"image": picture()}, ["left"]),
        (
            "/v2beta/stable-image/edit/remove-background",
            {"image": picture(), "output_format": "jpeg"},
            ["output_format"],
        ),
        ("/v2beta/stable-image/upscale/fast", {"image": picture(1537, 64)}, ["image"]),
        ("/v2beta/stable-image/upscale/fast", {"image": picture(64, 64, "GIF")}, ["image"]),
        ("/v2beta/stable-image/upscale/conservative", {"image": picture(200, 64), "prompt": "x"}, ["image"]),
        (CREATIVE, {"image": picture(), "prompt": "x", "creativity": 0.05}, ["creativity"]),
    ],
)
def test_every_wrong_field_is_named_in_one_answer(
    client: httpx.Client, path: str, fields: dict[str, Any], wrong: list[str]
) -> None:
    answer = post(client, path, **fields)

    assert sorted(message.partition(":")[0] for message in failures(answer)) == sorted(wrong)


def test_the_words_recorded_live_are_used_as_they_are(client: httpx.Client) -> None:
    bare = client.post(CORE, headers=KEY)
    urlencoded = client.post(CORE, headers=KEY, data={"prompt": "x"})

    assert failures(bare) == ["content-type: required"]
    assert failures(urlencoded) == ["content-type: must be multipart/form-data"]
    # Compact, keys in this order: a live answer of this kind was logged with 117 bytes.
    assert len(urlencoded.content) == 117
    assert list(urlencoded.json()) == ["errors", "id", "name"]
    assert failures(post(client, CORE, seed=1)) == ["prompt: required"]
    for answer in (bare, urlencoded):
        check(answer, CORE, "post")
        assert answer.json()["id"] == answer.headers["x-request-id"]
        assert answer.json()["name"] == "bad_request"


def test_a_part_name_without_quotes_is_refused_in_plain_text(client: httpx.Client) -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=prompt\r\n\r\nx\r\n--b--\r\n"
    headers = KEY | {"content-type": "multipart/form-data; boundary=b"}

    nameless = client.post(CORE, headers=headers, content=body)
    torn = client.post(CORE, headers=headers, content=body[:-8])
    quoted = client.post(CORE, headers=headers, content=body.replace(b"=prompt", b'="prompt"'))

    assert nameless.status_code == 400
    assert nameless.headers["content-type"].startswith("text/plain")
    assert nameless.text == (
        "Malformed FormData request. Content-Disposition header in FormData part is missing a name"
    )
    assert torn.status_code == 400
    assert torn.text.startswith("Malformed FormData request. ")
    assert quoted.status_code == 200


def test_checks_come_in_the_order_of_the_api(fake: StabilityProcess, client: httpx.Client) -> None:
    def ask(key: str | None, files: Any) -> tuple[int, str]:
        headers = {} if key is None else {"authorization": key}
        answer = client.post(CORE, headers=headers, files=files)
        check(answer, CORE, "post")
        return answer.status_code, answer.json()["errors"][0]

    unauthorized = (401, "authorization: invalid or missing header value")
    flagged = form(prompt="[moderated]")
    assert ask(None, None) == unauthorized
    assert ask("Bearer dummy", None) == (400, "content-type: required")
    assert ask("Bearer dummy", form(seed=1)) == (400, "prompt: required")
    assert ask("Bearer dummy", flagged) == unauthorized
    fake.control(balance=2.9)
    assert ask("Bearer sk-test", flagged) == (
        402,
        "You lack sufficient credits to make this request. Please purchase more credits at "
        "https://platform.stability.ai/account/credits and try again.",
    )
    fake.control(balance=1_000_000)
    assert ask("Bearer sk-test", flagged)[0] == 403


def test_a_key_is_taken_with_and_without_bearer(client: httpx.Client) -> None:
    answer = client.post(CORE, headers={"authorization": "sk-bare"}, files=form(prompt="x", output_format="jpeg"))

    assert answer.status_code == 200


def test_a_seed_of_0_or_none_is_drawn_and_told(client: httpx.Client) -> None:
    seeds = {post(client, CORE, prompt="x", seed=0).headers["seed"], post(client, CORE, prompt="x").headers["seed"]}

    assert len(seeds) == 2
    assert "0" not in seeds


@pytest.mark.parametrize("accept", ["image/*", "application/json"])
def test_a_filtered_picture_is_a_200_that_says_so(client: httpx.Client, accept: str) -> None:
    answer = post(client, CORE, accept, prompt="[filtered] x")

    assert answer.status_code == 200
    told = answer.json()["finish_reason"] if accept == "application/json" else answer.headers["finish-reason"]
    assert told == "CONTENT_FILTERED"


@pytest.mark.parametrize(
    ("marker", "status", "name", "words"),
    [
        ("unauthorized", 401, "unauthorized", "authorization: invalid or missing header value"),
        ("payment-required", 402, "payment_required", "You lack sufficient credits to make this request."),
        ("moderated", 403, "content_moderation", "flagged by our content moderation system"),
        ("too-large", 413, "payload_too_large", "body: payloads cannot be larger than 10MiB in size"),
        ("invalid-language", 422, "invalid_language", "English is the only supported language for this service."),
        ("public-figure", 422, "public_figure", "likeness of a public figure"),
        ("rate-limited", 429, "rate_limit_exceeded", "150 requests within a 10 second period"),
        ("server-error", 500, "internal_error", "An unexpected server error has occurred, please try again later."),
    ],
)
def test_each_refusal_has_its_status_name_and_words(
    client: httpx.Client, marker: str, status: int, name: str, words: str
) -> None:
    answer = post(client, ULTRA, prompt=f"[{marker}]")

    assert answer.status_code == status
    assert answer.json()["name"] == name
    assert words in answer.json()["errors"][0]
    literal = status == 429
    assert answer.json()["id"] == ("rate_limit_exceeded" if literal else answer.headers["x-request-id"])
    assert "retry-after" not in answer.headers


def test_a_body_over_10_mib_is_refused(client: httpx.Client) -> None:
    answer = post(client, ULTRA, prompt="x", strength=1, image=bytes(10 * 1024 * 1024))

    assert answer.status_code == 413
    assert answer.json()["errors"] == ["body: payloads cannot be larger than 10MiB in size"]


@pytest.mark.parametrize("path", ["/v1/user/balance", "/v1/engines/list"])
def test_v1_answers_to_a_key_and_repeats_a_wrong_one(client: httpx.Client, path: str) -> None:
    for key, status in (("Bearer sk-test", 200), ("Bearer wrong-key", 401), (None, 401)):
        answer = client.get(path, headers={} if key is None else {"authorization": key})
        check(answer, path, "get")
        assert answer.status_code == status
        if key == "Bearer wrong-key":
            assert answer.json()["message"] == (
                "Incorrect API key provided: wrong-key. You can find your API key at https://stability.ai."
            )


@pytest.mark.parametrize("path", ["/v2beta/stable-image/generate/medium", "/v1/nothing", "/"])
def test_an_unknown_route_is_a_404(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers=KEY).status_code == 404
