"""What the SQLite events do besides keeping their port's promises: slow readers, other logs, the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository, open_database
from adapters.sqlite.subscribers import HELD, PROGRESS_KEPT
from contracts.listening import subscribed, take, told
from contracts.samples import a_job, an_event
from imaging_core.errors import Unavailable, UnknownCursor
from imaging_core.events import EventKind, JobProgress

MANY = HELD + 500


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path, keep_events=10 * HELD) as database:
        yield database


@pytest.fixture
def jobs(database: SqliteDatabase) -> SqliteJobRepository:
    return SqliteJobRepository(database)


@pytest.fixture
def events(database: SqliteDatabase) -> SqliteJobEvents:
    return SqliteJobEvents(database)


async def write_many(jobs: SqliteJobRepository, count: int = MANY) -> None:
    job = a_job()
    await jobs.add(job, events=[an_event(job, n=str(n)) for n in range(count)])


async def test_a_slow_reader_misses_nothing_that_the_log_still_has(
    jobs: SqliteJobRepository, events: SqliteJobEvents
) -> None:
    async with subscribed(events) as stream:
        await write_many(jobs, 1)
        await take(stream, 1)

        await write_many(jobs)
        numbers = [event.data["n"] for event in await take(stream, 100)]
        await write_many(jobs, 10)
        numbers += [event.data["n"] for event in await take(stream, MANY - 90)]

    assert numbers == [str(n) for n in (*range(MANY), *range(10))]


async def test_a_reader_slower_than_the_log_is_told_so(tmp_path: Path) -> None:
    async with open_database(tmp_path, keep_events=100) as database:
        jobs, events = SqliteJobRepository(database), SqliteJobEvents(database)
        async with subscribed(events) as stream:
            await write_many(jobs, 1)
            await take(stream, 1)

            await write_many(jobs)

            with pytest.raises(UnknownCursor):
                await take(stream, MANY)


async def test_a_subscription_begins_with_the_call_and_not_with_the_first_read(
    jobs: SqliteJobRepository, events: SqliteJobEvents
) -> None:
    await write_many(jobs, 3)
    async with subscribed(events) as stream:
        await write_many(jobs, 2)

        assert [event.data["n"] for event in await take(stream, 2)] == ["0", "1"]


async def test_a_place_in_the_log_outlives_the_process(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        cursor = await SqliteJobEvents(database).cursor()
        await write_many(SqliteJobRepository(database), 3)

    async with open_database(tmp_path) as database:
        found = await told(SqliteJobEvents(database), after=cursor, count=3)

    assert [event.data["n"] for event in found] == ["0", "1", "2"]


async def test_a_place_in_another_folders_log_is_unknown(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a") as database:
        await write_many(SqliteJobRepository(database), 5)
        cursor = await SqliteJobEvents(database).cursor()

    async with open_database(tmp_path / "b") as database:
        await write_many(SqliteJobRepository(database), 10)
        with pytest.raises(UnknownCursor):
            await told(SqliteJobEvents(database), after=cursor, count=1)


async def test_the_log_stays_bounded(tmp_path: Path) -> None:
    async with open_database(tmp_path, keep_events=100) as database:
        for _ in range(5):
            await write_many(SqliteJobRepository(database), 99)
        rows = await database.read(lambda c: c.execute("SELECT count(*), max(seq) FROM events").fetchone())

    assert 100 <= rows[0] < 130
    assert rows[1] == 495


async def test_a_subscription_ends_when_the_database_closes(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path)
    await database.open()
    async with subscribed(SqliteJobEvents(database)) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await SqliteJobRepository(database).state("alpha")

        await database.close()

        with pytest.raises(Unavailable, match="is not open"):
            await waiting


async def test_subscriptions_that_ended_are_forgotten(
    database: SqliteDatabase, jobs: SqliteJobRepository, events: SqliteJobEvents
) -> None:
    job = a_job()
    async with subscribed(events, job_id=job.id) as stream:
        await jobs.add(job, events=[an_event(job)])
        await take(stream, 1)
        assert list(database.subscribers._of_job) == [job.id]

    assert database.subscribers._of_job == {}


async def test_progress_is_forgotten_when_the_job_ends(jobs: SqliteJobRepository, events: SqliteJobEvents) -> None:
    job = await jobs.add(a_job())
    await events.publish(JobProgress(job_id=job.id, fraction=0.5))
    ended = job.cancelled(now=await jobs.now())

    await jobs.save(ended, events=[an_event(ended, EventKind.CANCELLED)])

    assert await events.progress(job.id) is None


async def test_only_so_many_jobs_progress_is_remembered(events: SqliteJobEvents) -> None:
    for n in range(PROGRESS_KEPT + 1):
        await events.publish(JobProgress(job_id=f"{n}", fraction=0.5))

    assert await events.progress("0") is None
    assert await events.progress("1") is not None
