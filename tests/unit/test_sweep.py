"""The sweep ends what nobody else ends, and rings for what nobody was rung for."""

import asyncio
import logging
from collections.abc import Mapping

import pytest

from imaging_core.errors import Charged, FailureCode, JobConflict, Unavailable
from imaging_core.events import EventKind
from imaging_core.jobs import OVERDUE_GRACE, Job, JobStatus
from imaging_core.policies import RunLimits
from scripted import ScriptedGenerator, World, a_call, away, lasting, pictures
from virtual_time import in_virtual_time

RUN_S = 100.0
OVERDUE_S = RUN_S + OVERDUE_GRACE.total_seconds()


async def frozen(world: World, *, calls: int = 0) -> Job:
    """A job with so many pictures stored, whose worker beats for ever and does nothing else."""
    job = await world.submit(count=2)
    claimed = await world.jobs.claim_next("alpha", worker="frozen", token="t", lease_s=10 * OVERDUE_S)
    assert claimed is not None
    for index in range(2):
        claimed = await world.jobs.save(claimed.intending(index, f"t-{index}"), token="t")
    for index in range(calls):
        await world.store.put(job.id, index, pictures(a_call(job, index), credits=1.0), first_image=index)
    return claimed


@pytest.mark.parametrize(("calls", "charged"), [(0, Charged.UNKNOWN), (1, Charged.UNKNOWN)])
@in_virtual_time
async def test_an_attempt_that_takes_too_long_is_failed(calls: int, charged: Charged) -> None:
    world = World(limits=RunLimits(run_timeout_s=RUN_S))
    job = await frozen(world, calls=calls)
    await asyncio.sleep(OVERDUE_S - 1)
    assert await world.sweeper.end_overdue() == 0
    await asyncio.sleep(1)

    assert await world.sweeper.end_overdue() == 1

    done = await world.jobs.get(job.id)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged, done.failure.retryable) == (FailureCode.TIMEOUT, charged, True)
    assert done.failure.message == "The attempt took longer than 100 s."
    last = (await world.told())[-1]
    assert (last.kind, last.data["code"], last.data["ran_s"]) == (EventKind.FAILED, "timeout", "105.000")
    assert await world.sweeper.end_overdue() == 0


@in_virtual_time
async def test_a_job_that_waited_too_long_is_failed_at_no_cost() -> None:
    world = World()
    job = await world.submit(max_wait_s=60)
    await asyncio.sleep(60)

    await world.sweeper.end_overdue()

    done = await world.jobs.get(job.id)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.TIMEOUT, Charged.NO)
    assert done.failure.message == "The job did not end within the 60 s it was given."


@in_virtual_time
async def test_an_overdue_job_whose_pictures_are_all_there_is_finished() -> None:
    world = World(limits=RunLimits(run_timeout_s=RUN_S))
    job = await frozen(world, calls=2)
    await asyncio.sleep(OVERDUE_S)

    await world.sweeper.end_overdue()

    done = await world.jobs.get(job.id)
    assert (done.status, len(done.images), done.credits) == (JobStatus.FINISHED, 2, 2.0)
    assert (await world.kinds())[-1] is EventKind.FINISHED


@in_virtual_time
async def test_an_overdue_job_whose_pictures_were_all_filtered_has_failed_for_that_reason() -> None:
    world = World(limits=RunLimits(run_timeout_s=RUN_S))
    job = await frozen(world)
    for index in range(2):
        await world.store.put(
            job.id, index, pictures(a_call(job, index), credits=1.0, filtered=(0,)), first_image=index
        )
    await asyncio.sleep(OVERDUE_S)

    await world.sweeper.end_overdue()

    done = await world.jobs.get(job.id)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.CONTENT_FILTERED, Charged.YES)


@in_virtual_time
async def test_an_overdue_job_that_somebody_asked_to_cancel_is_cancelled() -> None:
    world = World(limits=RunLimits(run_timeout_s=RUN_S))
    job = await frozen(world)
    await world.service.cancel(job.id)
    await asyncio.sleep(OVERDUE_S)

    await world.sweeper.end_overdue()

    assert (await world.jobs.get(job.id)).status is JobStatus.CANCELLED
    assert (await world.kinds())[-1] is EventKind.CANCELLED


