"""The OpenAI façade over the wire: envelopes, headers, waits and streams, on backends that do as the prompt says."""

import base64
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from api_setting import RunningApi
from bad_inputs import NOT_JSON
from contracts.picture_work import difference, file_of, four_colours
from openai_wire import EDITS, GENERATIONS, api, client, error, generate, job_of, picture

__all__ = ["api", "client"]

PICTURE = four_colours(256, 192)
FILE = file_of(PICTURE)


# --- what is asked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "backend", "checkpoint"),
    [
        (None, "stability", "core"),
        ("", "stability", "core"),
        ("stability", "stability", "core"),
        ("stability/ultra", "stability", "ultra"),
        ("local", "local", "tinyA"),
        ("local/tinyB", "local", "tinyB"),
        ("house", "local", "tinyB"),
        ("demo", "demo", "procedural"),
        ("auto", "local", "tinyA"),
        ("gpt-image-1", "stability", "core"),
        ("gpt-image-7-moonbeam-2031-01-01", "stability", "core"),
        ("dall-e-3", "stability", "core"),
    ],
)
def test_a_model_leads_to_a_backend_and_a_checkpoint(
    client: httpx.Client, model: str | None, backend: str, checkpoint: str
) -> None:
    answer = generate(client, model=model)

    assert answer.status_code == 200, answer.text
    job = job_of(client, answer)
    assert (job["backend"], job["request"]["checkpoint"]) == (backend, checkpoint)


def test_auto_takes_a_size_to_whichever_backend_it_will_be_and_a_repetition_is_one_job(client: httpx.Client) -> None:
    assert client.get("/v1/models/auto").json()["id"] == "auto"
    assert "auto" in [model["id"] for model in client.get("/v1/models").json()["data"]]
    key = {"idempotency-key": "auto-and-a-size"}
    body = {"model": "auto", "prompt": "x", "size": "1024x500", "output_format": "jpeg"}

    answers = [client.post(GENERATIONS, json=body, headers=key) for _ in range(2)]

    first, again = (job_of(client, answer) for answer in answers)
    assert first["image_id"] == again["image_id"]
    assert (first["backend"], first["request"]["width"], first["request"]["height"]) == ("local", 1024, 496)
    assert first["request"]["options"] == {}
    refused = error(generate(client, model="auto", size="large"), 400)
    assert refused["param"] == "size"


@pytest.mark.parametrize(
    "model", ["nowhere", "local/", "/", "kanarienvogel", "local/kanarienvogel", "spare", "spare/x"]
)
def test_a_model_that_is_not_there(client: httpx.Client, model: str) -> None:
    told = error(generate(client, model=model), 404)
    assert (told["code"], told["param"]) == ("model_not_found", "model")
    assert "kanarienvogel" not in told["message"]
    assert ("IMAGING_SPARE_URL" in told["message"]) == model.startswith("spare")
    assert error(client.get(f"/v1/models/{model}"), 404)


def test_a_backend_that_cannot_be_asked_is_left_out_of_the_list(client: httpx.Client, api: RunningApi) -> None:
    api.webui.there = False
    try:
        names = [model["id"] for model in client.get("/v1/models").json()["data"]]
        refusal = generate(client, model="local/tinyA")
    finally:
        api.webui.there = True

    assert "stability/core" in names
    assert not [name for name in names if name.startswith("local")]
    assert error(refusal, 503)["code"] == "service_unavailable"
    assert refusal.headers["retry-after"] == "7"
    assert "x-should-retry" not in refusal.headers


def test_a_size_is_brought_to_the_grid_and_the_picture_tells_its_own(client: httpx.Client) -> None:
    answer = generate(client, model="local", size="1001x66")
    request = job_of(client, answer)["request"]

    assert (request["width"], request["height"]) == (1000, 64)
    # This backend gives what it likes, and that is what is reported.
    assert answer.json()["size"] == "16x16"
    wide = job_of(client, generate(client, model="stability", size="1792x1024"))["request"]
    assert wide["options"]["aspect_ratio"] == "16:9"
    either = job_of(client, generate(client, model="stability", size="auto"))["request"]
    assert either["options"]["aspect_ratio"] == "1:1"


