"""A part of the service goes away in the middle of a run; what was made survives, and no job is blamed for it."""

import asyncio
import itertools
import logging

import pytest

from imaging_core.beside import STOP_GRACE_S
from imaging_core.errors import (
    Charged,
    FailureCode,
    JobNotFound,
    LeaseLost,
    StaleJob,
    StorageFull,
    Unavailable,
)
from imaging_core.events import JobProgress
from imaging_core.held import INSIST_S, HeldJob, insist
from imaging_core.jobs import CallState, JobStatus, LeaseReason
from scripted import ScriptedGenerator, World, away, lasting, never_certain
from virtual_time import in_virtual_time, loop_time


@in_virtual_time
async def test_insisting_waits_a_little_longer_each_time_and_gives_up_in_the_end() -> None:
    moments: list[float] = []

    async def ask() -> None:
        moments.append(loop_time())
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await insist(ask)

    waits = [round(b - a, 3) for a, b in itertools.pairwise(moments)]
    assert waits[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert INSIST_S <= loop_time() <= INSIST_S + 2


@in_virtual_time
async def test_insisting_does_not_wait_for_room_on_the_disk() -> None:
    async def ask() -> None:
        raise StorageFull("no room")

    with pytest.raises(StorageFull):
        await insist(ask)

    assert loop_time() == 0


@pytest.mark.parametrize("method", ["save", "now", "beat"])
@in_virtual_time
async def test_a_repository_that_is_away_for_a_minute_costs_a_paid_job_nothing(method: str) -> None:
    generator = ScriptedGenerator(credits=2).then(lasting(30, credits=2))
    world = World(generator)
    job = await world.submit()
    moments = away(world.jobs, method, for_s=60)

    done = (await world.run()).job

    assert len(moments) > 5
    assert (done.status, done.credits, len(generator.calls)) == (JobStatus.FINISHED, 2, 1)
    assert done == await world.jobs.get(job.id)


@in_virtual_time
async def test_a_repository_that_stays_away_leaves_the_picture_for_the_next_owner() -> None:
    generator = ScriptedGenerator(credits=2)
    world = World(generator)
    job = await world.submit()
    real = world.store.put

    async def put_and_lose_the_repository(*args: object, **kwargs: object) -> object:
        away(world.jobs, "save")
        away(world.jobs, "beat")
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    world.store.put = put_and_lose_the_repository  # type: ignore[assignment,method-assign]
    with pytest.raises(Unavailable, match="save is away"):
        await world.run()

    for name in ("save", "beat"):
        delattr(world.jobs, name)
    done = await world.run_to_end(job)

    assert (done.status, done.crashes, len(generator.calls)) == (JobStatus.FINISHED, 1, 1)


@in_virtual_time
async def test_a_store_that_is_away_for_a_minute_costs_nothing() -> None:
    generator = ScriptedGenerator(credits=2)
    world = World(generator)
    await world.submit()
    away(world.store, "put", times=20)

    done = (await world.run()).job

    assert (done.status, len(generator.calls)) == (JobStatus.FINISHED, 1)


@in_virtual_time
async def test_a_store_that_stays_away_after_a_paid_call_fails_the_job_and_says_that_it_was_charged() -> None:
    world = World(ScriptedGenerator(credits=2))
    await world.submit()
    away(world.store, "put")

    done = (await world.run()).job

    assert (done.status, done.crashes) == (JobStatus.FAILED, 0)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.INTERNAL, Charged.YES)
    assert done.failure.message == "put is away."
    assert [call.state for call in done.calls] == [CallState.ANSWERED]


@in_virtual_time
async def test_a_store_that_cannot_be_read_parks_the_job_without_an_attempt_or_a_crash() -> None:
    generator = ScriptedGenerator(credits=2)
    world = World(generator)
    never_certain(world)
    job = await world.submit()
    away(world.store, "find", times=67)

    outcome = await world.run()

    assert outcome.job.lease is not None
    assert (outcome.job.lease.reason, outcome.again_in_s) == (LeaseReason.THROTTLED, 2.0)
    assert [(f.code, f.charged) for f in outcome.job.failures] == [(FailureCode.INTERNAL, Charged.NO)]
    done = await world.run_to_end(job)
    assert (done.status, done.attempt, done.crashes) == (JobStatus.FINISHED, 1, 0)
    assert set(generator.answered.values()) == {1}


