"""Whoever watches a job hears of its events at once, and asks for nothing that an event tells."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from imaging_core.errors import UnknownCursor
from imaging_core.events import JobEvent, JobProgress
from imaging_core.jobs import Job, JobStatus
from imaging_core.memory import MemoryJobEvents
from imaging_core.service import JobView
from imaging_core.watching import PLACE_EVERY_S, PROGRESS_EVERY_S, watched
from scripted import ScriptedGenerator, World, lasting
from virtual_time import in_virtual_time


class Counted:
    """A job's views, and how often they and its progress were asked for."""

    def __init__(self, world: World, job: Job) -> None:
        self.world, self.job = world, job
        self.asked: Counter[str] = Counter()
        self.told: list[tuple[float, JobView]] = []
        self.events = _Asked(world.events, self.asked)

    async def _view(self) -> JobView:
        self.asked["view"] += 1
        return await self.world.service.view(self.job.id)

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        async for view in watched(self.events, self.job.id, self._view):
            self.told.append((loop.time(), view))

    @property
    def statuses(self) -> list[JobStatus]:
        return list(dict.fromkeys(view.job.status for _, view in self.told))


class _Asked:
    """The log of the world, whose progress is counted, and which may lose its place once."""

    def __init__(self, events: MemoryJobEvents, asked: Counter[str]) -> None:
        self._events, self._asked = events, asked
        self.loses_place = False
        self.cursor, self.publish = events.cursor, events.publish

    async def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> AsyncIterator[JobEvent]:
        self._asked["subscription"] += 1
        async for event in self._events.subscribe(job_id=job_id, after=after):
            if self.loses_place:
                self.loses_place = False
                raise UnknownCursor("The event log does not hold that place.")
            yield event

    async def progress(self, job_id: str) -> JobProgress | None:
        self._asked["progress"] += 1
        return await self._events.progress(job_id)


@in_virtual_time
async def test_a_long_run_costs_one_look_at_the_job_and_little_ones_at_its_progress() -> None:
    world = World(ScriptedGenerator().then(lasting(60)))
    counted = Counted(world, await world.submit())
    watching = asyncio.create_task(counted.watch())

    await world.run()
    await watching

    assert counted.statuses[-1] is JobStatus.FINISHED
    # Before the start, at it, perhaps at a picture's storing, and at the end.
    assert counted.asked["view"] <= 4
    assert counted.asked["progress"] == pytest.approx(60 / PROGRESS_EVERY_S, abs=3)
    assert counted.asked["subscription"] == 1


@in_virtual_time
async def test_an_end_is_told_at_once_and_not_at_the_next_look() -> None:
    world = World(ScriptedGenerator())
    job = await world.submit()
    counted = Counted(world, job)
    watching = asyncio.create_task(counted.watch())
    await asyncio.sleep(PLACE_EVERY_S * 1.3)
    at = asyncio.get_running_loop().time()

    await world.service.cancel(job.id)
    await watching

    assert counted.statuses == [JobStatus.QUEUED, JobStatus.CANCELLED]
    assert counted.told[-1][0] == at


@in_virtual_time
async def test_a_place_in_the_queue_is_looked_at_now_and_then() -> None:
    world = World(ScriptedGenerator().then(lasting(1), lasting(20)))
    first, second = await world.submit(), await world.submit()
    counted = Counted(world, second)
    watching = asyncio.create_task(counted.watch())
    await asyncio.sleep(0.1)

    await world.run_to_end(first)
    await asyncio.sleep(PLACE_EVERY_S)
    assert list(dict.fromkeys(view.position for _, view in counted.told)) == [2, 1]

    await world.service.cancel(second.id)
    await watching


@in_virtual_time
async def test_progress_is_told_while_it_changes() -> None:
    world = World(ScriptedGenerator().then(lasting(10)))
    job = await world.submit()
    counted = Counted(world, job)
    running, watching = asyncio.create_task(world.run()), asyncio.create_task(counted.watch())
    await asyncio.sleep(1)
    for fraction in (0.25, 0.5):
        await world.events.publish(JobProgress(job_id=job.id, fraction=fraction, eta_s=3.0))
        await asyncio.sleep(2 * PROGRESS_EVERY_S)

    seen = [(view.progress.fraction, view.eta_s) for _, view in counted.told if view.progress]
    assert [fraction for fraction, _ in seen if fraction] == [0.25, 0.5]
    assert seen[-1] == (0.5, 3.0)
    await running
    await watching


@in_virtual_time
async def test_a_log_that_went_on_without_us_is_read_anew_and_nothing_is_told_twice() -> None:
    world = World(ScriptedGenerator().then(lasting(10)))
    job = await world.submit()
    counted = Counted(world, job)
    counted.events.loses_place = True
    watching = asyncio.create_task(counted.watch())
    await asyncio.sleep(0.1)

    await world.run()
    await watching

    assert counted.asked["subscription"] == 2
    assert counted.statuses == [JobStatus.QUEUED, JobStatus.STARTED, JobStatus.FINISHED]
    views = [view for _, view in counted.told]
    assert all(a != b for a, b in itertools.pairwise(views))


@in_virtual_time
async def test_nobody_reads_on_after_the_watcher_has_left() -> None:
    world = World(ScriptedGenerator())
    job = await world.submit()
    views = world.service.watch(job.id)
    assert (await anext(aiter(views))).job.status is JobStatus.QUEUED
    going = asyncio.ensure_future(anext(aiter(views)))
    await asyncio.sleep(1)
    before = len(asyncio.all_tasks())

    going.cancel()
    await asyncio.gather(going, return_exceptions=True)

    # The one who waited, and the reader of the log behind it.
    assert len(asyncio.all_tasks()) == before - 2
