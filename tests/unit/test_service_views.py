"""The use cases that only look: views, lists, pictures, watching, and what is told of the backends."""

import asyncio
import itertools

import pytest

from imaging_core.errors import (
    BackendUnreachable,
    CallRejected,
    ImageNotAvailable,
    ImageNotReady,
    InvalidRequest,
)
from imaging_core.images import Generated
from imaging_core.jobs import JobStatus
from imaging_core.policies import GateLimits
from imaging_core.ports import CallProgress, GenerationCall, JobQuery, Report
from imaging_core.service import JobView
from scripted import Hanging, ScriptedGenerator, World, away, lasting, pictures, under_way
from virtual_time import in_virtual_time


@in_virtual_time
async def test_a_queued_job_shows_its_place_and_how_long_it_may_take_once_that_is_known() -> None:
    world = World(ScriptedGenerator().then(lasting(10)), gates=GateLimits(slots=2))
    first = await world.submit()
    second = await world.submit()
    assert await world.service.view(second.id) == JobView(job=second, position=2)

    await world.run_to_end(first)

    view = await world.service.view(second.id)
    assert (view.position, view.eta_s) == (1, 10.0)
    third = await world.submit()
    assert (await world.service.view(third.id)).eta_s == 15.0


@in_virtual_time
async def test_a_backend_without_slots_gives_no_estimate() -> None:
    world = World(ScriptedGenerator().then(lasting(10)))
    await world.run_to_end(await world.submit())
    world.gate._limits = {"alpha": GateLimits(slots=0)}
    world.gate._backends.clear()

    view = await world.service.view((await world.submit()).id)

    assert (view.position, view.eta_s) == (1, None)


@in_virtual_time
async def test_a_started_job_shows_its_progress_over_all_pictures_which_never_falls() -> None:
    async def reporting(call: GenerationCall, report: Report) -> Generated:
        for fraction in (0.5, 0.9, 0.2, float("nan"), 7.0):
            report(CallProgress(fraction=fraction, step=3, steps=20, eta_s=4.0))
            await asyncio.sleep(1)
        return pictures(call)

    world = World(ScriptedGenerator().then(reporting, reporting))
    job = await world.submit(count=2)
    running = asyncio.create_task(world.run())
    seen: list[float] = []
    while not running.done():
        await asyncio.sleep(0.5)
        view = await world.service.view(job.id)
        if view.progress is not None:
            assert (view.eta_s, view.progress.steps) == (4.0, 20)
            seen.append(view.progress.fraction)

    assert seen == sorted(seen)
    assert all(0 <= fraction <= 1 for fraction in seen)
    assert {0.25, 0.45, 0.5, 0.75, 0.95, 1.0} <= set(seen)
    assert await world.service.view(job.id) == JobView(job=(await running).job)


@in_virtual_time
async def test_pictures_made_before_a_crash_count_in_the_progress_of_the_next_attempt() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit(count=4)
    dead = await world.claim_and_die()
    await world.jobs.save(dead.intending(1, "later one first"))
    await world.store.put(
        job.id,
        1,
        pictures(GenerationCall(job_id=job.id, request=job.request, index=1, images=1, seed=5, task_id="t")),
        first_image=1,
    )
    hanging = Hanging()
    generator.then(hanging)
    runner = world.runner()
    running = await under_way(world, hanging, runner)
    await asyncio.sleep(1)

    view = await world.service.view(job.id)

    assert view.progress is not None
    assert (view.progress.fraction, view.progress.images_done) == (0.25, 1)
    runner.hand_over()
    await running


@in_virtual_time
async def test_a_started_job_of_which_nothing_is_known_yet_shows_that() -> None:
    world = World()
    job = await world.submit()
    await world.jobs.claim_next("alpha", worker="w", token="t", lease_s=15)

    view = await world.service.view(job.id)

    assert (view.job.status, view.position, view.progress, view.eta_s) == (JobStatus.STARTED, None, None, None)


# --- watching --------------------------------------------------------------------------------------------


