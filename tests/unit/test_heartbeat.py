"""A lease is not lost for want of trying, and its end is told only when it is news."""

import asyncio
import itertools
import logging

import pytest

from imaging_core.errors import LeaseLost
from imaging_core.jobs import JobStatus
from imaging_core.policies import RunLimits
from scripted import ScriptedGenerator, Stubborn, World, away, lasting, under_way
from virtual_time import in_virtual_time, loop_time


@in_virtual_time
async def test_a_beat_without_an_answer_is_tried_again_soon_and_then_less_often() -> None:
    world = World(ScriptedGenerator().then(lasting(30)))
    await world.submit()
    beats = away(world.jobs, "beat", for_s=9)

    done = (await world.run()).job

    assert (done.status, done.crashes) == (JobStatus.FINISHED, 0)
    assert beats == [5, 5.25, 5.75, 6.75, 8.75, 10.75, 15.75, 20.75, 25.75]


@in_virtual_time
async def test_a_repository_that_is_away_nearly_for_a_lease_costs_no_lease() -> None:
    world = World(ScriptedGenerator().then(lasting(30)))
    job = await world.submit()
    away(world.jobs, "beat", for_s=world.limits.lease_s - 2.1)
    running = asyncio.create_task(world.run())
    await asyncio.sleep(world.limits.lease_s)

    assert await world.jobs.claim_next("alpha", worker="other", token="t", lease_s=15) is None
    await running
    assert (await world.jobs.get(job.id)).status is JobStatus.FINISHED


@in_virtual_time
async def test_short_heartbeats_are_not_put_off_by_a_failure() -> None:
    world = World(ScriptedGenerator().then(lasting(2)), limits=RunLimits(lease_s=0.9, heartbeat_s=0.3))
    await world.submit()
    beats = away(world.jobs, "beat", for_s=1.4)

    await world.run()

    assert max(after - before for before, after in itertools.pairwise(beats)) < 0.31


@in_virtual_time
async def test_an_outage_is_told_once_for_each_job(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ScriptedGenerator().then(lasting(60)))
    await world.submit()
    away(world.jobs, "beat", for_s=40)

    with caplog.at_level(logging.INFO):
        await world.run()

    assert [record.getMessage() for record in caplog.records].count("A heartbeat got no answer: beat is away.") == 1


@pytest.mark.parametrize("parked", [False, True])
@in_virtual_time
async def test_a_beat_that_meets_the_jobs_own_end_is_no_loss(parked: bool, caplog: pytest.LogCaptureFixture) -> None:
    act = Stubborn()
    world = World(ScriptedGenerator().then(act))
    await world.submit(count=2 if parked else 1)
    runner = world.runner()
    real_save, real_beat, saved = world.jobs.save, world.jobs.beat, asyncio.Event()

    async def save_and_answer_late(*args: object, **kwargs: object) -> object:
        job = await real_save(*args, **kwargs)  # type: ignore[arg-type]
        if job.lease is None or job.parked:
            saved.set()
            # The beat's answer overtakes this one's.
            await asyncio.sleep(1)
        return job

    async def beat_on_the_way(*args: object, **kwargs: object) -> object:
        await saved.wait()
        return await real_beat(*args, **kwargs)  # type: ignore[arg-type]

    world.jobs.save = save_and_answer_late  # type: ignore[assignment,method-assign]
    world.jobs.beat = beat_on_the_way  # type: ignore[assignment,method-assign]
    running = await under_way(world, act, runner)
    await asyncio.sleep(world.limits.heartbeat_s)
    if parked:
        runner.drain()
    act.let_go.set()

    with caplog.at_level(logging.INFO):
        done = (await running).job

    assert done.parked if parked else done.status is JobStatus.FINISHED
    assert not [record for record in caplog.records if "lease" in record.getMessage()]


@in_virtual_time
async def test_a_lease_that_somebody_else_took_is_told_and_stops_the_call(caplog: pytest.LogCaptureFixture) -> None:
    act = Stubborn()
    world = World(ScriptedGenerator().then(act))
    await world.submit()
    away(world.jobs, "beat", error=LeaseLost("another's"))
    running = await under_way(world, act, world.runner())

    with caplog.at_level(logging.INFO):
        await asyncio.sleep(6)

    assert (act.cancelled, loop_time()) == (1, 6)
    assert "The lease is gone: the job went on, or was ended, elsewhere." in caplog.text
    act.let_go.set()
    await asyncio.gather(running, return_exceptions=True)
