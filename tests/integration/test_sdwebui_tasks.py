"""Reaching a WebUI, and what runs there beside and before our call: progress, cancels, strangers and earlier tries."""

import asyncio
import io

import attrs
import httpx
import pytest
from PIL import Image

from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings
from fakes.sdwebui import FakeWebUI, launch
from imaging_core.errors import (
    BackendUnreachable,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    Unavailable,
)
from imaging_core.ports import CallProgress
from sdwebui_setting import (
    REQUEST,
    SLOW,
    a_call,
    generator,
    make,
    post,
    settings,
    shared,
    until,
    webui,
)

__all__ = ["generator", "shared", "webui"]


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


@pytest.mark.parametrize("turns", range(5))
async def test_a_call_that_is_cancelled_twice_is_stopped_all_the_same(
    webui: FakeWebUI, generator: SdWebuiGenerator, turns: int
) -> None:
    call, before = a_call(SLOW), len(webui.interrupts())
    making = asyncio.create_task(make(generator, call))
    await until(webui, running=call.task_id)

    making.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait((making,))

    await until(webui, in_flight=0)
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
