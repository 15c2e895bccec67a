"""The demo edits and enlarges pictures that are brought."""

import attrs
import pytest

from adapters.demo import DemoGenerator
from contracts.image_generator import unheard
from contracts.picture_work import PictureWorkContract, difference, file_of, four_colours, opened
from imaging_core.errors import CallRejected, InvalidRequest
from imaging_core.images import ImageRequest, Operation
from imaging_core.ports import GenerationCall, ImageGenerator

EDIT = ImageRequest(prompt="a lake", operation=Operation.EDIT, steps=2, strength=0.5)
UPSCALE = ImageRequest(prompt="", operation=Operation.UPSCALE, options={"scale": 3})


class TestDemoPictureWork(PictureWorkContract):
    """Promise 8 by the demo."""

    @pytest.fixture
    def generator(self) -> ImageGenerator:
        self.demo = DemoGenerator(step_s=0.02)
        return self.demo

    def edit_request(self) -> ImageRequest:
        return EDIT

    def masked_request(self) -> ImageRequest:
        return attrs.evolve(EDIT, strength=1.0)

    def upscale_request(self) -> ImageRequest:
        return UPSCALE

    def slow_edit_request(self) -> ImageRequest:
        return attrs.evolve(EDIT, steps=60)

    async def still_runs(self, call: GenerationCall) -> bool:
        return call.task_id in self.demo.running

    async def test_without_strength_the_picture_stays_as_it_was(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, attrs.evolve(EDIT, strength=0.0), file_of(four_colours()))

        generated = await generator.generate(call, report=unheard)

        assert difference(opened(generated.images[0]), four_colours()) == 0

    async def test_a_picture_is_enlarged_as_often_as_asked(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, UPSCALE, file_of(four_colours(100, 60)))

        generated = await generator.generate(call, report=unheard)

        assert (generated.images[0].width, generated.images[0].height) == (300, 180)

    async def test_a_result_over_the_limit_is_refused_beforehand(self, generator: ImageGenerator) -> None:
        large = file_of(four_colours(3000, 3000))

        with pytest.raises(InvalidRequest, match=r"scale: must be at most 1\.37 for a picture of 3000 x 3000 px"):
            await self.call(generator, UPSCALE, large)

    async def test_a_damaged_picture_is_refused(self, generator: ImageGenerator) -> None:
        whole = file_of(four_colours())
        for request in (EDIT, UPSCALE):
            call = await self.call(generator, request, whole)

            with pytest.raises(CallRejected, match="cannot be decoded"):
                await generator.generate(attrs.evolve(call, init_image=whole[:200]), report=unheard)
            with pytest.raises(CallRejected, match="there is none"):
                await generator.generate(attrs.evolve(call, init_image=None), report=unheard)
