"""What the WebUI adapter sends, what it makes of each answer, and how it stops its own tasks, on a real port."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import attrs
import httpx
import pytest
from PIL import Image

from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings
from fakes.sdwebui import FakeWebUI, launch
from imaging_core.errors import (
    AnswerLost,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    InvalidRequest,
    Unavailable,
)
from imaging_core.images import Generated, ImageRequest, OptionValue
from imaging_core.jobs import new_job_id, new_token
from imaging_core.ports import CallProgress, GenerationCall

REQUEST = ImageRequest(prompt="a secretive lighthouse", steps=2, width=64, height=64)
SLOW = attrs.evolve(REQUEST, steps=500)


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeWebUI]:
    with launch("--step-seconds", "0.002") as server:
        yield server


@pytest.fixture
def webui(shared: FakeWebUI) -> FakeWebUI:
    """A server at rest with its options as on the first day."""
    shared.control(
        step_seconds=0.002, stall=False, deaf=False, reset_options=True, options={"sd_model_checkpoint": "tinyA"}
    )
    return shared


def settings(*servers: FakeWebUI | str, **changes: Any) -> SdWebuiSettings:
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    return SdWebuiSettings(**{"urls": urls, "poll_s": 0.02, "lists_ttl_s": 0.0, **changes})


@pytest.fixture
async def generator(webui: FakeWebUI) -> AsyncIterator[SdWebuiGenerator]:
    async with SdWebuiGenerator(settings(webui)) as generator:
        yield generator


def a_call(request: ImageRequest = REQUEST, *, images: int = 1, seed: int = 42, **changes: Any) -> GenerationCall:
    facts = {"job_id": new_job_id(), "index": 0, "task_id": new_token(), "seed": seed, "images": images, **changes}
    return GenerationCall(request=attrs.evolve(request, count=images, batch_size=images), **facts)


def with_options(**options: OptionValue) -> ImageRequest:
    return attrs.evolve(REQUEST, options=options)


async def make(generator: SdWebuiGenerator, call: GenerationCall | None = None) -> Generated:
    return await generator.generate(call or a_call(), report=lambda _: None)


async def until(server: FakeWebUI, **state: object) -> None:
    """Wait until the fake's snapshot says so."""
    await asyncio.to_thread(server.wait, lambda snapshot: all(snapshot[key] == value for key, value in state.items()))


