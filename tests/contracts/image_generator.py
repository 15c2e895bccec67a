"""The promises of `ImageGenerator`: whole pictures, true seeds, honest errors, and a stop when told to.

May import pytest, Pillow (to look at the pictures), the core and the neighbouring modules; knows no adapter.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable

import attrs
import pytest
from PIL import Image

from imaging_core.errors import InvalidRequest
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import Generated, GeneratedImage, ImageRequest
from imaging_core.ports import CallProgress, GenerationCall, ImageGenerator

#: Longest wait for something that must happen, in s.
PATIENCE_S = 20.0


def unheard(_: CallProgress) -> None:
    """Takes progress that no promise is about."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until that holds; TimeoutError when it does not come about."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110  # a backend elsewhere has no event to wait for
            await asyncio.sleep(0.01)


def check_picture(picture: GeneratedImage) -> None:
    """The bytes decode to the end and are what the picture says."""
    with Image.open(io.BytesIO(picture.data)) as image:
        image.load()
        assert image.size == (picture.width, picture.height)
        assert image.get_format_mimetype() == picture.media_type
    assert picture.media_type in ("image/png", "image/jpeg", "image/webp")


async def check_cancelled(
    generator: ImageGenerator, call: GenerationCall, still_runs: Callable[[GenerationCall], Awaitable[bool]]
) -> None:
    """A call that is cancelled while its backend works on it stops there."""
    task = asyncio.create_task(generator.generate(call, report=unheard))

    async def stopped() -> bool:
        return not await still_runs(call)

    await until(lambda: still_runs(call))
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(stopped)


