"""A move that is refused leaves nothing behind, and a reason that may pass ends no job and moves none too soon."""

import asyncio

import attrs
import pytest

from auto_setting import BROKE, NO_KEY, REQUEST, Two
from imaging_core.capabilities import Capabilities
from imaging_core.errors import AnswerLost, Unavailable
from imaging_core.events import EventKind
from imaging_core.jobs import Job, JobStatus
from imaging_core.key_ports import Reservation
from imaging_core.memory import MemoryWorkerBook
from imaging_core.moving import STEP, Mover
from imaging_core.observing import WorkerSign
from imaging_core.ports import QueueLimits
from virtual_time import in_virtual_time


async def stranded_here(world: Two) -> Job:
    """A job that the free backend cannot make."""
    (job,) = await world.auto()
    world.here.then(NO_KEY)
    await world.run(backend="local")
    return await world.reread(job)


# --- credits ---------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_full_queue_takes_no_more_than_its_limit_and_those_kept_away_hold_no_credits() -> None:
    world = Two(queue_limits=QueueLimits(max_queued=3), credits_per_day=15.0)
    jobs = await world.auto(3)
    for _ in range(2):
        await world.service.submit(REQUEST, backend="stability")
    world.take_down()

    await world.look(70.0)

    assert (await world.where(jobs)).count("stability") == 1
    stayed = [await world.reread(job) for job in jobs if (await world.reread(job)).backend == "local"]
    assert all("'stability' has no room in its queue." in (job.stayed or "") for job in stayed)
    assert await world.book.spent(jobs[0].created_at.date()) == 9.0


@in_virtual_time
async def test_a_doubtful_free_call_costs_nothing_after_a_move_that_was_refused() -> None:
    world = Two(queue_limits=QueueLimits(max_queued=1))
    (job,) = await world.auto()
    full = await world.service.submit(REQUEST, backend="stability")
    world.take_down()
    await world.look(70.0)
    world.bring_back()
    world.here.then(AnswerLost("Gone.", retryable=False))

    ended = await world.run_to_end(await world.reread(job))
    await world.service.cancel(full.id)
    await world.settling.settle()

    assert (ended.backend, ended.status) == ("local", JobStatus.FAILED)
    assert await world.book.spent(job.created_at.date()) == 0.0


@in_virtual_time
async def test_a_job_that_was_refused_goes_once_there_is_room_though_the_day_has_no_more_than_its_price() -> None:
    world = Two(credits_per_day=5.0)
    (job,) = await world.auto()
    world.service.queue_limits = QueueLimits(max_queued=0)
    world.take_down()
    await world.look(70.0)
    assert await world.where([job]) == ["local"]
    world.service.queue_limits = QueueLimits(max_queued=9)

    await world.look(10.0)

    assert await world.where([job]) == ["stability"]
    assert await world.book.spent(job.created_at.date()) == 3.0


@in_virtual_time
async def test_of_two_services_one_takes_the_last_credits_and_the_other_does_not_end_the_job() -> None:
    world = Two(credits_per_day=3.0)
    job = await stranded_here(world)
    real = world.jobs.move

    async def slow(*given: object, **more: object) -> Job:
        await asyncio.sleep(0.05)
        return await real(*given, **more)  # type: ignore[arg-type]

    world.jobs.move = slow  # type: ignore[method-assign]

    await asyncio.gather(world.mover.step(), Mover(world.service).step())

    assert (await world.reread(job)).backend == "stability"
    assert await world.book.spent(job.created_at.date()) == 3.0


@pytest.mark.parametrize("written", [False, True])
@in_virtual_time
async def test_a_move_whose_answer_was_lost_is_made_once(written: bool) -> None:
    world = Two(credits_per_day=3.0)
    job = await stranded_here(world)
    real = world.jobs.move

    async def away(*given: object, **more: object) -> Job:
        world.jobs.move = real  # type: ignore[method-assign]
        if written:
            await real(*given, **more)  # type: ignore[arg-type]
        raise Unavailable("Redis is restarting.")

    world.jobs.move = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await world.mover.step()

    await world.mover.step()

    moved = await world.reread(job)
    assert (moved.backend, len(moved.moves)) == ("stability", 1)
    assert await world.book.spent(job.created_at.date()) == 3.0
    assert (await world.run_to_end(moved)).status is JobStatus.FINISHED
    await world.settling.settle()
    assert await world.book.spent(job.created_at.date()) == 3.0


