"""The WebUI edits and enlarges pictures that are brought, with and without names for its tasks."""

import attrs
import pytest

from contracts.image_generator import unheard
from contracts.picture_work import PictureWorkContract, file_of, four_colours
from imaging_core.errors import CallRejected, InvalidRequest
from imaging_core.images import ImageRequest, Operation
from imaging_core.ports import ImageGenerator
from sdwebui_setting import OnFakeWebUI

EDIT = ImageRequest(prompt="a red cube", operation=Operation.EDIT, steps=2, strength=0.4)
UPSCALE = ImageRequest(prompt="", operation=Operation.UPSCALE, options={"scale": 2.5})


class _OnFake(OnFakeWebUI, PictureWorkContract):
    def edit_request(self) -> ImageRequest:
        return EDIT

    def masked_request(self) -> ImageRequest:
        return EDIT

    def upscale_request(self) -> ImageRequest:
        return UPSCALE

    def slow_edit_request(self) -> ImageRequest:
        return attrs.evolve(EDIT, steps=80)


class TestPictureWorkWithNamedTasks(_OnFake):
    """1.10.1 with --api."""

    async def test_an_enlargement_has_the_size_asked_for(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, UPSCALE, file_of(four_colours(100, 60)))

        generated = await generator.generate(call, report=unheard)

        assert (generated.images[0].width, generated.images[0].height) == (250, 150)

    async def test_an_upscaler_that_is_not_there_is_refused_with_those_that_are(
        self, generator: ImageGenerator
    ) -> None:
        wrong = attrs.evolve(UPSCALE, options={"upscaler": "Nobody"})

        with pytest.raises(InvalidRequest, match=r"upscaler: is not among the choices\. There are: .*Lanczos"):
            await self.call(generator, wrong, file_of(four_colours()))

    async def test_a_call_without_its_picture_is_not_sent(self, generator: ImageGenerator) -> None:
        for request in (EDIT, UPSCALE):
            call = await self.call(generator, request, file_of(four_colours()))

            with pytest.raises(CallRejected, match="there is none"):
                await generator.generate(attrs.evolve(call, init_image=None), report=unheard)


class TestPictureWorkWithoutNamedTasks(_OnFake):
    """1.10.1 with --nowebui."""

    arguments = ("--nowebui",)