def test_a_backend_that_knows_no_formats_gives_every_one_of_them(client: httpx.Client) -> None:
    for name, kind in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
        answer = generate(client, model="local", output_format=name)
        assert (picture(answer).format, answer.json()["output_format"]) == (kind, name)


def test_a_compression_is_that_of_the_picture(client: httpx.Client) -> None:
    sizes = {}
    for compression in (0, 30, 100):
        answer = generate(client, model="demo", seed=4, output_format="webp", output_compression=compression)
        assert picture(answer).format == "WEBP"
        # The picture it is made of was not compressed before.
        assert job_of(client, answer)["request"]["options"]["output_format"] == "png"
        sizes[compression] = len(answer.json()["data"][0]["b64_json"])
    assert sizes[0] < sizes[30] < sizes[100]
    assert picture(generate(client, model="demo", output_format="png", output_compression=30)).format == "PNG"


def test_null_is_as_good_as_nothing_and_strange_fields_are_of_no_use(client: httpx.Client) -> None:
    names = ("model", "n", "size", "quality", "output_format", "output_compression", "response_format", "stream",
             "partial_images", "background", "moderation", "style", "user", "seed", "steps", "negative_prompt")  # fmt: skip
    assert generate(client, **dict.fromkeys(names)).status_code == 200
    strange = {"quality": {"x": 1}, "background": 5, "user": ["x"], "style": False, "svg": {"model": "x"}, "x": 1}
    answer = generate(client, **strange)
    assert answer.status_code == 200
    assert "quality" not in answer.json()
    assert generate(client, quality="standard").json()["quality"] == "medium"


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_json_is_strict_here_too(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    told = error(answer)
    assert told["code"] in ("invalid_json", "invalid_value")
    assert answer.headers["x-should-retry"] == "false"
    assert "kanarienvogel" not in answer.text


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": " "}, "prompt", "invalid_value"),
        ({"prompt": 5}, "prompt", "invalid_value"),
        ({"n": "2"}, "n", "invalid_value"),
        ({"n": True}, "n", "invalid_value"),
        ({"n": 10**60}, "n", "invalid_value"),
        ({"size": 512}, "size", "invalid_value"),
        ({"size": "0x512"}, "size", "invalid_value"),
        ({"size": "512x512x512"}, "size", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"seed": 2**32}, "seed", "invalid_value"),
        ({"steps": 5}, "steps", "invalid_value"),
        ({"model": 5}, "model", "invalid_value"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_sent(
    client: httpx.Client, fields: dict[str, Any], param: str, code: str
) -> None:
    told = error(generate(client, **fields))
    assert (told["param"], told["code"], told["type"]) == (param, code, "invalid_request_error")


def test_bodies_of_the_wrong_size_or_type(client: httpx.Client) -> None:
    assert error(client.post(GENERATIONS, content=b"x" * 70_000, headers={"content-type": "application/json"}), 413)
    assert error(client.post(GENERATIONS, data={"prompt": "x"}), 415)
    assert error(client.post(EDITS, content=b"x", headers={"content-type": "text/plain"}), 415)


def test_paths_that_are_not_there_and_questions_about_those_that_are(client: httpx.Client) -> None:
    assert error(client.get("/v1/chat/completions"), 404)
    assert error(client.post("/v1/images/variations"), 404)
    not_allowed = client.get(GENERATIONS)
    assert error(not_allowed, 405)
    assert not_allowed.headers["allow"] == "HEAD, OPTIONS, POST"
    assert client.options(EDITS).status_code == 204
    assert client.head(EDITS).status_code == 200
    assert client.head("/v1/models").status_code == 200
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"


# --- edits -----------------------------------------------------------------------------------------------


def holes(left: int = 128) -> bytes:
    """The picture with a transparent right part."""
    image = PICTURE.convert("RGBA")
    image.paste((0, 0, 0, 0), (left, 0, 256, 192))
    return file_of(image)


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_every_shape_of_a_picture_in_json_is_the_same_edit(client: httpx.Client) -> None:
    url = data_url(FILE)
    shapes: list[dict[str, Any]] = [
        {"images": [{"image_url": url}]},
        {"images": [{"image_url": {"url": url}}, {"image_url": "data:,"}]},
        {"image": url},
        {"image": [url]},
        {"image": base64.b64encode(FILE).decode()},
        {"image": {"b64_json": base64.b64encode(FILE).decode()}},
    ]
    given = {"model": "demo", "prompt": "a lake", "seed": 4, "steps": 1, "mask": {"image_url": data_url(holes())}}
    made = [picture(client.post(EDITS, json={**given, **shape})).convert("RGB") for shape in shapes]

    assert {image.size for image in made} == {PICTURE.size}
    assert all(difference(image, made[0]) == 0 for image in made)
    assert difference(made[0].crop((0, 0, 120, 192)), PICTURE.crop((0, 0, 120, 192))) == 0
    assert difference(made[0].crop((136, 0, 256, 192)), PICTURE.crop((136, 0, 256, 192))) > 5


def test_parts_of_a_form_in_any_order_and_of_any_type(client: httpx.Client) -> None:
    parts: list[tuple[str, Any]] = [
        ("mask", ("blob", holes(), "application/octet-stream")),
        ("n", (None, "2")),
        ("markup", ("m", b"x")),
        ("svg[model]", (None, "x")),
        ("image[]", ("../../etc/passwd", FILE, "text/plain")),
        ("image[]", ("second", b"never looked at")),
        ("prompt", (None, "a lake — 湖")),
        ("steps", (None, "2")),
        ("stream", (None, "false")),
        ("model", (None, "demo")),
    ]
    answer = client.post(EDITS, files=parts)

    assert [picture(answer, index).size for index in (0, 1)] == [PICTURE.size] * 2
    request = job_of(client, answer)["request"]
    assert (request["prompt"], request["count"], request["steps"]) == ("a lake — 湖", 2, 2)
    assert request["mask"] is not None
    by_name = client.post(EDITS, files={"image": FILE}, data={"prompt": "x", "model": "demo"})
    assert picture(by_name).size == PICTURE.size


def test_only_the_model_that_did_takes_a_mask_from_the_picture(client: httpx.Client) -> None:
    for model, masked in (("dall-e-2", True), ("demo", False)):
        with RunningApi(DemoGenerator(step_s=0), images_backend="demo").serving() as api, api.client() as other:
            answer = other.post(EDITS, files={"image": holes()}, data={"prompt": "x", "model": model})
            assert answer.status_code == 200, answer.text
            assert (job_of(other, answer)["request"]["mask"] is not None) == masked


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "image"),
        ({"image": "no picture"}, "image"),
        ({"images": [{"image_url": "https://example.org/x.png"}]}, "images"),
        ({"images": [{"file_id": "file-1"}]}, "images"),
        ({"images": 5}, "images"),
        ({"image": data_url(b"no picture")}, "image"),
        ({"image": data_url(FILE), "mask": data_url(FILE)}, "mask"),
        ({"image": data_url(FILE), "mask": data_url(file_of(Image.new("RGBA", (64, 64))))}, "mask"),
        ({"image": data_url(FILE), "model": "local/tinyA"}, "model"),
        ({"image": data_url(FILE), "strength": 2}, "strength"),
    ],
)
def test_edits_of_nothing(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = client.post(EDITS, json={"prompt": "x", "model": "demo", **body})
    assert error(answer)["param"] == param
