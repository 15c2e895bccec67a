"""A cancel stops a job wherever it stands, and comes too late only when it has ended."""

import asyncio

import pytest

from imaging_core.errors import AnswerLost, BackendUnreachable, CallFailed, JobConflict
from imaging_core.events import EventKind
from imaging_core.images import Generated
from imaging_core.jobs import CallState, JobStatus
from imaging_core.ports import GenerationCall, Report
from scripted import Hanging, ScriptedGenerator, Stubborn, World, under_way
from virtual_time import in_virtual_time, loop_time

FREE, PAID = 0.0, 2.0


@in_virtual_time
async def test_a_queued_job_is_cancelled_at_once_and_never_starts() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit()

    assert (await world.service.cancel(job.id)).status is JobStatus.CANCELLED

    assert await world.kinds() == [EventKind.QUEUED, EventKind.CANCELLED]
    await world.runner().run_next("alpha")
    assert generator.calls == []


@in_virtual_time
async def test_a_parked_job_is_cancelled_at_once() -> None:
    world = World(ScriptedGenerator().then(CallFailed("no")))
    job = await world.submit()
    assert (await world.run()).job.parked

    assert (await world.service.cancel(job.id)).status is JobStatus.CANCELLED


@pytest.mark.parametrize(("credits", "state"), [(FREE, CallState.FAILED), (PAID, CallState.IN_DOUBT)])
@pytest.mark.parametrize(("nudged", "seconds"), [(True, 0.0), (False, 5.0)])
@in_virtual_time
async def test_a_running_job_is_stopped_at_once_when_its_worker_is_nudged_else_at_its_next_heartbeat(
    credits: float,  # noqa: A002
    state: CallState,
    nudged: bool,
    seconds: float,
) -> None:
    hanging = Hanging()
    world = World(ScriptedGenerator(credits=credits).then(hanging))
    job, runner = await world.submit(), world.runner()
    running = await under_way(world, hanging, runner)

    asked = await world.service.cancel(job.id)
    if nudged:
        runner.nudge(job.id)

    assert (asked.status, asked.cancel_requested) == (JobStatus.STARTED, True)
    done = (await running).job
    assert loop_time() == seconds
    assert (done.status, hanging.stopped.is_set()) == (JobStatus.CANCELLED, True)
    assert [call.state for call in done.calls] == [state]
    assert await world.kinds() == [
        EventKind.QUEUED,
        EventKind.STARTED,
        EventKind.CANCEL_REQUESTED,
        EventKind.CANCELLED,
    ]
    assert (await world.gate.state("alpha")).in_use == 0


@in_virtual_time
async def test_a_nudge_for_a_job_that_runs_elsewhere_is_ignored() -> None:
    runner = World().runner()

    runner.nudge("0" * 32)

    assert runner.running == ()


@in_virtual_time
async def test_asking_twice_for_a_cancel_changes_nothing() -> None:
    hanging = Hanging()
    world = World(ScriptedGenerator().then(hanging))
    job, runner = await world.submit(), world.runner()
    running = await under_way(world, hanging, runner)

    first = await world.service.cancel(job.id)
    second = await world.service.cancel(job.id)

    assert first.version == second.version
    runner.nudge(job.id)
    await running
    assert (await world.service.cancel(job.id)).status is JobStatus.CANCELLED


@in_virtual_time
async def test_a_cancel_that_comes_before_the_call_prevents_it() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit()
    real = generator.capabilities

    async def asked_meanwhile() -> object:
        await world.service.cancel(job.id)
        return await real()

    generator.capabilities = asked_meanwhile  # type: ignore[assignment,method-assign]

    done = (await world.run()).job

    assert (done.status, generator.calls) == (JobStatus.CANCELLED, [])
    assert [call.state for call in done.calls] == [CallState.REFUSED]


@in_virtual_time
async def test_a_cancel_between_two_pictures_prevents_the_second() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit(count=2)
    real = world.store.put

    async def asked_meanwhile(*args: object, **kwargs: object) -> object:
        await world.service.cancel(job.id)
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    world.store.put = asked_meanwhile  # type: ignore[assignment,method-assign]

    done = (await world.run()).job

    assert (done.status, len(generator.calls)) == (JobStatus.CANCELLED, 1)


@in_virtual_time
async def test_a_cancel_that_comes_after_the_last_picture_is_too_late() -> None:
    world = World()
    job = await world.submit()
    real = world.store.put

    async def asked_meanwhile(*args: object, **kwargs: object) -> object:
        stored = await real(*args, **kwargs)  # type: ignore[arg-type]
        await world.service.cancel(job.id)
        return stored

    world.store.put = asked_meanwhile  # type: ignore[assignment,method-assign]

    assert (await world.run()).job.status is JobStatus.FINISHED
    with pytest.raises(JobConflict, match="already finished"):
        await world.service.cancel(job.id)


@in_virtual_time
async def test_a_picture_that_comes_in_spite_of_the_cancel_is_kept() -> None:
    stubborn = Stubborn()
    world = World(ScriptedGenerator().then(stubborn))
    job, runner = await world.submit(), world.runner()
    running = await under_way(world, stubborn, runner)

    await world.service.cancel(job.id)
    await asyncio.sleep(6)
    assert stubborn.cancelled == 1
    stubborn.let_go.set()

    assert (await running).job.status is JobStatus.FINISHED


@pytest.mark.parametrize("error", [CallFailed("no"), AnswerLost("no"), BackendUnreachable("no")])
@in_virtual_time
async def test_an_error_that_crosses_with_a_cancel_does_not_park_the_job(error: Exception) -> None:
    world = World(ScriptedGenerator().then(error))
    job = await world.submit()
    real = world.jobs.now
    now_asked = 0

    async def asked_meanwhile() -> object:
        nonlocal now_asked
        now_asked += 1
        if now_asked == 3:
            await world.service.cancel(job.id)
        return await real()

    runner = world.runner()
    world.jobs.now = asked_meanwhile  # type: ignore[assignment,method-assign]

    outcome = await world.run(runner)

    assert now_asked > 3
    assert (outcome.job.status, outcome.again_in_s) == (JobStatus.CANCELLED, None)
    assert [f.message for f in outcome.job.failures] == ["no"]
    assert await world.kinds() == [
        EventKind.QUEUED,
        EventKind.STARTED,
        EventKind.CANCEL_REQUESTED,
        EventKind.CANCELLED,
    ]


@in_virtual_time
async def test_an_adapter_that_answers_a_stop_with_an_error_is_stopped_all_the_same() -> None:
    hanging = Hanging()

    async def complaining(call: GenerationCall, report: Report) -> Generated:
        try:
            return await hanging(call, report)
        except asyncio.CancelledError:
            raise AnswerLost("the connection broke") from None

    world = World(ScriptedGenerator().then(complaining))
    job, runner = await world.submit(), world.runner()
    running = await under_way(world, hanging, runner)
    await world.service.cancel(job.id)
    runner.nudge(job.id)

    done = (await running).job

    assert (done.status, done.failures) == (JobStatus.CANCELLED, ())


@in_virtual_time
async def test_a_job_that_lost_its_worker_with_a_cancel_pending_is_cancelled_by_the_next() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit()
    await world.jobs.claim_next("alpha", worker="dead", token="t", lease_s=15)
    assert (await world.service.cancel(job.id)).status is JobStatus.STARTED
    await asyncio.sleep(15)

    done = (await world.run()).job

    assert (done.status, done.calls, generator.calls) == (JobStatus.CANCELLED, (), [])
