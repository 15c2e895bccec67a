"""A worker that was frozen past its lease may claim again what it still runs itself: that call is awaited, not repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from imaging_core.dispatcher import Dispatcher
from imaging_core.errors import CallRejected, FailureCode
from imaging_core.images import Generated
from imaging_core.jobs import CallState, Job, JobStatus
from imaging_core.ports import GenerationCall, Report
from imaging_core.runner import JobRunner, Ran
from scripted import Hanging, ScriptedGenerator, Stubborn, World, away, settled, under_way
from virtual_time import in_virtual_time

PAID = 2.0


@asynccontextmanager
async def claimed_again(
    world: World, act: Hanging | Stubborn, runner: JobRunner, *, count: int = 1
) -> AsyncIterator[tuple[Job, "asyncio.Task[Ran]", "asyncio.Task[Ran]"]]:
    """A job whose lease ran out while its call went on, and which the same worker has claimed again."""
    job = await world.submit(count=count)
    # Frozen: its own clock went on, but none of its beats came through.
    away(world.jobs, "beat", for_s=world.limits.lease_s)
    first = await under_way(world, act, runner)
    await asyncio.sleep(world.limits.lease_s)
    second = asyncio.create_task(world.run(runner))
    await settled()
    yield job, first, second
    await asyncio.gather(first, second, return_exceptions=True)


@pytest.mark.parametrize("credits", [0.0, PAID])
@in_virtual_time
async def test_the_answer_of_its_own_call_is_adopted_and_not_asked_for_again(credits: float) -> None:  # noqa: A002
    act = Stubborn(credits=credits)
    generator = ScriptedGenerator(credits=credits).then(act)
    world = World(generator)
    async with claimed_again(world, act, world.runner()) as (job, first, second):
        # Long enough for beats under either lease.
        await asyncio.sleep(30)
        assert not first.done()
        assert not second.done()
        act.let_go.set()
        await first
        done = (await second).job

    assert (done.status, done.crashes, done.credits) == (JobStatus.FINISHED, 1, credits)
    assert ([call.state for call in done.calls], len(generator.calls)) == ([CallState.ANSWERED], 1)
    assert (act.cancelled, await world.jobs.get(job.id)) == (0, done)


@in_virtual_time
async def test_pictures_that_are_still_missing_are_made_by_the_new_attempt_alone() -> None:
    act = Stubborn(credits=PAID)
    generator = ScriptedGenerator(credits=PAID, images_per_call=1).then(act)
    world = World(generator)
    async with claimed_again(world, act, world.runner(), count=3) as (_, first, second):
        act.let_go.set()
        await first
        done = (await second).job

    assert (done.status, [call.index for call in generator.calls]) == (JobStatus.FINISHED, [0, 1, 2])
    assert done.credits == 3 * PAID


@in_virtual_time
async def test_what_the_earlier_attempt_learnt_of_its_call_is_kept() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def refused_in_the_end(call: GenerationCall, report: Report) -> Generated:
        begun.set()
        await let_go.wait()
        raise CallRejected("The provider says no.", code=FailureCode.CONTENT_MODERATED)

    act = Hanging()
    act.begun = begun
    generator = ScriptedGenerator(credits=PAID).then(refused_in_the_end)
    world = World(generator)
    async with claimed_again(world, act, world.runner()) as (_, first, second):
        let_go.set()
        await first
        done = (await second).job

    assert done.status is JobStatus.FINISHED
    assert [call.state for call in done.calls] == [CallState.FAILED, CallState.ANSWERED], "nothing is in doubt"


@in_virtual_time
async def test_a_cancel_stops_the_call_of_the_earlier_attempt() -> None:
    act = Hanging()
    generator = ScriptedGenerator(credits=PAID).then(act)
    world = World(generator)
    runner = world.runner()
    async with claimed_again(world, act, runner) as (job, _, second):
        await world.service.cancel(job.id)
        runner.nudge(job.id)
        done = (await second).job

    assert act.stopped.is_set()
    assert (done.status, len(generator.calls)) == (JobStatus.CANCELLED, 1)


@in_virtual_time
async def test_a_hand_over_stops_the_call_of_the_earlier_attempt_and_parks_the_job() -> None:
    act = Hanging()
    generator = ScriptedGenerator().then(act)
    world = World(generator)
    runner = world.runner()
    async with claimed_again(world, act, runner) as (_, _, second):
        runner.hand_over()
        outcome = await second

    assert act.stopped.is_set()
    assert (outcome.job.parked, outcome.job.crashes, len(generator.calls)) == (True, 1, 1)


@in_virtual_time
async def test_a_dispatcher_with_a_slot_to_spare_pays_once() -> None:
    act = Stubborn(credits=PAID)
    generator = ScriptedGenerator(credits=PAID).then(act)
    world = World(generator)
    dispatcher: Dispatcher = world.dispatcher(slots=2)
    job = await world.submit()
    away(world.jobs, "beat", for_s=world.limits.lease_s)
    dispatcher.ring("alpha")
    await act.begun.wait()
    await asyncio.sleep(world.limits.lease_s)
    dispatcher.ring("alpha")
    await settled()
    assert (await world.jobs.get(job.id)).crashes == 1
    await asyncio.sleep(5)
    act.let_go.set()
    await settled()

    done = await world.jobs.get(job.id)

    assert (done.status, done.credits, len(generator.calls)) == (JobStatus.FINISHED, PAID, 1)
    assert dispatcher.free == {"alpha": 2}
