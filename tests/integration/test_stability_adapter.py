"""The Stability AI adapter against the stand-in on a real port: what it sends, what it makes of the answers, and the money.

May import pytest, the contract suite, the adapter and the fake.
"""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from PIL import Image

from adapters.stability import AnswerForm, StabilityGenerator, StabilityKey, StabilitySettings
from adapters.stability.models import MODELS
from contracts.image_generator import ImageGeneratorContract, unheard
from contracts.remote_generator import RemoteGeneratorContract
from fakes.stability import StabilityProcess, contract, launch
from imaging_core.errors import InvalidRequest
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import Generated, ImageRequest, Operation
from imaging_core.ports import GenerationCall, ImageGenerator

KEY = "sk-a-very-secret-key"


@pytest.fixture(scope="module")
def server() -> Iterator[StabilityProcess]:
    with launch(rate_limit=False) as server:
        yield server


@pytest.fixture
def fake(server: StabilityProcess) -> Iterator[StabilityProcess]:
    yield server
    server.control(clear=True, balance=1_000_000.0)


@pytest.fixture
async def generator(fake: StabilityProcess) -> AsyncIterator[StabilityGenerator]:
    async with open_at(fake.url) as generator:
        yield generator


def open_at(url: str, key: str = KEY, **settings: Any) -> StabilityGenerator:
    return StabilityGenerator(StabilitySettings(key=StabilityKey(key), base_url=url, **settings))


async def call_for(generator: ImageGenerator, prompt: str, *, seed: int = 7, **fields: Any) -> GenerationCall:
    """A call as the service makes it: fitted, with the backend's defaults."""
    canonical = {name: fields.pop(name) for name in ("checkpoint", "cfg_scale", "negative_prompt") if name in fields}
    request = ImageRequest(prompt=prompt, seed=seed, options=fields, **canonical)
    fitted = (await generator.capabilities()).fit(request)
    return GenerationCall(job_id=new_job_id(), request=fitted, index=0, images=1, seed=seed, task_id=new_token())


async def generate(generator: ImageGenerator, prompt: str, **fields: Any) -> Generated:
    return await generator.generate(await call_for(generator, prompt, **fields), report=unheard)


def sent(fake: StabilityProcess, prompt: str) -> dict[str, Any]:
    """The stand-in's record of the only call with that prompt; written a moment after its answer went out."""
    give_up = time.monotonic() + 30
    while not (calls := [call for call in fake.calls() if call["fields"].get("prompt") == prompt]):
        assert time.monotonic() < give_up, "the stand-in never heard that prompt"
        time.sleep(0.01)
    (call,) = calls
    return call


class TestStabilityGenerator(ImageGeneratorContract):
    """The promises of every generator, on this one."""

    @pytest.fixture(autouse=True)
    def _fake(self, fake: StabilityProcess) -> None:
        self.fake = fake

    @pytest.fixture
    def generator(self, generator: StabilityGenerator) -> ImageGenerator:
        return generator

    def request(self) -> ImageRequest:
        return ImageRequest(prompt="a lighthouse", options={"output_format": "jpeg"})

    def slow_request(self) -> ImageRequest:
        return ImageRequest(prompt="a slow lighthouse [slow=0.6]", options={"output_format": "jpeg"})

    async def still_runs(self, call: GenerationCall) -> bool:
        return {"prompt": call.request.prompt, "seed": call.seed} in self.fake.state()["running"]

    def same(self, first: Generated, second: Generated) -> bool:
        # Each answer of the stand-in carries the number of its call in a comment: the pixels are what repeats.
        return pixels(first) == pixels(second)


class TestStabilityElsewhere(RemoteGeneratorContract):
    """The promises of every remote generator, on this one."""

    @pytest.fixture
    def well(self) -> Iterator[str]:
        # Of a small picture the second telling fits into one read with the first, where no look at the socket finds it.
        with launch(rate_limit=False, picture_side=64) as server:
            yield server.url

    def generator_at(self, url: str) -> AbstractAsyncContextManager[ImageGenerator]:
        return open_at(url)

    def remote_call(self) -> GenerationCall:
        request = ImageRequest(prompt="a secretive lighthouse", checkpoint="core")
        return GenerationCall(job_id=new_job_id(), request=request, index=0, images=1, seed=7, task_id=new_token())


def pixels(generated: Generated) -> bytes:
    with Image.open(io.BytesIO(generated.images[0].data)) as image:
        return image.tobytes()


@pytest.mark.parametrize("model", [m.name for m in MODELS.values() if Operation.GENERATE in m.operations])
async def test_each_model_is_asked_on_its_route_and_recorded_at_its_price(
    fake: StabilityProcess, generator: StabilityGenerator, model: str
) -> None:
    generated = await generate(generator, f"for {model}", checkpoint=model, output_format="jpeg", aspect_ratio="16:9")

    call = sent(fake, f"for {model}")
    assert call["path"].rsplit("/", 1)[1] == ("sd3" if model.startswith("sd3") else model)
    assert call["fields"].get("model") == (model if model.startswith("sd3") else None)
    assert generated.credits == call["charged"] == fake.charges()[f"for {model}"]["credits"]
    size = (2016, 1152) if model == "core" else (1344, 768)
    assert (generated.images[0].width, generated.images[0].height) == size


@pytest.mark.parametrize("form", AnswerForm)
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_picture_comes_the_same_as_bytes_and_as_json(
    fake: StabilityProcess, kind: str, form: AnswerForm
) -> None:
    async with open_at(fake.url, answer_form=form) as generator:
        (image,) = (await generate(generator, "x", seed=4_294_967_294, output_format=kind)).images

    assert image.media_type == f"image/{kind}"
    assert image.seed == 4_294_967_294
    assert (image.width, image.height) == (1536, 1536)


