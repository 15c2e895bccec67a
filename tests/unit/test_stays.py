"""At each backend a job begins anew: what it has been through elsewhere shortens no trial there."""

import asyncio

import pytest

from auto_setting import Two
from contracts.samples import a_failure, a_job, a_request
from imaging_core.errors import BackendUnreachable, CallFailed, CallRejected, Charged, FailureCode
from imaging_core.jobs import CallState, Job, JobStatus, LeaseReason
from imaging_core.moves import Move
from imaging_core.stays import attempts_here, calls_here, crashes_here, failures_here
from virtual_time import in_virtual_time

BROKE = CallRejected("The account has too few credits.", code=FailureCode.INSUFFICIENT_CREDITS)
HICCUP = CallFailed("It failed.", charged=Charged.NO)


def moved(job: Job, *, to: str = "beta") -> Job:
    """The job at another backend."""
    return job.moved(Move(left=job.backend, backend=to, reason="Down.", at=job.created_at), a_request())


def tried(job: Job, token: str, *, reason: LeaseReason = LeaseReason.THROTTLED) -> Job:
    """The job after an attempt of which nothing came."""
    now = job.created_at
    job = job.claimed(worker="w", token=token, now=now, lease_s=0.0).intending(0, token)
    job = job.with_call(token, CallState.REFUSED)
    return job.parked_until(now, reason, now=now, failure=a_failure(at=now))


def test_what_a_job_has_been_through_is_counted_by_backend() -> None:
    job = tried(a_job(asked=a_request()), "a", reason=LeaseReason.RETRY)
    job = tried(job, "b")
    dead = job.claimed(worker="w", token="c", now=job.created_at, lease_s=0.0)
    job = tried(dead, "d")
    assert (attempts_here(job), crashes_here(job), len(calls_here(job)), len(failures_here(job))) == (3, 1, 3, 3)

    there = moved(job)
    assert (crashes_here(there), calls_here(there), failures_here(there)) == (0, (), ())
    first = there.claimed(worker="w", token="e", now=job.created_at, lease_s=0.0)
    assert (attempts_here(first), first.attempt, first.crashes) == (1, job.attempt, 1)
    again = first.claimed(worker="w", token="f", now=job.created_at, lease_s=0.0)
    assert (attempts_here(again), crashes_here(again)) == (2, 1)


def test_one_that_was_never_tried_begins_with_its_first_attempt_too() -> None:
    there = moved(moved(a_job(asked=a_request())), to="gamma")

    first = there.claimed(worker="w", token="a", now=there.created_at, lease_s=1.0)

    assert (attempts_here(first), first.attempt, crashes_here(first)) == (1, 1, 0)


@pytest.mark.parametrize(("reason", "schema"), [(LeaseReason.THROTTLED, 1), (LeaseReason.STRANDED, 3)])
def test_only_a_job_that_is_parked_for_a_move_needs_a_worker_that_knows_moves(reason: LeaseReason, schema: int) -> None:
    waits = a_job(asked=a_request())
    parked = tried(waits, "a", reason=reason)

    assert (waits.schema, moved(waits).schema) == (1, 1)
    assert (parked.schema, moved(parked).schema) == (schema, 3)


@in_virtual_time
async def test_attempts_at_the_first_backend_are_not_missing_at_the_second() -> None:
    world = Two()
    (job,) = await world.auto()
    world.here.then(HICCUP, HICCUP, BackendUnreachable("It is down."))
    runner = world.runner()
    for _ in range(3):
        ran = await world.run(runner, "local")
        await asyncio.sleep(ran.again_in_s or 0)
    world.take_down()
    await world.look(70.0)
    world.cloud.then(HICCUP, HICCUP)

    ended = await world.run_to_end(await world.reread(job), runner=runner)

    assert (ended.status, ended.backend, ended.attempt) == (JobStatus.FINISHED, "stability", 5)
    assert len(world.cloud.calls) == 3


@in_virtual_time
async def test_patience_at_the_second_backend_begins_when_it_turns_the_job_away() -> None:
    world = Two(order=("stability", "local"), patience_s=100.0)
    (job,) = await world.auto()
    world.cloud.then(BROKE)
    await world.run(backend="stability")
    await world.look()
    assert await world.where([job]) == ["local"]
    # As long as it takes until it is its turn there.
    await asyncio.sleep(1200.0)
    world.here.then(*[BackendUnreachable("It restarts.")] * 3)
    ended = await world.run_to_end(await world.reread(job))
    assert ended.status is JobStatus.FINISHED


@in_virtual_time
async def test_patience_at_the_second_backend_ends_too() -> None:
    world = Two(order=("stability", "local"), patience_s=100.0)
    (job,) = await world.auto()
    world.cloud.then(BROKE)
    await world.run(backend="stability")
    await world.look()
    world.take_down()
    before = await world.jobs.now()

    ended = await world.run_to_end(await world.reread(job))

    assert (ended.status, ended.failure and ended.failure.code) == (JobStatus.FAILED, FailureCode.BACKEND_UNREACHABLE)
    assert 100.0 <= (await world.jobs.now() - before).total_seconds() <= 100.0 + 3 * 60.0