@in_virtual_time
async def test_watching_tells_each_change_once_and_ends_with_the_job() -> None:
    world = World(ScriptedGenerator().then(lasting(5)))
    job = await world.submit()
    running = asyncio.create_task(_run_after(2, world))

    views = [view async for view in world.service.watch(job.id)]

    await running
    statuses = [view.job.status for view in views]
    assert list(dict.fromkeys(statuses)) == [JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED]
    assert statuses.count(JobStatus.QUEUED) == 1
    assert all(a != b for a, b in itertools.pairwise(views))
    assert [view.job.status async for view in world.service.watch(job.id)] == [JobStatus.FINISHED]


async def _run_after(seconds: float, world: World) -> None:
    await asyncio.sleep(seconds)
    await world.run()


@in_virtual_time
async def test_jobs_are_listed() -> None:
    world = World()
    jobs = [await world.submit() for _ in range(3)]

    page = await world.service.list(JobQuery(limit=2))

    assert [job.id for job in page.jobs] == [jobs[2].id, jobs[1].id]
    with pytest.raises(InvalidRequest):
        await world.service.list(JobQuery(cursor="nonsense"))


# --- pictures --------------------------------------------------------------------------------------------


@in_virtual_time
async def test_each_picture_of_a_finished_job_can_be_read() -> None:
    world = World()
    job = await world.run_to_end(await world.submit(count=2, seed=3))

    for index in (0, 1):
        ref, data = await world.service.read_image(job.id, index)
        assert isinstance(data, bytes)
        assert (ref.index, ref.seed, len(data)) == (index, 3 + index, ref.size)


@in_virtual_time
async def test_each_picture_is_read_by_its_number_also_where_the_provider_filtered_one_before_it() -> None:
    world = World(ScriptedGenerator().then(lasting(0, filtered=(0,))))
    job = await world.run_to_end(await world.submit(count=3, batch_size=3, seed=3))

    read = [(await world.service.read_image(job.id, ref.index))[0] for ref in job.images]

    assert read == list(job.images)
    assert [ref.seed for ref in read] == [4, 5]


@pytest.mark.parametrize(
    ("count", "index", "reason"),
    [(1, 1, "has 1 picture, index 0."), (2, 2, "has 2 pictures, index 0 to 1."), (1, -1, "has 1 picture")],
)
@in_virtual_time
async def test_a_picture_beyond_the_last_is_not_there(count: int, index: int, reason: str) -> None:
    world = World()
    job = await world.run_to_end(await world.submit(count=count))

    with pytest.raises(ImageNotAvailable, match=reason):
        await world.service.read_image(job.id, index)


@in_virtual_time
async def test_a_job_without_pictures_says_why() -> None:
    world = World(ScriptedGenerator().then(CallRejected("The key is not valid.")))
    failing = await world.submit()
    with pytest.raises(ImageNotReady, match="the job is queued"):
        await world.service.read_image(failing.id)
    await world.run_to_end(failing)
    with pytest.raises(ImageNotAvailable, match="The job failed: The key is not valid"):
        await world.service.read_image(failing.id)
    cancelled = await world.submit()
    await world.service.cancel(cancelled.id)
    with pytest.raises(ImageNotAvailable, match="The job was cancelled"):
        await world.service.read_image(cancelled.id)


# --- backends --------------------------------------------------------------------------------------------


@in_virtual_time
async def test_every_backend_tells_whether_it_answers_and_how_busy_it_is() -> None:
    alpha, beta, gamma = (ScriptedGenerator(name) for name in ("alpha", "beta", "gamma"))
    world = World(alpha, beta, gamma)
    away(beta, "probe", error=BackendUnreachable("beta is off."))
    away(beta, "capabilities")
    away(gamma, "capabilities")
    await world.submit()
    await world.gate.pause("beta", seconds=9)

    views = {view.name: view for view in await world.service.backends()}

    assert list(views) == ["alpha", "beta", "gamma"]
    assert (views["alpha"].answers, views["alpha"].message) == (True, "The script is at hand.")
    assert views["alpha"].capabilities == alpha.can
    assert views["alpha"].queue.claimable == 1
    assert (views["beta"].answers, views["beta"].message) == (False, "beta is off.")
    assert (views["beta"].capabilities, views["beta"].gate.closed_for_s) == (None, 9)
    assert (views["gamma"].answers, views["gamma"].message) == (True, "capabilities is away.")
