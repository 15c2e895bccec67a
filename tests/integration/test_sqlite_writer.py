"""Operations that share a commit: each counts by itself, although none has a savepoint while all goes well."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository, open_database
from adapters.sqlite.writer import Transaction
from contracts.samples import a_job, a_request, an_event
from imaging_core.errors import JobConflict, QueueFull, Unavailable
from imaging_core.jobs import Job
from imaging_core.ports import JobQuery, QueueLimits


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path) as database:
        yield database


async def in_one_commit(database: SqliteDatabase, *operations: Awaitable[Any]) -> Sequence[Any]:
    """What comes of operations that are asked for in one turn of the loop."""
    commits = await database.read(lambda c: c.execute("PRAGMA data_version").fetchone()[0])
    answers = await asyncio.gather(*operations, return_exceptions=True)
    assert await database.read(lambda c: c.execute("PRAGMA data_version").fetchone()[0]) == commits + 1
    return answers


@pytest.mark.parametrize("error", [JobConflict("no"), sqlite3.IntegrityError("no"), ZeroDivisionError("no")])
async def test_one_that_fails_takes_back_its_own_writes_and_no_others(
    database: SqliteDatabase, error: Exception
) -> None:
    jobs, log = SqliteJobRepository(database), SqliteJobEvents(database)
    made = [attrs.evolve(a_job(), request=a_request(prompt=f"lighthouse {n}")) for n in range(6)]
    times = [0, 0]

    def fail(transaction: Transaction) -> None:
        times[0] += 1
        transaction.touch(made[0].id)
        transaction.connection.execute("INSERT INTO deleted_jobs (id, deleted_at) VALUES ('x', 1)")
        raise error

    def fail_early(_: Transaction) -> None:
        times[1] += 1
        raise error

    cursor = await log.cursor()
    answers = await in_one_commit(
        database,
        *(jobs.add(job, events=[an_event(job)]) for job in made[:3]),
        database.write(fail_early),
        jobs.add(made[3], events=[an_event(made[3])]),
        database.write(fail),
        jobs.add(made[3]),
        *(jobs.add(job, events=[an_event(job)]) for job in made[4:]),
        database.write(fail),
    )

    assert [answer.id for answer in answers if isinstance(answer, Job)] == [job.id for job in made]
    kind = Unavailable if isinstance(error, sqlite3.Error) else type(error)
    refused = [type(answer) for answer in answers if not isinstance(answer, Job)]
    assert refused == [kind, kind, JobConflict, kind]
    assert times == [3, 2], "the first that wrote has everything done again, one by one"
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM deleted_jobs").fetchone()) == (0,)
    listed = await jobs.list(JobQuery(text="lighthouse"))
    assert [job.id for job in listed.jobs] == [job.id for job in reversed(made)]
    assert [await jobs.get(job.id) for job in listed.jobs] == list(listed.jobs)
    events = log.subscribe(after=cursor)
    assert [(await anext(events)).job_id for _ in made] == [job.id for job in made]


async def test_those_that_fail_before_they_write_have_nothing_done_twice(database: SqliteDatabase) -> None:
    jobs = SqliteJobRepository(database)
    job, times = a_job(), [0]

    def count(_: Transaction) -> None:
        times[0] += 1

    answers = await in_one_commit(database, database.write(count), jobs.add(job), jobs.add(job))

    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True]
    assert times == [1]
    assert await jobs.get(job.id) == answers[1]


async def test_what_a_commit_that_failed_had_counted_lets_no_job_too_many_in(database: SqliteDatabase) -> None:
    jobs, limits = SqliteJobRepository(database), QueueLimits(max_queued=2)
    await asyncio.gather(*(jobs.add(a_job(), limits=limits) for _ in range(2)))
    # Looked at when everything is committed, and not before.
    known = "id TEXT REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED"
    await database.write(lambda t: t.connection.execute(f"CREATE TABLE naming ({known})").close())
    times = [0]

    def claim_once(transaction: Transaction) -> None:
        times[0] += 1
        if times[0] > 1:
            raise JobConflict("no")
        transaction.connection.execute("UPDATE jobs SET status = 'started'")

    def spoil(transaction: Transaction) -> None:
        transaction.connection.execute("INSERT INTO naming VALUES ('nobody')")

    answers = await asyncio.gather(
        database.write(claim_once), jobs.add(a_job(), limits=limits), database.write(spoil), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [JobConflict, QueueFull, Unavailable]
    assert times == [2]