@in_virtual_time
async def test_a_job_that_ends_while_it_is_swept_is_left_alone() -> None:
    world = World()
    job = await world.submit(max_wait_s=60)
    await asyncio.sleep(60)
    real = world.store.find

    async def meanwhile(job_id: str) -> object:
        await world.service.cancel(job.id)
        return await real(job_id)

    world.store.find = meanwhile  # type: ignore[assignment,method-assign]

    assert await world.sweeper.end_overdue() == 0
    assert (await world.jobs.get(job.id)).status is JobStatus.CANCELLED


@in_virtual_time
async def test_one_job_that_cannot_be_ended_does_not_hold_up_the_others() -> None:
    world = World()
    first, second = await world.submit(max_wait_s=60), await world.submit(max_wait_s=60)
    await asyncio.sleep(60)
    away(world.jobs, "save", times=1, error=JobConflict("no"))

    assert await world.sweeper.end_overdue() == 1

    statuses = {(await world.jobs.get(job.id)).status for job in (first, second)}
    assert statuses == {JobStatus.QUEUED, JobStatus.FAILED}


@in_virtual_time
async def test_a_store_that_is_away_is_told() -> None:
    world = World()
    await world.submit(max_wait_s=60)
    await asyncio.sleep(60)
    away(world.store, "find")

    with pytest.raises(Unavailable):
        await world.sweeper.end_overdue()


# --- rings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "rings"),
    [({"alpha": 1}, {"alpha": 1}), ({"alpha": 9}, {"alpha": 3}), ({"alpha": 0}, {}), ({"beta": 5}, {})],
)
@in_virtual_time
async def test_rings_are_as_many_as_slots_are_free_and_jobs_wait(free: Mapping[str, int], rings: object) -> None:
    world = World(ScriptedGenerator("alpha"), ScriptedGenerator("beta"))
    for _ in range(3):
        await world.submit()
    await asyncio.sleep(2.0)
    assert await world.sweeper.needed_rings(free) == {}, "their own rings may still be under way"
    await asyncio.sleep(0.1)

    assert await world.sweeper.needed_rings(free) == rings


@in_virtual_time
async def test_the_sweep_goes_on_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ScriptedGenerator().then(lasting(1)))
    job = await world.submit(max_wait_s=60)
    rung: list[str] = []
    away(world.jobs, "overdue", times=1)
    away(world.jobs, "state", times=1, error=ValueError("a lighthouse"))

    with caplog.at_level(logging.INFO):
        sweeping = asyncio.create_task(world.sweeper.run(every_s=2.0, free=lambda: {"alpha": 1}, ring=rung.append))
        await asyncio.sleep(70)
    sweeping.cancel()

    assert (await world.jobs.get(job.id)).status is JobStatus.FAILED
    assert rung == ["alpha"] * 28
    assert "The sweep was cut short" in caplog.text
    assert "The sweep failed" in caplog.text
    assert "lighthouse" not in caplog.text


@in_virtual_time
async def test_an_api_sweeps_without_ringing() -> None:
    world = World()
    job = await world.submit(max_wait_s=60)
    sweeping = asyncio.create_task(world.sweeper.run(every_s=2.0))
    await asyncio.sleep(70)
    sweeping.cancel()

    assert (await world.jobs.get(job.id)).status is JobStatus.FAILED


@in_virtual_time
async def test_what_was_put_off_comes_after_what_is_overdue_and_what_waits() -> None:
    world = World(ScriptedGenerator().then(lasting(1)))
    job = await world.submit(max_wait_s=60)
    seen: list[tuple[JobStatus, int]] = []
    rung: list[str] = []

    async def catch_up() -> None:
        seen.append(((await world.jobs.get(job.id)).status, len(rung)))

    world.jobs.catch_up = catch_up  # type: ignore[method-assign]
    await world.submit()
    await asyncio.sleep(60)
    sweeping = asyncio.create_task(world.sweeper.run(every_s=60.0, free=lambda: {"alpha": 1}, ring=rung.append))
    await asyncio.sleep(1)
    sweeping.cancel()

    assert seen == [(JobStatus.FAILED, 1)]