async def test_every_field_travels_as_it_was_given(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    prompt = 'quotes " and \\ and ; and\r\n--lines--\r\n, emoji 🦊, name="x"'

    await generate(
        generator,
        prompt,
        negative_prompt="fog",
        checkpoint="sd3.5-medium",
        cfg_scale=7.5,
        style_preset="line-art",
        aspect_ratio="9:21",
        output_format="jpeg",
    )

    assert sent(fake, prompt)["fields"] == {
        "prompt": prompt,
        "negative_prompt": "fog",
        "model": "sd3.5-medium",
        "cfg_scale": "7.5",
        "style_preset": "line-art",
        "aspect_ratio": "9:21",
        "output_format": "jpeg",
        "seed": "7",
    }


async def test_what_was_not_chosen_is_not_sent(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    await generate(generator, "turbo", checkpoint="sd3.5-large-turbo")

    fields = sent(fake, "turbo")["fields"]
    assert {"cfg_scale", "negative_prompt", "style_preset"}.isdisjoint(fields)


async def test_the_longest_prompt_is_taken(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    await generate(generator, "y" * 10_000, negative_prompt="n" * 10_000, output_format="jpeg")

    assert len(sent(fake, "y" * 10_000)["fields"]["negative_prompt"]) == 10_000


async def test_a_seed_of_0_is_drawn_by_the_provider_and_told(generator: StabilityGenerator) -> None:
    (image,) = (await generate(generator, "x", seed=0, output_format="jpeg")).images

    assert image.seed > 0


@pytest.mark.parametrize("form", AnswerForm)
@pytest.mark.parametrize("marker", ["no-seed", "bad-seed", "bad-seed=-1", "bad-seed=99999999999"])
async def test_a_seed_that_is_not_told_is_the_one_asked_for(
    fake: StabilityProcess, marker: str, form: AnswerForm
) -> None:
    async with open_at(fake.url, answer_form=form) as generator:
        (image,) = (await generate(generator, f"[{marker}]", seed=12, output_format="jpeg")).images

    assert image.seed == 12


@pytest.mark.parametrize("form", AnswerForm)
async def test_a_filtered_picture_is_flagged_and_paid_for(fake: StabilityProcess, form: AnswerForm) -> None:
    async with open_at(fake.url, answer_form=form) as generator:
        generated = await generate(generator, "[filtered]")

    assert generated.images[0].filtered
    assert generated.credits == 3


async def test_the_capabilities_agree_with_the_description_of_the_api(generator: StabilityGenerator) -> None:
    capabilities = await generator.capabilities()
    routes = contract.routes()
    sd3 = routes["/v2beta/stable-image/generate/sd3"]
    others_on = {
        "inpaint": "edit/inpaint",
        "upscale-fast": "upscale/fast",
        "upscale-conservative": "upscale/conservative",
    }
    others_cost = {name: routes[f"/v2beta/stable-image/{path}"].credits for name, path in others_on.items()}
    prices = {"core": 3.0, "ultra": 8.0} | dict(sd3.credits) | others_cost  # type: ignore[arg-type]

    assert capabilities.paid
    assert capabilities.images_per_call == 1
    assert capabilities.credits == prices
    assert routes["/v2beta/stable-image/generate/core"].credits == 3
    assert routes["/v2beta/stable-image/generate/ultra"].credits == 8
    for field in sd3.fields:
        ours = {"model": "checkpoint"}.get(field.name, field.name)
        parameter = capabilities.parameter(ours, "sd3.5-large")
        if field.name in ("mode", "image", "strength"):
            assert parameter is None
            continue
        assert parameter is not None, field.name
        if field.kind == "choice":
            others = {"core", "ultra"} if ours == "checkpoint" else set()
            assert set(parameter.choices) - others == set(field.choices)
        elif field.kind == "text":
            assert parameter.max_length == field.maximum
        else:
            assert (parameter.minimum, parameter.maximum) == (field.minimum, field.maximum)


@pytest.mark.parametrize("model", ["core", "ultra"])
async def test_cfg_scale_is_for_the_sd3_models_only(generator: StabilityGenerator, model: str) -> None:
    with pytest.raises(InvalidRequest, match=r"cfg_scale.*sd3\.5-large"):
        await call_for(generator, "x", checkpoint=model, cfg_scale=4.0)


async def test_the_names_of_old_models_mean_their_successors(generator: StabilityGenerator) -> None:
    call = await call_for(generator, "x", checkpoint="sd3-medium")

    assert call.request.checkpoint == "sd3.5-medium"


async def test_balance_and_probe_tell_the_credits(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    fake.control(balance=42.5)

    assert await generator.balance() == 42.5
    assert (await generator.probe()).endswith("the account has 42.5 credits.")


async def test_probing_often_asks_once(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    before = fake.state()["requests"]

    first, second = await generator.probe(), await generator.probe()

    assert first == second
    assert fake.state()["requests"] == before + 1


async def test_a_restarted_server_is_met_on_a_new_connection() -> None:
    with launch(rate_limit=False) as fake:
        async with open_at(fake.url) as generator:
            await generate(generator, "before", output_format="jpeg")
            fake.kill()
            fake.start()
            await generate(generator, "after", output_format="jpeg")

        assert set(fake.charges()) == {"before", "after"}


async def test_a_generator_that_was_not_opened_says_so() -> None:
    generator = open_at("http://127.0.0.1:9")

    with pytest.raises(RuntimeError, match="opened"):
        await generator.balance()