async def post(server: FakeWebUI, path: str) -> None:
    """Do what somebody else may do to the server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as somebody:
        (await somebody.post(path)).raise_for_status()


def infotext(generated: Generated, index: int = 0) -> str:
    with Image.open(io.BytesIO(generated.images[index].data)) as image:
        return str(image.info["parameters"])


# --- what it offers --------------------------------------------------------------------------------------------------


async def test_the_lists_become_choices_with_their_other_spellings(generator: SdWebuiGenerator) -> None:
    capabilities = await generator.capabilities()

    def choices(name: str) -> tuple[str, ...]:
        parameter = capabilities.parameter(name)
        assert parameter is not None
        return parameter.choices

    assert choices("checkpoint") == ("tinyA", "tinyB")
    assert {"Euler a", "DPM++ 2M", "DDIM"} <= set(choices("sampler"))
    assert {"Automatic", "Karras"} <= set(choices("scheduler"))
    assert {"Latent", "Latent (nearest-exact)", "Lanczos"} <= set(choices("hr_upscaler"))
    assert choices("vae") == ("Automatic", "None", "tinyvae.safetensors")
    assert choices("styles") == ("mystyle",)

    other_spellings = attrs.evolve(REQUEST, checkpoint="tinyB.safetensors", sampler="k_euler_a", scheduler="karras")
    fitted = capabilities.fit(other_spellings)
    assert (fitted.checkpoint, fitted.sampler, fitted.scheduler) == ("tinyB", "Euler a", "Karras")


async def test_the_checkpoint_that_is_set_is_the_default(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    webui.control(options={"sd_model_checkpoint": "tinyB"})

    fitted = (await generator.capabilities()).fit(REQUEST)

    assert fitted.checkpoint == "tinyB"


async def test_unknown_names_and_sizes_are_refused_before_queueing(generator: SdWebuiGenerator) -> None:
    wrong = attrs.evolve(REQUEST, checkpoint="nope", sampler="Nope", scheduler="Nope", steps=0, width=100)

    with pytest.raises(InvalidRequest) as refused:
        (await generator.capabilities()).fit(wrong)

    problems = {problem.field: problem.message for problem in refused.value.problems}
    assert set(problems) == {"checkpoint", "sampler", "scheduler", "steps", "width"}
    assert "tinyA, tinyB" in problems["checkpoint"]


async def test_a_server_before_1_9_has_no_schedulers() -> None:
    with launch("--version", "1.8.0") as old:
        async with SdWebuiGenerator(settings(old)) as generator:
            capabilities = await generator.capabilities()
            generated = await make(generator, a_call(attrs.evolve(REQUEST, sampler="DPM++ 2M Karras")))
        assert "scheduler" not in old.log()[0].body

    assert capabilities.parameter("scheduler") is None
    assert "Sampler: DPM++ 2M Karras" in infotext(generated)


# --- what it sends ---------------------------------------------------------------------------------------------------


async def test_every_setting_that_may_have_leaked_is_named_on_every_call(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    webui.control(options={"CLIP_stop_at_last_layers": 2, "sd_vae": "tinyvae.safetensors"})
    call = a_call(attrs.evolve(REQUEST, checkpoint="tinyB"))

    generated = await make(generator, call)

    sent = webui.log()[-1].body
    assert sent["override_settings"] == {
        "CLIP_stop_at_last_layers": 1,
        "sd_model_checkpoint": sent["override_settings"]["sd_model_checkpoint"],
        "sd_vae": "Automatic",
    }
    assert sent["override_settings"]["sd_model_checkpoint"].startswith("tinyB.safetensors")
    assert sent["override_settings_restore_afterwards"] is False
    assert sent["force_task_id"] == call.task_id
    assert "Clip skip" not in infotext(generated)
    assert "VAE" not in infotext(generated)


async def test_all_fields_reach_the_picture(generator: SdWebuiGenerator) -> None:
    request = attrs.evolve(
        REQUEST,
        negative_prompt="people",
        checkpoint="tinyB",
        sampler="Euler a",
        scheduler="Karras",
        steps=3,
        cfg_scale=5.5,
        width=72,
        height=128,
        options={"clip_skip": 2, "vae": "tinyvae.safetensors", "styles": ("mystyle",)},
    )

    generated = await make(generator, a_call(request, seed=99))

    text = infotext(generated)
    for part in (
        "a secretive lighthouse, oil painting\nNegative prompt: people, blurry\nSteps: 3, Sampler: Euler a, "
        "Schedule type: Karras, CFG scale: 5.5, Seed: 99, Size: 72x128",
        "Model: tinyB",
        "VAE: tinyvae.safetensors",
        "Clip skip: 2",
    ):
        assert part in text
    assert (generated.images[0].width, generated.images[0].height) == (72, 128)


async def test_hires_gives_the_larger_size(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    request = with_options(enable_hr=True, hr_scale=1.7, hr_upscaler="Lanczos", hr_second_pass_steps=3)

    generated = await make(generator, a_call(request))

    assert (generated.images[0].width, generated.images[0].height) == (104, 104)
    assert "Denoising strength: 0.7, Hires upscale: 1.7, Hires steps: 3, Hires upscaler: Lanczos" in infotext(generated)


async def test_hires_beyond_the_limit_is_refused_before_it_is_sent(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    request = attrs.evolve(with_options(enable_hr=True, hr_scale=4.0), width=2048, height=2048)
    before = webui.control()["received"]

    with pytest.raises(CallRejected, match="8192 x 8192"):
        await make(generator, a_call(request))

    assert webui.control()["received"] == before


async def test_a_batch_comes_in_order_with_its_true_seeds(generator: SdWebuiGenerator) -> None:
    generated = await make(generator, a_call(images=3, seed=1000))

    assert [picture.seed for picture in generated.images] == [1000, 1001, 1002]
    assert ["Seed: 1001" in infotext(generated, k) for k in range(3)] == [False, True, False]


async def test_a_checkpoint_is_loaded_once_for_many_calls(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="tinyA")))
    before = webui.control()["loads"]

    for _ in range(3):
        await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="tinyB")))

    assert webui.control()["loads"] == before + 1
    assert webui.control()["loaded"] == "tinyB"


@pytest.mark.parametrize(("option", "media_type"), [("jpg", "image/jpeg"), ("webp", "image/webp")])
async def test_the_type_of_a_picture_is_read_off_its_bytes(
    webui: FakeWebUI, generator: SdWebuiGenerator, option: str, media_type: str
) -> None:
    webui.control(options={"samples_format": option})

    generated = await make(generator)

    assert generated.images[0].media_type == media_type


# --- what it makes of answers ----------------------------------------------------------------------------------------


async def test_pictures_that_an_extension_appends_are_no_pictures_of_the_job(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    webui.control(deliver={"how": "extra_image"})

    generated = await make(generator, a_call(images=2))

    assert len(generated.images) == 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("validation", (CallRejected, FailureCode.REJECTED, False, "steps (value is not a valid integer)")),
        ("refused", (CallFailed, FailureCode.BACKEND_ERROR, True, "Invalid encoded image")),
        ("exception", (CallFailed, FailureCode.BACKEND_ERROR, True, "RuntimeError")),
        ("nan", (CallFailed, FailureCode.BACKEND_ERROR, False, "--no-half-vae")),
        ("oom", (CallFailed, FailureCode.OUT_OF_MEMORY, False, "ran out of memory")),
    ],
)
async def test_each_shape_of_error_is_told_in_a_sentence(
    webui: FakeWebUI,
    generator: SdWebuiGenerator,
    shape: str,
    expected: tuple[type[GenerationError], FailureCode, bool, str],
) -> None:
    webui.control(fail={"shape": shape, "at": "middle"})

    with pytest.raises(GenerationError) as failed:
        await make(generator)

    kind, code, retryable, words = expected
    assert type(failed.value) is kind
    assert (failed.value.code, failed.value.retryable, failed.value.charged) == (code, retryable, Charged.NO)
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("how", "expected", "words"),
    [
        ("html502", AnswerLost, "status 502"),
        ("drop", AnswerLost, "broke the connection"),
        ("cut", AnswerLost, "broke the connection"),
        ("empty", BadAnswer, "no JSON object"),
        ("not_json", BadAnswer, "no JSON object"),
        ("truncated_base64", BadAnswer, "picture"),
        ("not_base64", BadAnswer, "no base64"),
        ("oversize", BadAnswer, "more than 32 MB"),
        ("gzip_bomb", BadAnswer, "encoding that was not asked for"),
        ("redirect", BadAnswer, "redirects elsewhere"),
        ("wrong_format", BadAnswer, "neither PNG, JPEG nor WebP"),
        ("wrong_size", BadAnswer, "24 x 40 px instead of 64 x 64"),
        ("huge_size", BadAnswer, "picture"),
        ("no_images", BadAnswer, "without pictures"),
        ("missing_image", CallFailed, "0 of 1 pictures"),
        ("no_info", BadAnswer, "without saying what it did"),
        ("bad_info", BadAnswer, "without saying what it did"),
    ],
)
async def test_an_answer_that_is_no_good_is_refused(
    webui: FakeWebUI, generator: SdWebuiGenerator, how: str, expected: type[GenerationError], words: str
) -> None:
    webui.control(deliver={"how": how})

    with pytest.raises(expected, match=words) as failed:
        await make(generator)

    assert type(failed.value) is expected
    assert "secretive" not in str(failed.value)


async def test_a_lost_answer_leaves_open_whether_the_job_runs(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    webui.control(deliver={"how": "drop"})

    with pytest.raises(AnswerLost) as lost:
        await make(generator)

    assert lost.value.charged is Charged.UNKNOWN
    assert lost.value.retryable


@pytest.mark.parametrize("how", ["hang", "trickle"])
async def test_an_answer_that_never_ends_is_a_time_out(webui: FakeWebUI, how: str) -> None:
    webui.control(deliver={"how": how})

    async with SdWebuiGenerator(settings(webui, total_timeout_s=0.5)) as generator:
        with pytest.raises(AnswerLost) as late:
            await make(generator)

    assert late.value.code is FailureCode.TIMEOUT
    assert not late.value.retryable


async def test_a_job_that_takes_too_long_is_stopped(webui: FakeWebUI) -> None:
    webui.control(stall=True)

    async with SdWebuiGenerator(settings(webui, total_timeout_s=0.4)) as generator:
        call = a_call()
        with pytest.raises(AnswerLost):
            await make(generator, call)

    assert webui.control()["in_flight"] == 0
    assert webui.interrupts()[-1] == call.task_id


async def test_a_silent_fall_back_to_another_checkpoint_is_a_failure(webui: FakeWebUI) -> None:
    with launch("--checkpoints", "kept,lost") as server:
        async with SdWebuiGenerator(settings(server, lists_ttl_s=60.0)) as generator:
            await generator.capabilities()
            server.control(delete_checkpoint="lost")
            await post(server, "/sdapi/v1/refresh-checkpoints")

            with pytest.raises(BadAnswer, match="used the checkpoint 'kept' instead of 'lost'") as failed:
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="lost")))
            with pytest.raises(CallRejected, match=r"no checkpoint named 'lost'\. It has: kept"):
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="lost")))

    assert failed.value.code is FailureCode.NOT_AS_ASKED
    assert not failed.value.retryable


@pytest.mark.parametrize("field", [{"checkpoint": "nope"}, {"sampler": "Nope"}, {"scheduler": "Nope"}])
async def test_a_name_that_has_left_the_lists_is_refused_before_it_is_sent(
    webui: FakeWebUI, generator: SdWebuiGenerator, field: Mapping[str, str]
) -> None:
    before = webui.control()["received"]

    with pytest.raises(CallRejected, match="It has: "):
        await make(generator, a_call(attrs.evolve(REQUEST, **field)))  # type: ignore[arg-type]

    assert webui.control()["received"] == before


async def test_a_checkpoint_that_cannot_be_loaded_is_not_tried_again() -> None:
    with launch("--checkpoints", "tinyA,truncated") as server:
        async with SdWebuiGenerator(settings(server)) as generator:
            with pytest.raises(CallFailed, match="cannot load a model file") as failed:
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="truncated")))

    assert not failed.value.retryable


# --- reaching it -----------------------------------------------------------------------------------------------------


async def test_a_server_that_is_down_was_sent_nothing(webui: FakeWebUI) -> None:
    with launch() as server:
        pass

    async with SdWebuiGenerator(settings(server)) as generator:
        with pytest.raises(BackendUnreachable, match="the connection was refused") as refused:
            await make(generator)
        with pytest.raises(Unavailable, match="cannot be reached"):
            await generator.capabilities()

    assert refused.value.charged is Charged.NO


async def test_lists_heard_before_are_good_enough_while_the_server_is_down() -> None:
    with launch() as server:
        async with SdWebuiGenerator(settings(server)) as generator:
            before = await generator.capabilities()
            server.stop()

            assert await generator.capabilities() == before


async def test_a_server_that_comes_back_is_used_again() -> None:
    with launch() as server:
        async with SdWebuiGenerator(settings(server)) as generator:
            await make(generator)
            server.kill()
            with pytest.raises(GenerationError):
                await make(generator)
            await asyncio.to_thread(server.start)

            generated = await make(generator)

    assert len(generated.images) == 1


async def test_credentials_are_sent_and_never_shown() -> None:
    with launch("--api-auth", "user:hush") as server:
        async with SdWebuiGenerator(settings(server, auth="user:hush")) as generator:
            generated = await make(generator)
        async with SdWebuiGenerator(settings(server, auth="user:wrong-hush")) as generator:
            with pytest.raises(CallRejected) as refused:
                await make(generator)

    assert len(generated.images) == 1
    assert refused.value.code is FailureCode.NOT_AUTHORIZED
    assert "hush" not in str(refused.value)
    assert "hush" not in repr(settings(server, auth="user:hush"))


async def test_something_else_at_the_address_is_told_apart(webui: FakeWebUI) -> None:
    async with SdWebuiGenerator(settings(f"{webui.url}/elsewhere")) as generator:
        with pytest.raises(CallRejected, match=r"has no WebUI API\. Start the WebUI with --api"):
            await make(generator)
        with pytest.raises(CallRejected, match="--api"):
            await generator.probe()


@pytest.mark.parametrize("url", ["", "localhost:7860", "http://user:hush@host", "http://host/?a=b"])
def test_an_address_that_cannot_be_right_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="WebUI") as refused:
        SdWebuiSettings(urls=(url,))

    assert "hush" not in str(refused.value)


# --- progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--nowebui",)], ids=["named tasks", "global progress"])
async def test_progress_and_previews_are_those_of_this_job(arguments: tuple[str, ...]) -> None:
    reports: list[CallProgress] = []
    with launch(*arguments, "--step-seconds", "0.015") as server:
        async with SdWebuiGenerator(settings(server)) as generator:
            await generator.generate(a_call(attrs.evolve(REQUEST, steps=60)), report=reports.append)

    assert len(reports) > 2
    assert 0 <= reports[0].fraction < reports[-1].fraction <= 1
    previews = [report.preview for report in reports if report.preview]
    assert previews
    with Image.open(io.BytesIO(previews[0].data)) as image:
        assert image.get_format_mimetype() == previews[0].media_type


async def test_a_call_behind_a_strangers_job_shows_no_progress_of_that(webui: FakeWebUI) -> None:
    webui.control(stall=True)
    reports: list[CallProgress] = []
    async with httpx.AsyncClient(base_url=webui.url, timeout=30) as stranger:
        body = {"steps": 40, "width": 64, "height": 64, "force_task_id": "theirs"}
        theirs = asyncio.create_task(stranger.post("/sdapi/v1/txt2img", json=body))
        await until(webui, running="theirs")
        async with SdWebuiGenerator(settings(webui)) as generator:
            call = a_call()
            ours = asyncio.create_task(generator.generate(call, report=reports.append))
            await until(webui, waiting=[call.task_id])
            # Long enough for several questions about progress.
            await asyncio.wait({ours}, timeout=0.3)
            assert not reports
            webui.control(stall=False)
            await asyncio.gather(theirs, ours)


# --- stopping --------------------------------------------------------------------------------------------------------


async def test_a_cancelled_call_that_waits_behind_a_stranger_stops_only_itself(webui: FakeWebUI) -> None:
    webui.control(stall=True)
    async with httpx.AsyncClient(base_url=webui.url, timeout=30) as stranger:
        body = {"steps": 3, "width": 64, "height": 64, "force_task_id": "theirs-1"}
        theirs = asyncio.create_task(stranger.post("/sdapi/v1/txt2img", json=body))
        await until(webui, running="theirs-1")
        async with SdWebuiGenerator(settings(webui, stop_timeout_s=0.3)) as generator:
            call = a_call(SLOW)
            ours = asyncio.create_task(make(generator, call))
            await until(webui, in_flight=2)
            before = len(webui.interrupts())
            ours.cancel()
            async with asyncio.timeout(10.0):
                with pytest.raises(asyncio.CancelledError):
                    await ours
            assert webui.interrupts()[before:] == []

            # Its turn comes once the stranger's job is done, and then it is stopped.
            webui.control(stall=False)
            await until(webui, in_flight=0)

        assert len((await theirs).json()["images"]) == 1
    assert set(webui.interrupts()[before:]) == {call.task_id}


async def test_without_named_tasks_a_strangers_job_is_never_interrupted() -> None:
    with launch("--nowebui") as server:
        server.control(stall=True)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as stranger:
            theirs = asyncio.create_task(
                stranger.post("/sdapi/v1/txt2img", json={"steps": 3, "width": 64, "height": 64})
            )
            await until(server, in_flight=1)
            async with SdWebuiGenerator(settings(server, stop_timeout_s=0.3)) as generator:
                ours = asyncio.create_task(make(generator))
                await until(server, in_flight=2)
                ours.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await ours
            assert server.interrupts() == []
            server.control(stall=False)
            await theirs


async def test_without_named_tasks_our_own_job_is_interrupted() -> None:
    with launch("--nowebui") as server:
        server.control(stall=True)
        async with SdWebuiGenerator(settings(server)) as generator:
            ours = asyncio.create_task(make(generator))
            await until(server, in_flight=1)
            ours.cancel()
            with pytest.raises(asyncio.CancelledError):
                await ours
        assert server.control()["in_flight"] == 0
        assert len(server.interrupts()) == 1


@pytest.mark.parametrize("images", [1, 2])
async def test_half_finished_pictures_of_a_job_somebody_interrupted_are_not_taken(
    webui: FakeWebUI, generator: SdWebuiGenerator, images: int
) -> None:
    webui.control(stall=True)
    call = a_call(SLOW, images=images)
    ours = asyncio.create_task(make(generator, call))
    await until(webui, running=call.task_id)
    await post(webui, "/sdapi/v1/interrupt")

    with pytest.raises(CallFailed, match="interrupted") as failed:
        await ours

    assert failed.value.retryable


# --- taking over -----------------------------------------------------------------------------------------------------


async def test_an_earlier_try_that_still_runs_is_stopped_before_the_job_is_sent_again(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    webui.control(stall=True)
    async with httpx.AsyncClient(base_url=webui.url, timeout=30) as dead_worker:
        body = {"steps": 500, "width": 64, "height": 64, "force_task_id": "earlier-1"}
        earlier = asyncio.create_task(dead_worker.post("/sdapi/v1/txt2img", json=body))
        await until(webui, running="earlier-1")
        ours = asyncio.create_task(make(generator, a_call(earlier_task_ids=("earlier-0", "earlier-1"))))
        await earlier
        webui.control(stall=False)

        assert len((await ours).images) == 1

    first, second = webui.log()[-2:]
    assert (first.task_id, first.outcome) == ("earlier-1", "interrupted")
    assert not second.overlapped


async def test_an_earlier_try_that_failed_is_not_waited_for(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    # The WebUI goes on calling a task active that failed, until another one starts.
    webui.control(fail={"shape": "exception"})
    failed = a_call()
    with pytest.raises(CallFailed):
        await make(generator, failed)
    before = len(webui.interrupts())

    generated = await make(generator, a_call(earlier_task_ids=(failed.task_id,)))

    assert len(generated.images) == 1
    assert len(webui.interrupts()) == before


async def test_without_named_tasks_whatever_runs_is_waited_for() -> None:
    with launch("--nowebui", "--step-seconds", "0.01") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as dead_worker:
            earlier = asyncio.create_task(
                dead_worker.post("/sdapi/v1/txt2img", json={"steps": 40, "width": 64, "height": 64})
            )
            await until(server, in_flight=1)
            async with SdWebuiGenerator(settings(server)) as generator:
                await make(generator, a_call(earlier_task_ids=("earlier",)))
            await earlier
        assert server.interrupts() == []
        assert not server.log()[-1].overlapped


async def test_an_earlier_try_that_will_not_end_turns_the_job_away_at_no_cost(webui: FakeWebUI) -> None:
    webui.control(stall=True, deaf=True)
    async with httpx.AsyncClient(base_url=webui.url, timeout=30) as dead_worker:
        body = {"steps": 3, "width": 64, "height": 64, "force_task_id": "stuck"}
        earlier = asyncio.create_task(dead_worker.post("/sdapi/v1/txt2img", json=body))
        await until(webui, running="stuck")
        async with SdWebuiGenerator(settings(webui, take_over_timeout_s=0.3)) as generator:
            with pytest.raises(GenerationError, match="earlier try of this job still runs") as refused:
                await make(generator, a_call(earlier_task_ids=("stuck",)))
        webui.control(stall=False, deaf=False)
        await earlier

    assert refused.value.charged is Charged.NO
    assert refused.value.retry_after_s is not None
