"""The promises of `JobEvents`: what was stored is told, in order, to everyone who listens.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from contracts.job_setting import RepositorySetting
from contracts.listening import PATIENCE_S, subscribed, take, told
from contracts.samples import a_job, an_event, png
from imaging_core.errors import Unavailable, UnknownCursor
from imaging_core.events import EventKind, JobProgress, Preview
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobEvents, JobRepository


async def read_on(events: JobEvents, cursor: str) -> None:
    """Subscribe after a place of the log and read once."""
    async with subscribed(events, after=cursor) as stream:
        await take(stream, 1)


class StoredEventPromises(RepositorySetting):
    """Promises 1, 2 and 4. The events come from the repository's log, so both are supplied."""

    #: After how many more events the log has surely forgotten one; supply a log that short.
    forgets_after: ClassVar[int] = 400

    async def test_1_every_event_of_a_job_is_told_in_the_order_of_its_writes(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        cursor = await events.cursor()
        job = a_job(await repository.now())
        await repository.add(job, events=[an_event(job)])
        started = await self.claim(repository)
        flagged = started.cancel(now=await repository.now())
        flagged = await repository.save(flagged, events=[an_event(flagged, EventKind.CANCEL_REQUESTED)])
        ended = flagged.cancelled(now=await repository.now())
        await repository.save(ended, token="token-1", events=[an_event(ended, EventKind.CANCELLED)])

        found = await told(events, after=cursor, count=4)

        assert [(event.kind, event.status, event.attempt) for event in found] == [
            (EventKind.QUEUED, JobStatus.QUEUED, 0),
            (EventKind.STARTED, JobStatus.STARTED, 1),
            (EventKind.CANCEL_REQUESTED, JobStatus.STARTED, 1),
            (EventKind.CANCELLED, JobStatus.CANCELLED, 1),
        ]
        assert {(event.job_id, event.backend) for event in found} == {(job.id, "alpha")}
        assert found[1].at == started.started_at
        assert [event.terminal for event in found] == [False, False, False, True]

    async def test_1_every_subscriber_is_told_every_event(self, repository: JobRepository, events: JobEvents) -> None:
        cursor = await events.cursor()

        async def listen() -> list[str]:
            return [event.job_id for event in await told(events, after=cursor, count=10)]

        async with asyncio.TaskGroup() as group:
            listeners = [group.create_task(listen()) for _ in range(3)]
            jobs = [a_job(await repository.now()) for _ in range(10)]
            for job in jobs:
                await repository.add(job, events=[an_event(job)])

        for listener in listeners:
            assert sorted(listener.result()) == sorted(job.id for job in jobs)

    async def test_1_a_subscription_to_one_job_tells_of_no_other(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        cursor = await events.cursor()
        others = [a_job(await repository.now()) for _ in range(2)]
        one = a_job(await repository.now())

        async with asyncio.TaskGroup() as group:
            listener = group.create_task(told(events, after=cursor, count=2, job_id=one.id))
            for job in (others[0], one, others[1]):
                await repository.add(job, events=[an_event(job)])
            for token in ("token-1", "token-2", "token-3"):
                await self.claim(repository, token)

        assert [(event.job_id, event.kind) for event in listener.result()] == [
            (one.id, EventKind.QUEUED),
            (one.id, EventKind.STARTED),
        ]

    async def test_1_a_subscriber_that_waits_is_told_at_once(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        async with subscribed(events, after=await events.cursor()) as stream:
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.wait([waiting], timeout=0.05)
            assert not waiting.done()
            job = a_job(await repository.now())

            await repository.add(job, events=[an_event(job)])

            assert (await asyncio.wait_for(waiting, PATIENCE_S)).job_id == job.id

    async def test_1_a_subscription_without_a_cursor_begins_now(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        before = a_job(await repository.now())
        await repository.add(before, events=[an_event(before)])

        async with subscribed(events) as stream:
            first = asyncio.ensure_future(anext(stream))
            later = []
            # Where the subscription has to travel first, the first events may come before it.
            async with asyncio.timeout(PATIENCE_S):
                while not first.done():
                    job = a_job(await repository.now())
                    later.append(job.id)
                    await repository.add(job, events=[an_event(job)])
                    await asyncio.wait([first], timeout=0.05)

        assert first.result().job_id in later

    async def test_2_a_subscription_after_a_cursor_gives_what_came_since(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        start = await events.cursor()
        jobs = [a_job(await repository.now()) for _ in range(5)]
        for job in jobs[:3]:
            await repository.add(job, events=[an_event(job)])
        first = await told(events, after=start, count=3)
        for job in jobs[3:]:
            await repository.add(job, events=[an_event(job)])

        rest = await told(events, after=first[1].cursor, count=3)

        assert [event.job_id for event in first] == [job.id for job in jobs[:3]]
        assert [event.job_id for event in rest] == [job.id for job in jobs[2:]]
        assert rest[0] == first[2]
        assert len({event.cursor for event in (*first, *rest)}) == 5

    async def test_2_events_of_one_write_have_places_of_their_own(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        start = await events.cursor()
        job = a_job(await repository.now())
        await repository.add(job, events=[an_event(job), an_event(job, EventKind.PARKED)])
        first, second = await told(events, after=start, count=2)

        assert first.cursor != second.cursor
        assert await told(events, after=first.cursor, count=1) == [second]

    async def test_2_the_cursor_of_the_log_is_its_end(self, repository: JobRepository, events: JobEvents) -> None:
        first, second = a_job(await repository.now()), a_job(await repository.now())
        await repository.add(first, events=[an_event(first)])

        end = await events.cursor()
        await repository.add(second, events=[an_event(second)])

        assert [event.job_id for event in await told(events, after=end, count=1)] == [second.id]

    @pytest.mark.parametrize("cursor", ["", "nonsense", "-1", "9" * 40, "18446744073709551615-0", "é\x00", "0x1"])
    async def test_2_an_unknown_cursor_is_refused(
        self, repository: JobRepository, events: JobEvents, cursor: str
    ) -> None:
        job = a_job(await repository.now())
        await repository.add(job, events=[an_event(job)])

        with pytest.raises(UnknownCursor):
            await read_on(events, cursor)

    async def test_2_a_cursor_that_the_log_has_forgotten_is_refused(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        old = await events.cursor()
        for _ in range(10):
            job = a_job(await repository.now(), backend="beta")
            await repository.add(job, events=[an_event(job)] * (self.forgets_after // 10 + 1))

        with pytest.raises(UnknownCursor):
            await read_on(events, old)

    async def test_4_a_subscriber_that_does_not_read_holds_nobody_up(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        cursor = await events.cursor()
        async with subscribed(events, after=cursor) as idle:
            first = a_job(await repository.now())
            await repository.add(first, events=[an_event(first)])
            assert [event.job_id for event in await take(idle, 1)] == [first.id]

            async with asyncio.timeout(PATIENCE_S):
                for _ in range(20):
                    job = a_job(await repository.now())
                    await repository.add(job, events=[an_event(job)] * (self.forgets_after // 20 + 1))
            cursor = await events.cursor()
            last = a_job(await repository.now())
            await repository.add(last, events=[an_event(last)])

            assert [event.job_id for event in await told(events, after=cursor, count=1)] == [last.id]


class ProgressPromises(RepositorySetting):
    """Promise 3."""

    async def test_3_the_newest_progress_of_a_job_is_kept(self, events: JobEvents) -> None:
        job = a_job()
        assert await events.progress(job.id) is None
        preview = Preview(data=png(), media_type="image/png")
        newest = JobProgress(job_id=job.id, fraction=0.625, images_done=1, step=5, steps=20, eta_s=2.5, preview=preview)

        await events.publish(JobProgress(job_id=job.id, fraction=0.25))
        await events.publish(newest)

        assert await events.progress(job.id) == newest

    async def test_3_progress_of_one_job_says_nothing_of_another(self, events: JobEvents) -> None:
        one, other = a_job(), a_job()
        await events.publish(JobProgress(job_id=one.id, fraction=0.5))

        assert await events.progress(other.id) is None

    async def test_3_progress_without_a_preview_is_as_good(self, events: JobEvents) -> None:
        progress = JobProgress(job_id=a_job().id, fraction=1.0)

        await events.publish(progress)

        assert await events.progress(progress.job_id) == progress


class JobEventsContract(StoredEventPromises, ProgressPromises):
    """Every numbered promise of `JobEvents`. Supply what `RepositorySetting` asks for, and `forgets_after`."""


class CutOffEventsContract:
    """For events behind a network: with nobody at the other end, every method raises `Unavailable`."""

    @pytest.fixture
    def cut_off(self) -> JobEvents:
        """Events whose other end does not answer."""
        raise NotImplementedError("supply events that are cut off")

    @pytest.mark.parametrize(
        "use",
        [
            pytest.param(lambda e: e.cursor(), id="cursor"),
            pytest.param(lambda e: e.publish(JobProgress(job_id=a_job().id, fraction=0.5)), id="publish"),
            pytest.param(lambda e: e.progress(a_job().id), id="progress"),
            pytest.param(lambda e: told(e, after="0-1", count=1), id="subscribe"),
        ],
    )
    async def test_events_that_are_cut_off_say_so(
        self, cut_off: JobEvents, use: Callable[[JobEvents], Awaitable[object]]
    ) -> None:
        with pytest.raises(Unavailable):
            await use(cut_off)
