"""A job whose worker died goes on elsewhere: what is stored is adopted, doubt is counted, poison is refused."""

import pytest

from imaging_core.errors import Charged, FailureCode
from imaging_core.jobs import CallState, JobStatus
from imaging_core.policies import InDoubt, RunLimits
from scripted import ScriptedGenerator, World, a_call, away, pictures
from virtual_time import in_virtual_time


@in_virtual_time
async def test_a_stored_picture_is_adopted_and_not_made_again() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit(count=2, seed=5)
    dead = await world.claim_and_die()
    await world.jobs.save(dead.intending(0, "t-0"))
    await world.store.put(job.id, 0, pictures(a_call(job), credits=4.0), first_image=0)

    done = await world.run_to_end(job)

    assert [call.index for call in generator.calls] == [1]
    assert (done.status, done.attempt, done.crashes, done.credits) == (JobStatus.FINISHED, 2, 1, 4.0)
    assert [call.state for call in done.calls] == [CallState.ANSWERED, CallState.ANSWERED]


@in_virtual_time
async def test_a_call_that_a_crash_cut_off_is_told_to_the_backend_and_made_again() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit()
    dead = await world.claim_and_die()
    await world.jobs.save(dead.intending(0, "cut-off"))

    done = await world.run_to_end(job)

    assert generator.calls[0].earlier_task_ids == ("cut-off",)
    assert [call.state for call in done.calls] == [CallState.IN_DOUBT, CallState.ANSWERED]


@pytest.mark.parametrize(("credits", "charged"), [(0.0, Charged.NO), (2.0, Charged.UNKNOWN)])
@in_virtual_time
async def test_a_job_that_three_workers_died_of_is_poison(credits: float, charged: Charged) -> None:  # noqa: A002
    generator = ScriptedGenerator(credits=credits)
    world = World(generator)
    await world.submit()
    await world.claim_and_die(3, calling=True)

    done = (await world.run()).job

    assert (done.status, done.crashes, generator.calls) == (JobStatus.FAILED, 3, [])
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.WORKER_CRASH, charged)


@in_virtual_time
async def test_a_job_whose_workers_died_before_any_call_is_not_yet_to_blame() -> None:
    world = World(ScriptedGenerator(credits=2.0))
    await world.submit()
    await world.claim_and_die(5)

    done = (await world.run()).job

    assert (done.status, done.crashes) == (JobStatus.FINISHED, 5)


@in_virtual_time
async def test_workers_that_die_before_any_call_again_and_again_make_poison_that_cost_nothing() -> None:
    world = World(ScriptedGenerator(credits=2.0))
    await world.submit()
    await world.claim_and_die(6)

    done = (await world.run()).job

    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.WORKER_CRASH, Charged.NO)


@in_virtual_time
async def test_poison_of_a_backend_that_does_not_answer_may_have_cost() -> None:
    generator = ScriptedGenerator(credits=2.0)
    world = World(generator)
    await world.submit()
    await world.claim_and_die(3, calling=True)
    away(generator, "capabilities", times=1)

    done = (await world.run()).job

    assert done.failure is not None
    assert done.failure.charged is Charged.UNKNOWN


@in_virtual_time
async def test_what_is_stored_is_adopted_before_anybody_speaks_of_poison() -> None:
    world = World()
    job = await world.submit()
    await world.claim_and_die(3, calling=True)
    await world.store.put(job.id, 0, pictures(a_call(job)), first_image=0)

    done = (await world.run()).job

    assert (done.status, done.crashes) == (JobStatus.FINISHED, 3)


@in_virtual_time
async def test_paid_calls_for_one_picture_are_limited() -> None:
    generator = ScriptedGenerator(credits=1)
    world = World(generator, limits=RunLimits(max_paid_calls=2, max_crashes=9))
    await world.submit()
    for n in range(2):
        dead = await world.claim_and_die()
        await world.jobs.save(dead.intending(0, f"cut-off-{n}"))

    done = (await world.run()).job

    assert (done.status, generator.calls) == (JobStatus.FAILED, [])
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.PAID_CALLS_USED_UP, Charged.UNKNOWN)


@pytest.mark.parametrize("cut_off", [True, False])
@in_virtual_time
async def test_where_doubt_must_not_cost_a_paid_call_that_was_cut_off_ends_the_job(cut_off: bool) -> None:
    generator = ScriptedGenerator(credits=1)
    world = World(generator, limits=RunLimits(on_crash=InDoubt.FAIL))
    await world.submit()
    dead = await world.claim_and_die()
    if cut_off:
        await world.jobs.save(dead.intending(0, "cut-off"))

    done = (await world.run()).job

    assert len(generator.calls) == (0 if cut_off else 1)
    assert done.status is (JobStatus.FAILED if cut_off else JobStatus.FINISHED)
    assert done.failure is None or done.failure.code is FailureCode.ANSWER_LOST
