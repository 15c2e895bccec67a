"""A running job is handed over to another worker, or lost to one; what was paid for is kept."""

import asyncio

from imaging_core.errors import FailureCode
from imaging_core.jobs import CallState, Job, JobStatus, LeaseReason
from imaging_core.runner import Ran
from scripted import Hanging, ScriptedGenerator, Stubborn, World, away, under_way
from virtual_time import in_virtual_time, loop_time

PAID = 2.0


# --- drain and hand-over ---------------------------------------------------------------------------------


async def drained(world: World, act: Hanging | Stubborn, *, hand_over: bool) -> tuple[Job, Ran]:
    """A job whose worker was told to stop while that act was under way."""
    job, runner = await world.submit(count=2), world.runner()
    running = await under_way(world, act, runner)
    runner.drain()
    await asyncio.sleep(3)
    assert not running.done(), "a drain lets the call end"
    if hand_over:
        runner.hand_over()
    if isinstance(act, Stubborn):
        act.let_go.set()
    return job, await running


@in_virtual_time
async def test_a_drain_lets_the_call_end_keeps_its_picture_and_makes_no_other() -> None:
    act = Stubborn()
    generator = ScriptedGenerator().then(act)
    world = World(generator)

    job, outcome = await drained(world, act, hand_over=False)

    assert outcome.again_in_s == 0
    assert outcome.job.lease is not None
    assert (outcome.job.lease.reason, outcome.job.failures) == (LeaseReason.DRAIN, ())
    done = await world.run_to_end(job)
    assert (done.status, done.attempt, done.crashes) == (JobStatus.FINISHED, 1, 0)
    assert [call.index for call in generator.calls] == [0, 1]


@in_virtual_time
async def test_a_hand_over_stops_a_call_that_costs_nothing() -> None:
    act = Hanging()
    generator = ScriptedGenerator().then(act)
    world = World(generator)

    job, outcome = await drained(world, act, hand_over=True)

    assert act.stopped.is_set()
    assert [call.state for call in outcome.job.calls] == [CallState.FAILED]
    done = await world.run_to_end(job)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)
    assert [call.index for call in generator.calls] == [0, 0, 1]


@in_virtual_time
async def test_a_hand_over_lets_a_paid_call_end_and_nobody_pays_twice() -> None:
    act = Stubborn(credits=PAID)
    generator = ScriptedGenerator(credits=PAID).then(act)
    world = World(generator)

    job, outcome = await drained(world, act, hand_over=True)

    assert act.cancelled == 0
    assert outcome.job.parked
    done = await world.run_to_end(job)
    assert (done.status, done.credits) == (JobStatus.FINISHED, 2 * PAID)
    assert set(generator.answered.values()) == {1}


@in_virtual_time
async def test_a_hand_over_before_the_call_sends_nothing() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    await world.submit()
    runner = world.runner()
    real = world.jobs.save

    async def told_meanwhile(*args: object, **kwargs: object) -> object:
        saved = await real(*args, **kwargs)  # type: ignore[arg-type]
        runner.hand_over()
        return saved

    world.jobs.save = told_meanwhile  # type: ignore[assignment,method-assign]

    outcome = await world.run(runner)

    assert (outcome.job.parked, generator.calls) == (True, [])
    assert [call.state for call in outcome.job.calls] == [CallState.REFUSED]


@in_virtual_time
async def test_a_runner_that_drains_begins_no_call_for_what_it_still_claims() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    await world.submit()
    runner = world.runner()
    runner.drain()

    outcome = await world.run(runner)

    assert (outcome.job.parked, generator.calls) == (True, [])


# --- the lease is lost -----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_paid_call_outlives_its_lease_and_the_new_owner_adopts_the_picture() -> None:
    act = Stubborn(credits=PAID)
    generator = ScriptedGenerator(credits=PAID).then(act)
    world = World(generator)
    job, frozen = await world.submit(), world.runner("frozen")
    away(world.jobs, "beat", for_s=18)
    running = await under_way(world, act, frozen)
    await asyncio.sleep(16)
    taken = await world.jobs.claim_next("alpha", worker="new", token="new", lease_s=15)
    assert taken is not None
    await asyncio.sleep(10)
    act.let_go.set()

    outcome = await running

    assert act.cancelled == 0
    assert outcome.job.status is JobStatus.STARTED, "what it wrote last"
    await world.jobs.save(taken.parked_until(taken.created_at, LeaseReason.DRAIN, now=taken.created_at), token="new")
    done = await world.run_to_end(job)
    assert (done.status, len(generator.calls), done.credits) == (JobStatus.FINISHED, 1, PAID)


@in_virtual_time
async def test_a_call_that_costs_nothing_is_stopped_when_the_lease_is_lost() -> None:
    act = Hanging()
    world = World(ScriptedGenerator().then(act))
    job, frozen = await world.submit(), world.runner("frozen")
    away(world.jobs, "beat", for_s=18)
    running = await under_way(world, act, frozen)
    await asyncio.sleep(16)
    taken = await world.jobs.claim_next("alpha", worker="new", token="new", lease_s=15)

    await running

    assert (act.stopped.is_set(), loop_time()) == (True, 18.75), "at its next heartbeat"
    assert await world.jobs.get(job.id) == taken


@in_virtual_time
async def test_a_worker_that_was_frozen_before_its_call_does_not_make_it() -> None:
    generator = ScriptedGenerator(credits=PAID)
    world = World(generator)
    job, frozen = await world.submit(), world.runner("frozen")
    real, thaw = world.jobs.save, asyncio.Event()

    async def freezing(*args: object, **kwargs: object) -> object:
        saved = await real(*args, **kwargs)  # type: ignore[arg-type]
        world.jobs.save = real  # type: ignore[method-assign]
        await thaw.wait()
        return saved

    world.jobs.save = freezing  # type: ignore[assignment,method-assign]
    beats = away(world.jobs, "beat", for_s=15.4)
    running = asyncio.create_task(world.run(frozen))
    await asyncio.sleep(15.5)
    assert beats
    done = await world.run_to_end(job)
    thaw.set()

    await running

    assert (done.status, len(generator.calls)) == (JobStatus.FINISHED, 1)


@in_virtual_time
async def test_a_job_that_is_gone_is_let_go_of() -> None:
    act = Stubborn()
    world = World(ScriptedGenerator().then(act))
    job, runner = await world.submit(), world.runner()
    running = await under_way(world, act, runner)
    await world.jobs.save((await world.jobs.get(job.id)).cancelled(now=job.created_at))
    await world.service.delete(job.id)
    act.let_go.set()

    await running

    assert FailureCode.INTERNAL not in [f.code for f in (await running).job.failures]
    assert runner.running == ()