@in_virtual_time
async def test_at_a_cheaper_backend_no_more_is_set_aside_than_it_costs() -> None:
    world = Two(order=("stability", "local"), credits_per_day=3.0)
    (job,) = await world.auto()
    world.cloud.then(BROKE)
    await world.run(backend="stability")
    await world.look()

    assert await world.where([job]) == ["local"]
    assert await world.book.spent(job.created_at.date()) == 0.0


# --- reasons that may pass -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_job_that_would_fail_waits_for_a_backend_that_cannot_be_asked_just_then() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(BROKE)
    await world.run(backend="stability")
    world.take_down()
    real = world.here.capabilities

    async def away() -> Capabilities:
        raise Unavailable("The WebUI has not told its lists yet.")

    world.here.capabilities = away  # type: ignore[method-assign]
    await world.look(10.0)
    waits = await world.reread(job)
    assert (waits.stranded, waits.backend) == (True, "stability")
    assert "'local' cannot be asked what it can do." in (waits.why_there or "")

    world.here.capabilities = real  # type: ignore[method-assign]
    world.bring_back()
    await world.look(10.0)

    ended = await world.run_to_end(await world.reread(job))
    assert (ended.status, ended.backend) == (JobStatus.FINISHED, "local")


@in_virtual_time
async def test_a_job_that_would_fail_waits_for_room_and_for_credits_until_its_backend_is_tried_again() -> None:
    world = Two(queue_limits=QueueLimits(max_queued=0), credits_per_day=5.0)
    world.service.queue_limits = QueueLimits()
    job = await stranded_here(world)
    other = await world.service.submit(REQUEST, backend="stability")

    await world.look(50.0)
    assert (await world.reread(job)).stranded
    await world.look(20.0)
    world.here.then(NO_KEY)
    again = await world.run(backend="local")
    assert (again.job.id, again.job.stranded, again.job.attempt) == (job.id, True, 1)
    await world.service.cancel(other.id)
    await world.settling.settle()
    await world.look(10.0)

    assert await world.where([job]) == ["stability"]


@in_virtual_time
async def test_a_job_that_costs_more_than_a_whole_day_allows_fails_at_once_and_once() -> None:
    world = Two(credits_per_day=2.0)
    job = await stranded_here(world)

    await world.look()

    ended = await world.reread(job)
    assert ended.status is JobStatus.FAILED
    assert ended.failure is not None
    assert ended.failure.message.endswith(
        "'stability' costs more than is left of the 2 credits that this service may use a day."
    )
    assert len(ended.failures) == 1
    assert [event.kind for event in await world.told()].count(EventKind.FAILED) == 1


@in_virtual_time
async def test_stranded_jobs_that_must_wait_do_not_stand_before_those_that_only_wait() -> None:
    world = Two(max_wait_s=600.0, credits_per_day=3.0)
    await world.service.submit(REQUEST, backend="stability")
    stuck = [await stranded_here(world) for _ in range(STEP)]
    (job,) = await world.auto()
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=1.0)
    world.take_down()

    await world.look(12.0)

    assert {(await world.reread(each)).stranded for each in stuck} == {True}
    assert "'stability' costs more than is left of the 3 credits" in ((await world.reread(job)).stayed or "")


# --- what a backend's look says --------------------------------------------------------------------------


@in_virtual_time
async def test_a_backend_that_is_silent_now_and_then_while_it_works_is_not_left() -> None:
    world = Two()
    jobs = await world.auto(6)

    for _ in range(4):
        world.take_down()
        await world.look(5.1, every_s=5.1)
        world.bring_back()
        await world.run(backend="local")
        await world.look(20.4, every_s=5.1)

    assert set(await world.where(jobs)) == {"local"}


@in_virtual_time
async def test_a_backend_that_finishes_jobs_is_not_left_though_no_look_is_answered() -> None:
    world = Two()
    jobs = await world.auto(4)
    real, slow_s = world.here.probe, 1.0

    async def silent() -> str:
        raise Unavailable("It is busy.")

    for _ in range(3):
        world.here.probe = silent  # type: ignore[method-assign]
        await world.look(50.0)
        world.here.probe = real  # type: ignore[method-assign]
        slow_s *= 2
        claimed = await world.jobs.claim_next("local", worker="w", token="t", lease_s=60.0)
        assert claimed is not None
        await asyncio.sleep(slow_s)
        await world.jobs.save(claimed.succeeded([], now=await world.jobs.now()), token="t")

    assert set(await world.where(jobs)) == {"local"}


