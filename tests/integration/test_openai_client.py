"""The real, unmodified client of OpenAI drives the service as people run it, on the demo and on the engines' doubles."""

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import image_edit_params, image_generate_params
from PIL import Image, ImageDraw

from contracts.picture_work import difference, file_of, four_colours
from openai_setting import House, a_house

DOCS = Path(__file__).parents[2] / "docs" / "clients.md"
PICTURE = four_colours(256, 192)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with a_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{house.imaging.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def opened(encoded: str | None) -> Image.Image:
    assert encoded
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_models_are_listed_and_found(client: OpenAI, house: House) -> None:
    models = {model.id: model for model in client.models.list()}

    assert {"stability/core", "stability/ultra", "stability/sd3.5-large", "demo", "house-style"} <= models.keys()
    assert {"stability", "local"} <= models.keys()
    assert "demo/procedural" not in models
    local = [model for model in models if model.startswith("local/")]
    assert local
    assert {"gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini", "dall-e-2", "dall-e-3"} <= models.keys()
    for name in models:
        found = client.models.retrieve(name)
        assert (found.id, found.object, found.created) == (name, "model", 0)
    assert client.models.retrieve("stability/core").owned_by == "stability"
    for name in ("nothing", "stability/nothing", "stability"[:-1] + "/core"):
        with pytest.raises(openai.NotFoundError) as told:
            client.models.retrieve(name)
        assert told.value.code == "model_not_found"
        assert told.value.request_id


def test_a_prompt_alone_becomes_a_picture_of_the_default_backend(client: OpenAI, house: House) -> None:
    answer = client.images.with_raw_response.generate(prompt="a lighthouse alone")
    images = answer.parse()

    assert images.data
    assert opened(images.data[0].b64_json).size == (1536, 1536)
    assert (images.size, images.output_format, images.background) == ("1536x1536", "png", "opaque")
    assert images.usage
    assert images.usage.total_tokens == 0
    job = house.job(answer.headers["x-job-id"])
    assert (job["status"], job["backend"], job["request"]["prompt"]) == ("finished", "stability", "a lighthouse alone")
    assert abs(images.created - job_time(job)) < 2
    assert answer.headers["x-request-id"]
    assert house.sent_to_stability("a lighthouse alone")["path"].endswith("/generate/core")


def job_time(job: dict[str, Any]) -> float:
    from datetime import datetime

    return datetime.fromisoformat(job["finished_at"]).timestamp()


def test_every_used_field_reaches_stability(client: OpenAI, house: House) -> None:
    images = client.images.generate(
        prompt="a fjord",
        model="house-style",
        n=1,
        size="1792x1024",
        quality="hd",
        output_format="webp",
        response_format="b64_json",
        style="vivid",
        background="transparent",
        moderation="low",
        user="somebody",
        extra_body={"negative_prompt": "people", "seed": 77, "cfg_scale": 5.5, "unheard_of": {"x": 1}},
    )

    sent = house.sent_to_stability("a fjord")
    assert sent["path"].endswith("/generate/sd3")
    expected = {"model": "sd3.5-large", "negative_prompt": "people", "seed": "77", "cfg_scale": "5.5",
                "aspect_ratio": "16:9", "output_format": "webp"}  # fmt: skip
    assert {name: sent.get(name) for name in expected} == expected
    assert images.data
    picture = opened(images.data[0].b64_json)
    assert picture.format == "WEBP"
    assert images.size == "x".join(map(str, picture.size))
    assert (images.output_format, images.quality) == ("webp", "high")


def test_every_used_field_reaches_the_webui(client: OpenAI, house: House) -> None:
    model = next(model.id for model in client.models.list() if model.id.startswith("local/"))
    answer = client.images.with_raw_response.generate(
        prompt="a mill",
        model=model,
        n=3,
        size="250x130",
        output_format="jpeg",
        output_compression=40,
        extra_body={"negative_prompt": "wheels", "seed": 5, "steps": 7, "cfg_scale": 3.5, "sampler_name": "Euler"},
    )
    images = answer.parse()

    calls = house.sent_to_webui("a mill")
    assert [call["seed"] for call in calls] == [5, 6, 7]
    for call in calls:
        expected = {"negative_prompt": "wheels", "steps": 7, "cfg_scale": 3.5, "width": 248, "height": 128,
                    "sampler_name": "Euler"}  # fmt: skip
        assert {name: call[name] for name in expected} == expected
        assert model.removeprefix("local/") in call["override_settings"]["sd_model_checkpoint"]
    assert images.data
    pictures = [opened(image.b64_json) for image in images.data]
    assert [(picture.format, picture.size) for picture in pictures] == [("JPEG", (248, 128))] * 3
    assert (images.size, images.output_format) == ("248x128", "jpeg")
    assert house.job(answer.headers["x-job-id"])["request"]["count"] == 3


def test_an_address_of_a_picture_needs_no_header_and_has_the_format_asked_for(client: OpenAI, house: House) -> None:
    images = client.images.generate(
        prompt="a well", model="demo", n=2, response_format="url", output_format="jpeg", output_compression=60
    )

    assert images.data
    for image in images.data:
        assert image.b64_json is None
        assert image.url
        assert image.url.startswith(f"{house.imaging.url}/image/")
        answer = httpx.get(image.url).raise_for_status()
        assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    assert images.data[0].url != images.data[1].url


def test_an_edit_begins_with_the_first_picture_and_keeps_what_the_mask_keeps(client: OpenAI, house: House) -> None:
    mask = PICTURE.convert("RGBA")
    ImageDraw.Draw(mask).rectangle((128, 0, 256, 192), fill=(0, 0, 0, 0))
    answer = client.images.with_raw_response.edit(
        model="gpt-image-1",
        image=[io.BytesIO(file_of(PICTURE)), io.BytesIO(file_of(Image.new("RGB", (64, 64))))],
        mask=("mask.bin", file_of(mask), "application/octet-stream"),
        prompt="a lake",
        size="auto",
        input_fidelity="high",
        extra_body={"strength": 1.0, "seed": 3, "steps": 2},
    )
    images = answer.parse()

    assert images.data
    picture = opened(images.data[0].b64_json).convert("RGB")
    assert picture.size == PICTURE.size
    left, right = (0, 0, 120, 192), (136, 0, 256, 192)
    assert difference(picture.crop(left), PICTURE.crop(left)) == 0
    assert difference(picture.crop(right), PICTURE.crop(right)) > 5
    job = house.job(answer.headers["x-job-id"])
    request = job["request"]
    assert (job["backend"], request["operation"], request["strength"], request["seed"]) == ("demo", "edit", 1.0, 3)
    assert request["init_image"]["width"] == 256
    assert request["mask"]["width"] == 256


def test_every_field_of_an_edit_reaches_stability(client: OpenAI, house: House) -> None:
    client.images.edit(
        model="stability/sd3.5-large",
        image=file_of(PICTURE),
        prompt="a fjord, redrawn",
        output_format="jpeg",
        extra_body={"strength": 0.4, "seed": 78, "negative_prompt": "boats", "cfg_scale": 6},
    )
    sent = house.sent_to_stability("a fjord, redrawn")
    expected = {"mode": "image-to-image", "model": "sd3.5-large", "strength": "0.4", "seed": "78",
                "negative_prompt": "boats", "cfg_scale": "6", "output_format": "jpeg"}  # fmt: skip
    assert {name: sent.get(name) for name in expected} == expected
    assert sent["image"]["type"] == "image/png"

    holes = PICTURE.convert("RGBA")
    holes.paste((0, 0, 0, 0), (128, 0, 256, 192))
    client.images.edit(model="stability", image=file_of(PICTURE), mask=file_of(holes), prompt="a fjord, in part")
    sent = house.sent_to_stability("a fjord, in part")
    assert sent["path"].endswith("/edit/inpaint")
    assert sent["mask"]["bytes"] > 0


def test_every_field_of_an_edit_reaches_the_webui(client: OpenAI, house: House) -> None:
    holes = PICTURE.convert("RGBA")
    holes.paste((0, 0, 0, 0), (128, 0, 256, 192))
    images = client.images.edit(
        model="local",
        image=[file_of(PICTURE)],
        mask=file_of(holes),
        prompt="a mill, redrawn",
        n=2,
        size="130x103",
        extra_body={"strength": 0.4, "seed": 9, "steps": 6, "sampler_name": "Euler", "negative_prompt": "wheels"},
    )

    calls = house.sent_to_webui("a mill, redrawn")
    assert [call["seed"] for call in calls] == [9, 10]
    expected = {"denoising_strength": 0.4, "steps": 6, "sampler_name": "Euler", "negative_prompt": "wheels",
                "width": 128, "height": 104}  # fmt: skip
    assert {name: calls[0][name] for name in expected} == expected
    brought = opened(calls[0]["init_images"][0]).convert("RGB")
    assert difference(brought, PICTURE) == 0
    # White is painted anew there.
    mask = opened(calls[0]["mask"]).convert("L")
    assert (mask.getpixel((10, 10)), mask.getpixel((200, 10))) == (0, 255)
    assert images.data
    assert opened(images.data[1].b64_json).size == (128, 104)


def test_streams_tell_the_pictures_and_end(client: OpenAI, house: House) -> None:
    with client.images.generate(prompt="a dune", model="demo", n=2, size="128x128", stream=True) as stream:
        image_id = stream.response.headers["x-job-id"]
        events = list(stream)

    assert [event.type for event in events] == ["image_generation.completed"] * 2
    for event in events:
        assert event.type == "image_generation.completed"
        assert opened(event.b64_json).size == (128, 128)
        assert (event.size, event.output_format, event.quality, event.usage.total_tokens) == (
            "128x128",
            "png",
            "auto",
            0,
        )
    assert house.job(image_id)["status"] == "finished"


def test_an_edit_streams_too(client: OpenAI) -> None:
    with client.images.edit(
        prompt="a dune", model="demo", image=("a.png", file_of(PICTURE)), stream=True, partial_images=1
    ) as stream:
        events = list(stream)

    assert events[-1].type == "image_edit.completed"
    assert {event.type for event in events} <= {"image_edit.partial_image", "image_edit.completed"}
    assert opened(events[-1].b64_json).size == PICTURE.size


async def test_the_async_client_does_the_same(house: House) -> None:
    async with AsyncOpenAI(base_url=f"{house.imaging.url}/v1", api_key="none", max_retries=0) as client:
        assert "demo" in [model.id async for model in client.models.list()]
        images = await client.images.generate(prompt="a reef", model="demo", size="96x64")
        assert images.data
        assert opened(images.data[0].b64_json).size == (96, 64)
        edited = await client.images.edit(prompt="a reef", model="demo", image=("a", file_of(PICTURE)))
        assert edited.data
        assert opened(edited.data[0].b64_json).size == PICTURE.size
        async with await client.images.generate(prompt="a reef", model="demo", stream=True) as stream:
            events = [event async for event in stream]
        assert events[-1].type == "image_generation.completed"


def test_what_a_content_filter_says_is_told_in_openais_words(client: OpenAI, house: House) -> None:
    for prompt, model, word in (
        ("x [moderated] 1", "stability/core", "moderation_blocked"),
        ("x [filtered] 2", "stability/core", "moderation_blocked"),
        ("x [moderated] 3", "dall-e-3", "content_policy_violation"),
    ):
        with pytest.raises(openai.BadRequestError) as told:
            client.images.generate(prompt=prompt, model=model)
        assert told.value.code == word
        assert prompt not in told.value.message
        assert told.value.response.headers["x-should-retry"] == "false"
        job = house.job(told.value.response.headers["x-job-id"])
        assert job["status"] == "failed"


def test_a_stream_that_comes_to_nothing_raises(client: OpenAI) -> None:
    with (
        client.images.generate(prompt="x [moderated] 4", model="stability/core", stream=True) as stream,
        pytest.raises(openai.APIError) as told,
    ):
        list(stream)
    assert told.value.code == "moderation_blocked"


def test_a_failed_job_is_not_made_again_by_the_clients_own_retries(house: House) -> None:
    prompt = "never twice [bad-request]"
    with (
        OpenAI(base_url=f"{house.imaging.url}/v1", api_key="none", max_retries=3) as client,
        pytest.raises(openai.BadRequestError),
    ):
        client.images.generate(prompt=prompt, model="stability/core")

    jobs = httpx.get(f"{house.imaging.url}/jobs").json()["jobs"]
    assert len([job for job in jobs if job["request"]["prompt"] == prompt]) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 11}, "n"),
        ({"n": 0}, "n"),
        ({"size": "large"}, "size"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"partial_images": 4}, "partial_images"),
        ({"response_format": "tiff"}, "response_format"),
        ({"extra_body": {"seed": -2}}, "seed"),
        ({"extra_body": {"steps": 0}}, "steps"),
        ({"extra_body": {"sampler_name": "Euler"}}, "sampler_name"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_a_wrong_field_is_named(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.images.generate(**{"prompt": "a bay", "model": "demo", **fields})

    assert (told.value.param, told.value.type) == (param, "invalid_request_error")
    assert told.value.message
    assert told.value.response.headers["x-should-retry"] == "false"


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    for model in ("stable-horde", "local/nothing"):
        with pytest.raises(openai.NotFoundError) as told:
            client.images.generate(prompt="x", model=model)
        assert (told.value.code, told.value.param) == ("model_not_found", "model")


def test_a_picture_that_is_none_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.images.edit(prompt="x", model="demo", image=("a.png", b"no picture"))
    assert told.value.param == "image"


def test_the_page_about_clients_tells_of_every_field_of_the_client() -> None:
    page = DOCS.read_text()
    for kind in (image_generate_params.ImageGenerateParamsBase, image_edit_params.ImageEditParamsBase):
        for name in (*kind.__annotations__, "stream"):
            assert re.search(rf"^\|[^|]*`{name}`", page, re.MULTILINE), name


def test_the_examples_on_the_page_about_clients_work(house: House, tmp_path: Path) -> None:
    page = DOCS.read_text().partition("## OpenAI images")[2].partition("\n## ")[0]
    here = house.imaging.url
    holes = PICTURE.convert("RGBA")
    holes.paste((0, 0, 0, 0), (128, 0, 256, 192))
    (tmp_path / "lighthouse.png").write_bytes(file_of(PICTURE))
    (tmp_path / "mask.png").write_bytes(file_of(holes))

    def outputs(language: str, *command: str) -> list[str]:
        told = []
        for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL):
            script = block.replace("http://localhost:8000", here)
            done = subprocess.run([*command, script], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            told.append(done.stdout)
        return told

    [python] = outputs("python", sys.executable, "-c")
    assert python.startswith("1024x768 ")
    curls, _ = outputs("sh", "bash", "-euc")
    told = json.JSONDecoder()
    generated, end = told.raw_decode(curls)
    edited, _ = told.raw_decode(curls[end:])
    assert httpx.get(generated["data"][0]["url"]).status_code == 200
    assert opened(edited["data"][0]["b64_json"]).size == PICTURE.size