class ImageGeneratorContract:
    """Every numbered promise of `ImageGenerator` that holds for each backend.

    A subclass supplies `generator`, `request`, `slow_request` and `still_runs`.
    """

    @pytest.fixture
    def generator(self) -> ImageGenerator:
        """The generator to try, its backend being well."""
        raise NotImplementedError("supply the generator to try")

    def request(self) -> ImageRequest:
        """A small and fast request for one picture, valid for the backend."""
        raise NotImplementedError("supply a small request")

    def slow_request(self) -> ImageRequest:
        """A request that takes at least half a second, and at most some seconds."""
        raise NotImplementedError("supply a slow request")

    async def still_runs(self, call: GenerationCall) -> bool:
        """Whether the backend works on that call now."""
        raise NotImplementedError("supply a look at the backend")

    def same(self, first: Generated, second: Generated) -> bool:
        """Whether two answers to one call are as equal as the backend can make them."""
        return [picture.data for picture in first.images] == [picture.data for picture in second.images]

    async def call(
        self, generator: ImageGenerator, request: ImageRequest | None = None, *, images: int = 1, seed: int = 42
    ) -> GenerationCall:
        """A call as the service makes it: fitted, with the backend's defaults filled in."""
        wanted = attrs.evolve(request or self.request(), seed=seed, count=images, batch_size=images)
        fitted = (await generator.capabilities()).fit(wanted)
        return GenerationCall(
            job_id=new_job_id(), request=fitted, index=0, images=images, seed=seed, task_id=new_token()
        )

    async def test_1_capabilities_name_the_backend(self, generator: ImageGenerator) -> None:
        capabilities = await generator.capabilities()

        assert capabilities.backend == generator.backend
        assert capabilities.title
        assert capabilities.images_per_call >= 1

    async def test_1_capabilities_describe_every_field_well(self, generator: ImageGenerator) -> None:
        capabilities = await generator.capabilities()

        prompt, count = capabilities.parameter("prompt"), capabilities.parameter("count")
        assert prompt is not None
        assert prompt.required
        assert count is not None
        assert (count.maximum or 0) >= 1
        models = {c for p in capabilities.parameters if p.name == "checkpoint" for c in p.choices}
        for parameter in capabilities.parameters:
            if parameter.default is not None:
                assert parameter.fit(parameter.default) == parameter.default, parameter.name
            assert not models or set(parameter.only_for) <= models, parameter.name
            assert set(parameter.aliases.values()) <= set(parameter.choices), parameter.name

    async def test_1_capabilities_fit_a_request_once_and_for_all(self, generator: ImageGenerator) -> None:
        capabilities = await generator.capabilities()
        fitted = capabilities.fit(self.request())

        assert capabilities.fit(fitted) == fitted
        with pytest.raises(InvalidRequest) as refused:
            capabilities.fit(attrs.evolve(self.request(), prompt="  ", options={"no_such_setting": 1}))
        assert {problem.field for problem in refused.value.problems} == {"prompt", "no_such_setting"}

    async def test_2_a_call_gives_a_whole_picture_of_the_type_and_size_it_says(self, generator: ImageGenerator) -> None:
        generated = await generator.generate(await self.call(generator), report=unheard)

        assert len(generated.images) == 1
        assert not generated.images[0].filtered
        assert generated.credits >= 0
        check_picture(generated.images[0])

    async def test_2_a_picture_whose_proof_may_come_later_is_the_same_and_has_one_that_it_passes(
        self, generator: ImageGenerator
    ) -> None:
        call = await self.call(generator)

        generated = await generator.generate(attrs.evolve(call, proof_later=True), report=unheard)

        if generated.proof is not None:
            await asyncio.to_thread(generated.proof)
        check_picture(generated.images[0])
        proven = await generator.generate(call, report=unheard)
        assert proven.proof is None
        assert self.same(generated, proven)

    async def test_2_a_call_gives_exactly_as_many_pictures_as_asked(self, generator: ImageGenerator) -> None:
        capabilities = await generator.capabilities()
        count = capabilities.parameter("count")
        assert count is not None
        images = min(2, capabilities.images_per_call, int(count.maximum or 1))

        generated = await generator.generate(await self.call(generator, images=images), report=unheard)

        assert len(generated.images) == images
        for picture in generated.images:
            check_picture(picture)

    async def test_2_a_call_gives_pictures_of_the_size_asked_for(self, generator: ImageGenerator) -> None:
        call = await self.call(generator)

        generated = await generator.generate(call, report=unheard)

        # A backend that takes no size chooses one; one that takes it keeps to it.
        size = (call.request.width, call.request.height)
        assert size in ((None, None), (generated.images[0].width, generated.images[0].height))

    async def test_4_progress_rises_within_0_and_1(self, generator: ImageGenerator) -> None:
        reports: list[CallProgress] = []

        await generator.generate(await self.call(generator, self.slow_request()), report=reports.append)

        fractions = [report.fraction for report in reports]
        assert fractions == sorted(fractions)
        assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
        for report in reports:
            assert report.eta_s is None or report.eta_s >= 0
            assert report.step is None or report.steps is None or 0 <= report.step <= report.steps

    async def test_5_a_cancelled_call_stops_on_the_backend(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, self.slow_request())
        await check_cancelled(generator, call, self.still_runs)

    async def test_5_a_cancelled_call_leaves_the_others_alone(self, generator: ImageGenerator) -> None:
        kept = await self.call(generator, self.slow_request(), seed=7)
        dropped = await self.call(generator, self.slow_request(), seed=8)
        keeping = asyncio.create_task(generator.generate(kept, report=unheard))

        async def running() -> bool:
            return await self.still_runs(kept)

        await until(running)
        dropping = asyncio.create_task(generator.generate(dropped, report=unheard))
        await asyncio.sleep(0)
        dropping.cancel()

        with pytest.raises(asyncio.CancelledError):
            await dropping
        generated = await keeping
        assert [picture.seed for picture in generated.images] == [7]
        check_picture(generated.images[0])

    async def test_5_a_generator_works_on_after_a_cancelled_call(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, self.slow_request())
        task = asyncio.create_task(generator.generate(call, report=unheard))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        generated = await generator.generate(await self.call(generator), report=unheard)

        check_picture(generated.images[0])

    async def test_6_the_same_call_gives_the_same_pictures(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, seed=4_294_967_000)

        first = await generator.generate(call, report=unheard)
        second = await generator.generate(attrs.evolve(call, task_id=new_token()), report=unheard)

        assert self.same(first, second)
        assert [picture.seed for picture in first.images] == [picture.seed for picture in second.images]

    async def test_6_the_seeds_are_those_asked_for(self, generator: ImageGenerator) -> None:
        images = min(2, (await generator.capabilities()).images_per_call)

        generated = await generator.generate(await self.call(generator, images=images, seed=1000), report=unheard)

        assert [picture.seed for picture in generated.images] == [1000 + k for k in range(images)]

    async def test_6_another_seed_gives_another_picture(self, generator: ImageGenerator) -> None:
        first = await generator.generate(await self.call(generator, seed=1), report=unheard)
        second = await generator.generate(await self.call(generator, seed=2), report=unheard)

        assert first.images[0].data != second.images[0].data

    async def test_7_probe_says_in_a_sentence_that_the_backend_answers(self, generator: ImageGenerator) -> None:
        sentence = await generator.probe()

        assert len(sentence.split()) >= 2
