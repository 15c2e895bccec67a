"""The demo generator keeps every promise of `ImageGenerator`, shows the picture coming, and stops when told to."""

import asyncio
import io
import time

import attrs
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from adapters.demo.offer import size_for
from adapters.demo.painting import Painting
from contracts.image_generator import ImageGeneratorContract, check_picture, unheard
from imaging_core.errors import CallFailed, CallRejected, Charged, FailureCode, InvalidRequest
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import ImageRequest
from imaging_core.ports import CallProgress, GenerationCall, ImageGenerator


def call_for(request: ImageRequest, *, images: int = 1, seed: int = 5) -> GenerationCall:
    return GenerationCall(job_id=new_job_id(), request=request, index=0, images=images, seed=seed, task_id=new_token())


def small(**changes: object) -> ImageRequest:
    return attrs.evolve(ImageRequest(prompt="a lake", width=64, height=64, steps=2), **changes)  # type: ignore[arg-type]


class TestDemoGenerator(ImageGeneratorContract):
    """Every promise of ImageGenerator."""

    @pytest.fixture
    def generator(self) -> ImageGenerator:
        self.demo = DemoGenerator(step_s=0.02)
        return self.demo

    def request(self) -> ImageRequest:
        return small()

    def slow_request(self) -> ImageRequest:
        return small(steps=40)

    async def still_runs(self, call: GenerationCall) -> bool:
        return call.task_id in self.demo.running


@pytest.fixture
def demo() -> DemoGenerator:
    return DemoGenerator(step_s=0)


async def test_it_says_that_it_is_not_ai_and_costs_nothing(demo: DemoGenerator) -> None:
    capabilities = await demo.capabilities()

    assert "not AI" in capabilities.title
    assert "Not AI" in (capabilities.notice or "")
    assert "not AI" in await demo.probe()
    assert not capabilities.paid
    assert capabilities.price(small(count=4)) == 0
    assert (await demo.generate(call_for(small()), report=unheard)).credits == 0


async def test_progress_tells_every_step_and_shows_small_previews(demo: DemoGenerator) -> None:
    reports: list[CallProgress] = []

    await demo.generate(call_for(small(width=512, height=384, steps=5)), report=reports.append)

    assert [report.step for report in reports] == [0, 1, 2, 3, 4, 5]
    assert {report.steps for report in reports} == {5}
    assert reports[-1].fraction == 1.0
    assert reports[-1].eta_s == 0
    for report in (reports[0], reports[-1]):
        assert report.preview is not None
        assert report.preview.media_type == "image/jpeg"
        assert len(report.preview.data) < 40_000
        with Image.open(io.BytesIO(report.preview.data)) as image:
            assert image.size == (256, 192)


async def test_progress_runs_over_all_pictures_of_a_call(demo: DemoGenerator) -> None:
    reports: list[CallProgress] = []

    generated = await demo.generate(call_for(small(), images=3), report=reports.append)

    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert reports[-1].step == reports[-1].steps == 6
    assert [picture.seed for picture in generated.images] == [5, 6, 7]
    assert len({picture.data for picture in generated.images}) == 3


async def test_the_picture_is_the_painters(demo: DemoGenerator) -> None:
    painting = Painting(prompt="a lake", seed=5, width=64, height=64, steps=2)
    for _ in painting:
        pass

    generated = await demo.generate(call_for(small()), report=unheard)

    assert generated.images[0].data == painting.png()


async def test_a_step_takes_its_time_and_the_loop_stays_free() -> None:
    patient = DemoGenerator(step_s=0.03)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    await patient.generate(call_for(small(steps=8)), report=unheard)
    took = time.monotonic() - began
    ticking.cancel()

    assert took >= 8 * 0.03
    assert ticks >= 5


async def test_cancelled_while_it_paints_it_leaves_no_thread_at_work(
    demo: DemoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = 0
    step = Painting.step

    def counted(painting: Painting) -> bool:
        nonlocal at_work
        at_work += 1
        try:
            return step(painting)
        finally:
            at_work -= 1

    monkeypatch.setattr(Painting, "step", counted)
    task = asyncio.create_task(demo.generate(call_for(small(width=1024, height=1024)), report=unheard))
    async with asyncio.timeout(20):
        while not at_work:  # noqa: ASYNC110  # the work is in a thread, which sets no asyncio event
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert at_work == 0
    assert demo.running == frozenset()


async def test_a_size_that_was_never_fitted_is_rejected_by_name(demo: DemoGenerator) -> None:
    with pytest.raises(CallRejected, match="width must be 64 to 2048") as refused:
        await demo.generate(call_for(small(width=8)), report=unheard)

    assert refused.value.charged is Charged.NO
    with pytest.raises(CallRejected, match="png, jpeg, webp"):
        await demo.generate(call_for(small(options={"output_format": "gif"})), report=unheard)
    assert demo.running == frozenset()


async def test_no_memory_is_a_failure_that_says_so(demo: DemoGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Painting) -> bool:
        raise MemoryError

    monkeypatch.setattr(Painting, "step", full)

    with pytest.raises(CallFailed, match="not enough memory to draw 64 x 64 px") as failed:
        await demo.generate(call_for(small()), report=unheard)

    assert failed.value.code is FailureCode.OUT_OF_MEMORY
    assert not failed.value.retryable
    assert failed.value.charged is Charged.NO


async def test_a_request_meant_for_stability_ai_is_taken(demo: DemoGenerator) -> None:
    request = ImageRequest(
        prompt="a lighthouse at dusk",
        checkpoint="core",
        cfg_scale=4.0,
        options={"aspect_ratio": "16:9", "output_format": "jpg", "style_preset": "pixel-art"},
    )
    fitted = (await demo.capabilities()).fit(attrs.evolve(request, width=128, height=128))

    picture = (await demo.generate(call_for(fitted), report=unheard)).images[0]

    check_picture(picture)
    assert (picture.media_type, picture.width, picture.height) == ("image/jpeg", 168, 96)


async def test_what_it_cannot_do_is_refused_by_name(demo: DemoGenerator) -> None:
    with pytest.raises(InvalidRequest) as refused:
        (await demo.capabilities()).fit(ImageRequest(prompt="x", width=63, steps=151, sampler="Euler a"))

    assert {problem.field for problem in refused.value.problems} == {"width", "steps", "sampler"}


@pytest.mark.parametrize(
    ("width", "height", "ratio", "size"),
    [
        (512, 512, None, (512, 512)),
        (333, 777, None, (333, 777)),
        (512, 512, "16:9", (680, 384)),
        (512, 512, "9:16", (384, 680)),
        (2048, 2048, "21:9", (2048, 880)),
        (64, 64, "21:9", (152, 64)),
    ],
)
def test_an_aspect_ratio_keeps_the_area_as_far_as_the_limits_allow(
    width: int, height: int, ratio: str | None, size: tuple[int, int]
) -> None:
    assert size_for(width, height, ratio) == size


def test_a_negative_pace_is_refused() -> None:
    with pytest.raises(ValueError, match="step_s"):
        DemoGenerator(step_s=-1)
