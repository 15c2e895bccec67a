"""A dispatcher finds lost work, hears of cancels, and ends in an order that loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from imaging_core.dispatcher import Dispatcher
from imaging_core.errors import UnknownCursor
from imaging_core.jobs import JobStatus, LeaseReason
from imaging_core.policies import GateLimits
from scripted import Hanging, ScriptedGenerator, Stubborn, World, finished, lasting, settled
from virtual_time import in_virtual_time, loop_time


@asynccontextmanager
async def dispatching(world: World, dispatcher: Dispatcher, *, bell: bool = False) -> AsyncIterator[None]:
    """The dispatcher at work, with its sweep and its ear for cancels."""
    stop = world.queue.listen(dispatcher.ring) if bell else lambda: None
    running = asyncio.create_task(dispatcher.run())
    await settled()
    try:
        yield
    finally:
        stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await dispatcher.abandon()


@in_virtual_time
async def test_a_job_nobody_rang_for_is_found_by_the_sweep_within_seconds() -> None:
    world = World()
    dispatcher = world.dispatcher()
    async with dispatching(world, dispatcher):
        job = await world.submit()

        assert await finished(world, job) <= 4.1


@in_virtual_time
async def test_a_dead_workers_job_runs_again_within_its_lease_and_the_sweeps_delay() -> None:
    world = World()
    dispatcher = world.dispatcher()
    job = await world.submit()
    await world.jobs.claim_next("alpha", worker="dead", token="t", lease_s=world.limits.lease_s)
    async with dispatching(world, dispatcher):
        assert await finished(world, job) <= world.limits.lease_s + 4.1


@in_virtual_time
async def test_a_cancel_reaches_a_running_job_at_once() -> None:
    act = Hanging()
    world = World(ScriptedGenerator().then(act))
    async with dispatching(world, world.dispatcher(), bell=True):
        job = await world.submit()
        await act.begun.wait()
        await world.service.cancel(job.id)
        await act.stopped.wait()

        assert loop_time() == 0


@pytest.mark.parametrize("error", [UnknownCursor("too slow"), ValueError("a fault")])
@in_virtual_time
async def test_an_ear_for_cancels_that_fails_is_opened_again(error: Exception) -> None:
    first, second = Hanging(), Hanging()
    world = World(ScriptedGenerator().then(first, second))
    real, subscribed = world.events.subscribe, 0

    def subscribe(**kwargs: str) -> object:
        nonlocal subscribed
        subscribed += 1
        if subscribed == 1:
            raise error
        return real(**kwargs)

    world.events.subscribe = subscribe  # type: ignore[assignment,method-assign]
    async with dispatching(world, world.dispatcher(), bell=True):
        for act in (first, second):
            job = await world.submit()
            await act.begun.wait()
            await asyncio.sleep(1.1)
            asked = loop_time()
            await world.service.cancel(job.id)
            await act.stopped.wait()
            assert loop_time() == asked
    assert subscribed == 2


@in_virtual_time
async def test_a_drain_lets_running_jobs_end_and_takes_no_more() -> None:
    generator = ScriptedGenerator().then(lasting(3))
    world = World(generator)
    jobs = [await world.submit() for _ in range(2)]
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await asyncio.sleep(1)

    await dispatcher.drain(grace_s=10)

    assert loop_time() == 3
    statuses = [(await world.jobs.get(job.id)).status for job in jobs]
    assert statuses == [JobStatus.FINISHED, JobStatus.QUEUED]
    dispatcher.ring("alpha")
    assert dispatcher.free == {"alpha": 1}


@in_virtual_time
async def test_a_drain_begins_no_further_picture_of_a_running_job() -> None:
    generator = ScriptedGenerator().then(lasting(3))
    world = World(generator)
    job = await world.submit(count=2)
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await asyncio.sleep(1)

    await dispatcher.drain(grace_s=10)

    assert (loop_time(), len(generator.calls)) == (3, 1)
    assert (await world.jobs.get(job.id)).parked


@in_virtual_time
async def test_a_drain_hands_over_what_costs_nothing_when_its_grace_is_over() -> None:
    act = Hanging()
    world = World(ScriptedGenerator().then(act))
    job = await world.submit()
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await act.begun.wait()

    await dispatcher.drain(grace_s=5)

    handed = await world.jobs.get(job.id)
    assert loop_time() == 5
    assert handed.lease is not None
    assert handed.lease.reason is LeaseReason.DRAIN
    done = await world.run_to_end(job)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)


@in_virtual_time
async def test_a_drain_waits_for_what_was_paid_for() -> None:
    world = World(ScriptedGenerator(credits=2).then(lasting(90, credits=2)))
    job = await world.submit()
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await settled()

    await dispatcher.drain(grace_s=5)

    assert loop_time() == 90
    assert (await world.jobs.get(job.id)).status is JobStatus.FINISHED


@in_virtual_time
async def test_a_drain_with_nothing_to_do_ends_at_once_and_silences_the_alarms() -> None:
    world = World(gates=GateLimits(slots=1))
    await world.gate.pause("alpha", seconds=30)
    dispatcher = world.dispatcher()
    job = await world.submit()
    dispatcher.ring("alpha")
    await settled()

    await dispatcher.drain(grace_s=5)

    assert loop_time() == 0
    await asyncio.sleep(60)
    assert (await world.jobs.get(job.id)).status is JobStatus.QUEUED


@in_virtual_time
async def test_abandoned_jobs_are_left_to_their_leases() -> None:
    act = Hanging()
    world = World(ScriptedGenerator(credits=2).then(act))
    job = await world.submit()
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await act.begun.wait()

    await dispatcher.abandon()

    left = await world.jobs.get(job.id)
    assert (left.status, left.parked, act.stopped.is_set()) == (JobStatus.STARTED, False, True)
    assert (await world.gate.state("alpha")).in_use == 0
    done = await world.run_to_end(job)
    assert (done.status, done.crashes) == (JobStatus.FINISHED, 1)


@in_virtual_time
async def test_a_backend_that_ignores_the_wish_to_stop_does_not_hold_up_the_end_for_ever() -> None:
    act = Stubborn()
    world = World(ScriptedGenerator().then(act))
    await world.submit()
    dispatcher = world.dispatcher()
    dispatcher.ring("alpha")
    await act.begun.wait()

    await dispatcher.abandon()

    assert (loop_time(), act.cancelled) == (10, 1)
    act.let_go.set()
    await settled()
