"""The Redis event log keeps every promise of its port, over one connection per process."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from adapters.redis import RedisJobEvents, RedisJobRepository, RedisLink
from contracts.job_events import CutOffEventsContract, JobEventsContract
from contracts.listening import PATIENCE_S, subscribed, take, told
from contracts.samples import a_job, an_event, png
from imaging_core.errors import Unavailable, UnknownCursor
from imaging_core.events import EventKind, JobProgress, Preview
from imaging_core.ports import JobEvents, JobRepository
from redis_server import RedisServer
from redis_setting import OnOwnRedis, OnRedis, dead_link, until

__all__ = ["dead_link"]


class TestRedisJobEvents(OnRedis, JobEventsContract):
    """Every promise of JobEvents."""


class TestCutOffRedisEvents(CutOffEventsContract):
    """Nobody listens on the port."""

    @pytest.fixture
    async def cut_off(self, dead_link: RedisLink) -> AsyncIterator[JobEvents]:
        events = RedisJobEvents(dead_link)
        yield events
        await events.aclose()


class TestManyListeners(OnOwnRedis):
    """One shared read, and nobody who waits for anybody."""

    async def test_all_listeners_of_a_process_share_one_connection(
        self, repository: JobRepository, events: JobEvents, server: RedisServer
    ) -> None:
        cursor = await events.cursor()
        streams = [events.subscribe(after=cursor) for _ in range(50)]
        firsts = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await until(server.blocked_clients)
        blocked = server.blocked_clients()
        job = a_job(await repository.now())
        await repository.add(job, events=[an_event(job)])
        async with asyncio.timeout(PATIENCE_S):
            got = await asyncio.gather(*firsts)

        assert blocked == 1
        assert {event.job_id for event in got} == {job.id}

    async def test_a_listener_that_keeps_up_is_fed_by_the_shared_read_alone(
        self, repository: JobRepository, events: JobEvents, link: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        script = link.script

        async def noted(name: str, *arguments: str | bytes | float) -> object:
            asked.append(name)
            return await script(name, *arguments)

        async with subscribed(events, after=await events.cursor()) as stream:
            first = a_job(await repository.now())
            await repository.add(first, events=[an_event(first)])
            await take(stream, 1)
            monkeypatch.setattr(link, "script", noted)
            for _ in range(10):
                job = a_job(first.created_at)
                await repository.add(job, events=[an_event(job)])
                assert [event.job_id for event in await take(stream, 1)] == [job.id]

        # Whatever ends the shared read sends its listeners back to the log.
        assert asked == ["add"] * 10

    async def test_what_follows_news_comes_together_to_those_who_are_in_no_hurry(
        self, repository: JobRepository, link: RedisLink, server: RedisServer
    ) -> None:
        rest_s, events = 0.5, RedisJobEvents(link, rest_s=0.5)
        jobs = [a_job(await repository.now()) for _ in range(20)]
        try:
            async with subscribed(events, after=await events.cursor()) as stream:
                first = asyncio.ensure_future(anext(aiter(stream)))
                await until(server.blocked_clients)
                before, began = server.info("commandstats")["cmdstat_xread"]["calls"], time.monotonic()
                for job in jobs:
                    await repository.add(job, events=[an_event(job)])
                got = [await first, *await take(stream, 19)]
                reads = server.info("commandstats")["cmdstat_xread"]["calls"] - before
        finally:
            await events.aclose()

        assert [event.job_id for event in got] == [job.id for job in jobs]
        assert reads <= 2 + (time.monotonic() - began) / rest_s

    async def test_a_listener_that_fell_behind_gets_the_rest_from_the_log(
        self, events: JobEvents, link: RedisLink
    ) -> None:
        roomy = RedisJobRepository(link, log_length=5_000)
        cursor = await events.cursor()
        async with subscribed(events, after=cursor) as slow, subscribed(events, after=cursor) as quick:
            first = a_job(await roomy.now())
            await roomy.add(first, events=[an_event(first)])
            await take(slow, 1)
            await take(quick, 1)
            sent = []
            for _ in range(12):
                job = a_job(await roomy.now())
                sent += [job.id] * 100
                await roomy.add(job, events=[an_event(job)] * 100)
                # The quick one is fed all along, so the shared read has run past the slow one's room.
                assert [event.job_id for event in await take(quick, 100)] == [job.id] * 100

            got = await take(slow, 1_200)

        assert [event.job_id for event in got] == sent
        assert len({event.cursor for event in got}) == 1_200

    async def test_a_listener_whose_place_was_trimmed_is_told_so(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        cursor = await events.cursor()
        async with subscribed(events, after=cursor) as slow, subscribed(events, after=cursor) as quick:
            first = a_job(await repository.now())
            await repository.add(first, events=[an_event(first)])
            await take(slow, 1)
            await take(quick, 1)
            for _ in range(12):
                job = a_job(await repository.now())
                await repository.add(job, events=[an_event(job)] * 100)
                await take(quick, 100)

            async def read_all() -> None:
                async for _ in slow:
                    pass

            with pytest.raises(UnknownCursor):
                await asyncio.wait_for(read_all(), PATIENCE_S)

    async def test_a_listener_of_one_job_is_not_moved_by_the_rest(self, events: JobEvents, link: RedisLink) -> None:
        repository = RedisJobRepository(link, log_length=5_000)
        one = a_job(await repository.now())
        async with subscribed(events, job_id=one.id, after=await events.cursor()) as stream:
            first = asyncio.ensure_future(anext(stream))
            for _ in range(10):
                other = a_job(await repository.now())
                await repository.add(other, events=[an_event(other)] * 100)
            await repository.add(one, events=[an_event(one)])

            assert (await asyncio.wait_for(first, PATIENCE_S)).job_id == one.id

    async def test_a_restart_is_told_and_the_next_reading_goes_on(
        self, repository: JobRepository, events: JobEvents, server: RedisServer
    ) -> None:
        before = a_job(await repository.now())
        cursor = await events.cursor()
        await repository.add(before, events=[an_event(before)])
        async with subscribed(events, after=cursor) as stream:
            assert (await take(stream, 1))[0].job_id == before.id
            pending = asyncio.ensure_future(anext(stream))
            await until(server.blocked_clients)
            server.kill()
            with pytest.raises(Unavailable):
                await asyncio.wait_for(pending, PATIENCE_S)
            server.start()
            after = a_job(await repository.now())
            await repository.add(after, events=[an_event(after)])

            assert (await take(stream, 1))[0].job_id == after.id

    async def test_closing_ends_a_pending_reading_and_the_connection(
        self, link: RedisLink, server: RedisServer
    ) -> None:
        events = RedisJobEvents(link)
        pending = asyncio.ensure_future(anext(events.subscribe()))
        await until(server.blocked_clients)

        await events.aclose()

        with pytest.raises(StopAsyncIteration):
            await pending
        await until(lambda: server.blocked_clients() == 0)

    async def test_a_listener_that_still_catches_up_at_the_close_begins_no_new_read(
        self, events: RedisJobEvents, link: RedisLink, server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script, asked, closed = link.script, asyncio.Event(), asyncio.Event()

        async def held_up(name: str, *arguments: str | bytes | float) -> object:
            answer = await script(name, *arguments)
            asked.set()
            await closed.wait()
            return answer

        monkeypatch.setattr(link, "script", held_up)
        stream = events.subscribe(after=await events.cursor())
        reading = asyncio.ensure_future(anext(stream))
        await asked.wait()

        await events.aclose()
        closed.set()

        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(reading, PATIENCE_S)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "imaging-events"]
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(events.subscribe()), PATIENCE_S)
        assert server.blocked_clients() == 0

    async def test_a_cursor_of_a_log_that_was_lost_is_unknown(
        self, repository: JobRepository, events: JobEvents, server: RedisServer
    ) -> None:
        job = a_job(await repository.now())
        await repository.add(job, events=[an_event(job)])
        cursor = await events.cursor()
        server.flush()
        with pytest.raises(UnknownCursor):
            await told(events, after=cursor, count=1)

        other = a_job(await repository.now())
        await repository.add(other, events=[an_event(other)])

        with pytest.raises(UnknownCursor):
            await told(events, after=cursor, count=1)

    async def test_a_kind_of_a_newer_version_is_passed_over(
        self, repository: JobRepository, events: JobEvents, link: RedisLink
    ) -> None:
        job = a_job(await repository.now())
        cursor = await events.cursor()
        job = await repository.add(job, events=[an_event(job)])
        row = ("job_id", job.id, "kind", "dreamt", "status", "queued", "attempt", 0, "at", 1, "backend", "alpha")
        await link.command("XADD", link.key("events"), "*", *row, "data", "{}")
        await repository.save(job.cancel(now=job.created_at), events=[an_event(job, EventKind.CANCELLED)])

        found = await told(events, after=cursor, count=2)

        assert [event.kind for event in found] == [EventKind.QUEUED, EventKind.CANCELLED]


class TestProgress(OnRedis):
    """The newest only, until the job has ended."""

    async def test_the_end_of_a_job_ends_its_progress(self, repository: JobRepository, events: JobEvents) -> None:
        job = await self.start(repository)
        preview = Preview(data=png(), media_type="image/png")
        await events.publish(JobProgress(job_id=job.id, fraction=0.5, preview=preview))
        assert await events.progress(job.id) is not None

        await self.finish(repository, job, "token-1")

        assert await events.progress(job.id) is None
