"""Stability AI edits and enlarges pictures that are brought, and each route gets the fields that it knows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest
from PIL import Image

from adapters.stability import StabilityGenerator, StabilityKey, StabilitySettings
from contracts.image_generator import unheard
from contracts.picture_work import PictureWorkContract, file_of, four_colours, right_half
from fakes.stability import StabilityProcess, launch
from imaging_core.errors import CallRejected, InvalidRequest
from imaging_core.images import ImageRequest, Operation
from imaging_core.ports import GenerationCall, ImageGenerator

EDIT = ImageRequest(prompt="a lake", operation=Operation.EDIT, strength=0.5)
MASKED = ImageRequest(prompt="a lake", operation=Operation.EDIT)
UPSCALE = ImageRequest(prompt="", operation=Operation.UPSCALE)


@pytest.fixture(scope="module")
def server() -> Iterator[StabilityProcess]:
    with launch(rate_limit=False) as server:
        yield server


class TestStabilityPictureWork(PictureWorkContract):
    """Promise 8 by the provider's models."""

    @pytest.fixture
    def fake(self, server: StabilityProcess) -> Iterator[StabilityProcess]:
        self.server = server
        yield server
        server.control(clear=True, balance=1_000_000.0)

    @pytest.fixture
    async def generator(self, fake: StabilityProcess) -> AsyncIterator[ImageGenerator]:
        settings = StabilitySettings(key=StabilityKey("sk-a-very-secret-key"), base_url=fake.url)
        async with StabilityGenerator(settings) as generator:
            yield generator

    def edit_request(self) -> ImageRequest:
        return EDIT

    def masked_request(self) -> ImageRequest:
        return MASKED

    def upscale_request(self) -> ImageRequest:
        return UPSCALE

    def slow_edit_request(self) -> ImageRequest:
        return attrs.evolve(EDIT, prompt="a slow lake [slow=0.6]")

    async def still_runs(self, call: GenerationCall) -> bool:
        # A call cannot be stopped on the server: cancelled, it is let go, and ends by itself.
        return any(run["prompt"] == call.request.prompt for run in self.server.state()["running"])

    def last_call(self, path: str, prompt: str, *, after: int = 0) -> dict[str, Any]:
        """The stand-in's record of the last call of a route with that prompt; written a moment after its answer went out.

        `after` is how many calls it had recorded before.
        """
        give_up = time.monotonic() + 10
        while not (
            calls := [
                call
                for call in self.server.calls()[after:]
                if call["path"].endswith(path) and call["fields"].get("prompt", "") == prompt
            ]
        ):
            assert time.monotonic() < give_up, "the stand-in never heard of that"
            time.sleep(0.01)
        found: dict[str, Any] = calls[-1]
        return found

    @pytest.mark.parametrize(
        ("request_", "masked", "path", "texts", "price"),
        [
            (EDIT, False, "generate/sd3", {"mode": "image-to-image", "model": "sd3.5-large", "strength": "0.5"}, 6.5),
            (attrs.evolve(EDIT, checkpoint="ultra"), False, "generate/ultra", {"strength": "0.5"}, 8),
            (MASKED, True, "edit/inpaint", {"grow_mask": "5"}, 5),
            (UPSCALE, False, "upscale/fast", {}, 2),
            (
                attrs.evolve(UPSCALE, prompt="a lake", checkpoint="upscale-conservative"),
                False, "upscale/conservative", {"creativity": "0.35"}, 40,
            ),
        ],
        ids=["sd3", "ultra", "inpaint", "fast", "conservative"],
    )  # fmt: skip
    async def test_each_route_gets_what_it_knows_at_its_price(
        self,
        *,
        generator: ImageGenerator,
        request_: ImageRequest,
        masked: bool,
        path: str,
        texts: dict[str, str],
        price: float,
    ) -> None:
        picture = four_colours(256, 192)
        mask = file_of(right_half(256, 192)) if masked else None
        call = await self.call(generator, request_, file_of(picture), mask)
        before = len(self.server.calls())

        generated = await generator.generate(call, report=unheard)

        record = self.last_call(path, request_.prompt, after=before)
        fields = record["fields"]
        assert {name: fields[name] for name in texts} == texts
        assert fields["image"]["type"] == "image/png"
        assert ("mask" in fields) is masked
        assert "aspect_ratio" not in fields
        assert fields.get("prompt", "") == request_.prompt
        assert generated.credits == record["charged"] == price
        assert (await generator.capabilities()).price(call.request) == price

    async def test_a_picture_too_large_for_the_api_travels_as_jpeg(self, generator: ImageGenerator) -> None:
        noise = Image.effect_noise((2048, 2048), 90).convert("RGB")
        large = file_of(Image.merge("RGB", [noise.getchannel(k).rotate(90 * k) for k in range(3)]))
        assert len(large) > 10 << 20
        call = await self.call(
            generator, attrs.evolve(MASKED, prompt="a noisy lake"), large, file_of(right_half(2048, 2048))
        )

        await generator.generate(call, report=unheard)

        image = self.last_call("edit/inpaint", "a noisy lake")["fields"]["image"]
        assert image["type"] == "image/jpeg"
        assert image["bytes"] < 10 << 20

    async def test_what_a_model_does_not_do_says_which_do(self, generator: ImageGenerator) -> None:
        picture = file_of(four_colours(256, 192))
        mask = file_of(right_half(256, 192))

        with pytest.raises(InvalidRequest, match=r"'core' does not edit pictures\. These do: ultra, sd3\.5-large"):
            await self.call(generator, attrs.evolve(EDIT, checkpoint="core"), picture)
        with pytest.raises(InvalidRequest, match=r"mask: is not taken by model 'ultra'\. These take it: inpaint"):
            await self.call(generator, attrs.evolve(EDIT, checkpoint="ultra"), picture, mask)
        with pytest.raises(InvalidRequest, match="prompt: is not taken by model 'upscale-fast'"):
            await self.call(generator, attrs.evolve(UPSCALE, prompt="a lake"), picture)
        with pytest.raises(InvalidRequest, match="must have sides from 32 to 1536 px"):
            await self.call(generator, UPSCALE, file_of(four_colours(1600, 300)))

    async def test_a_call_without_its_picture_is_not_sent(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, EDIT, file_of(four_colours()))

        with pytest.raises(CallRejected, match="there is none"):
            await generator.generate(attrs.evolve(call, init_image=None), report=unheard)