@in_virtual_time
async def test_a_gate_that_is_away_between_two_pictures_parks_the_job() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit(count=2)
    away(world.gate, "again", times=67)

    assert (await world.run()).job.parked
    done = await world.run_to_end(job)

    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)
    assert set(generator.answered.values()) == {1}


@in_virtual_time
async def test_a_write_whose_answer_was_lost_is_made_once() -> None:
    world = World()
    job = await world.submit()
    real = world.jobs.save
    unheard = 0

    async def save(*args: object, **kwargs: object) -> object:
        nonlocal unheard
        saved = await real(*args, **kwargs)  # type: ignore[arg-type]
        if unheard < 1:
            unheard += 1
            raise Unavailable("the answer was lost")
        return saved

    world.jobs.save = save  # type: ignore[assignment,method-assign]

    done = (await world.run()).job

    assert (done.status, len(done.calls)) == (JobStatus.FINISHED, 1)
    assert done == await world.jobs.get(job.id)


@in_virtual_time
async def test_a_heartbeat_with_a_fault_beats_on(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ScriptedGenerator().then(lasting(40)))
    await world.submit()
    beats = away(world.jobs, "beat", times=1, error=ValueError("secret"))

    with caplog.at_level(logging.INFO):
        done = (await world.run()).job

    assert (done.status, len(beats)) == (JobStatus.FINISHED, 8)
    assert "A heartbeat failed." in caplog.text
    assert "secret" not in caplog.text


@in_virtual_time
async def test_progress_that_cannot_be_published_harms_nobody() -> None:
    world = World(ScriptedGenerator().then(lasting(3)))
    await world.submit()
    published = away(world.events, "publish")

    assert (await world.run()).job.status is JobStatus.FINISHED
    assert published


@in_virtual_time
async def test_a_fault_in_publishing_progress_costs_the_progress_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(ScriptedGenerator().then(lasting(3)))
    await world.submit()
    away(world.events, "publish", error=ValueError("a lighthouse"))

    with caplog.at_level(logging.INFO):
        assert (await world.run()).job.status is JobStatus.FINISHED

    assert "A progress report failed." in caplog.text
    assert "lighthouse" not in caplog.text


@in_virtual_time
async def test_a_bus_that_is_deaf_to_a_cancel_does_not_hold_up_the_slot(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ScriptedGenerator().then(lasting(3)))
    await world.submit()
    heard, let_go = 0, asyncio.Event()

    async def publish(progress: JobProgress) -> None:
        nonlocal heard
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                heard += 1
        raise asyncio.CancelledError

    world.events.publish = publish  # type: ignore[method-assign]

    done = (await world.run()).job

    assert (done.status, heard, loop_time()) == (JobStatus.FINISHED, 1, 3 + STOP_GRACE_S)
    assert "A progress report did not end when told to." in caplog.text
    let_go.set()


@in_virtual_time
async def test_only_a_claimed_job_is_held() -> None:
    world = World()

    with pytest.raises(ValueError, match="claimed"):
        HeldJob(await world.submit(), world.jobs)


@pytest.mark.parametrize("gone", [JobNotFound(), LeaseLost("another's")])
@in_virtual_time
async def test_a_job_that_the_repository_forgot_counts_as_lost(gone: Exception) -> None:
    world = World()
    await world.submit()
    job = await world.jobs.claim_next("alpha", worker="w", token="t", lease_s=15)
    assert job is not None
    held = HeldJob(job, world.jobs)
    away(world.jobs, "save", error=StaleJob("changed"), times=1)
    away(world.jobs, "get", error=gone, times=1)

    with pytest.raises(LeaseLost):
        await held.cancel()


@in_virtual_time
async def test_a_job_that_changed_hands_between_two_writes_counts_as_lost() -> None:
    world = World()
    job = await world.submit()
    claimed = await world.jobs.claim_next("alpha", worker="w", token="t", lease_s=15)
    assert claimed is not None
    held = HeldJob(claimed, world.jobs)
    away(world.jobs, "save", times=1, error=StaleJob("changed"))
    await asyncio.sleep(15)
    taken = await world.jobs.claim_next("alpha", worker="new", token="new", lease_s=15)

    with pytest.raises(LeaseLost):
        await held.cancel()

    assert await world.jobs.get(job.id) == taken