@in_virtual_time
async def test_a_job_goes_to_no_backend_without_a_worker_and_away_from_one_that_lost_its_own() -> None:
    world = Two()
    (job,) = await world.auto()
    workers = MemoryWorkerBook(world.jobs._now)
    world.service._workers = workers

    async def live(backend: str, for_s: float) -> None:
        sign = WorkerSign(name="w", slots={backend: 1}, busy={}, version="", started_at=await world.jobs.now())
        await workers.beat(sign, ttl_s=for_s + 1.0)
        await world.look(for_s)

    world.take_down()
    await live("local", 80.0)
    assert await world.where([job]) == ["local"]
    assert "'stability' has no worker." in ((await world.reread(job)).stayed or "")
    world.bring_back()
    await live("local", 20.0)
    assert (await world.reread(job)).stayed is None

    await live("stability", 80.0)

    assert "'local' has no worker." in ((await world.reread(job)).why_there or "")
    assert await world.where([job]) == ["stability"]


@in_virtual_time
async def test_a_process_that_knows_no_other_backend_leaves_the_job_to_one_that_does() -> None:
    world = Two()
    job = await stranded_here(world)
    workers = MemoryWorkerBook(world.jobs._now)
    sign = WorkerSign(
        name="w", slots={"local": 1, "stability": 1}, busy={}, version="", started_at=await world.jobs.now()
    )
    await workers.beat(sign, ttl_s=60.0)
    world.service._workers = workers
    cloud = world.service._generators.pop("stability")  # type: ignore[attr-defined]

    await world.look(10.0)
    assert (await world.reread(job)).stranded
    world.service._generators["stability"] = cloud  # type: ignore[index]
    await world.look(10.0)

    assert await world.where([job]) == ["stability"]


@in_virtual_time
async def test_jobs_of_a_backend_that_is_set_up_no_more_and_has_no_worker_go_elsewhere() -> None:
    world = Two()
    (job,) = await world.auto()
    named = await world.service.submit(REQUEST, backend="local")
    workers = MemoryWorkerBook(world.jobs._now)
    world.service._workers = workers
    del world.service._generators["local"]  # type: ignore[attr-defined]
    started_at = await world.jobs.now()

    async def live(*backends: str, for_s: float) -> None:
        sign = WorkerSign(name="w", slots=dict.fromkeys(backends, 1), busy={}, version="", started_at=started_at)
        await workers.beat(sign, ttl_s=for_s + 1.0)
        await world.look(for_s)

    await live("local", "stability", for_s=130.0)
    assert await world.where([job]) == ["local"]
    await live("stability", for_s=55.0)
    assert await world.where([job]) == ["local"]
    await live("stability", for_s=75.0)

    assert await world.where([job, named]) == ["stability", "local"]


@in_virtual_time
async def test_why_jobs_stay_is_written_once_though_figures_move_and_taken_back_when_all_is_well() -> None:
    world = Two(credits_per_day=10.0, max_wait_s=1.0)
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=600.0)
    jobs = await world.auto(8)
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=1.0)
    world.take_down()
    await world.look(8.0)
    stayed = [await world.reread(job) for job in jobs if (await world.reread(job)).backend == "local"]
    assert len(stayed) == 5

    for n in range(5):
        one = Reservation(job_id=f"x{n}", owner="o", day=jobs[0].created_at.date(), credits=0.01)
        world.book.set_aside(one)
        await world.look(4.0)
    assert [await world.reread(job) for job in stayed] == stayed

    world.bring_back()
    await world.look(10.0)

    assert [(await world.reread(job)).stayed for job in stayed] == [None] * 5
    assert (await world.run_to_end(stayed[0])).status is JobStatus.FINISHED


@in_virtual_time
async def test_credits_are_asked_for_once_a_look_by_jobs_that_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Two(credits_per_day=3.0)
    await world.service.submit(REQUEST, backend="stability")
    job, asked = await stranded_here(world), []
    real = world.jobs.move

    async def counted(*given: object, **more: object) -> Job:
        asked.append(given)
        return await real(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.jobs, "move", counted)
    await world.look(30.0)

    # Twice each: what has ended since may have left enough.
    assert len(asked) <= 2 * 6
    assert (await world.reread(job)).stranded
