"""Submits that share a commit share their statements too, and each is answered as if it were alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobRepository, SqliteSpendBook, open_database
from adapters.sqlite.inserting import Insert
from contracts.job_paying import TODAY, a_claim
from contracts.samples import a_job, a_request, an_event
from imaging_core.errors import IdempotencyMismatch, JobConflict, QueueFull
from imaging_core.jobs import Job
from imaging_core.key_ports import CreditsRefused
from imaging_core.ports import Idempotency, JobQuery, QueueLimits


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path, keep_events=8) as database:
        yield database


@pytest.fixture
def jobs(database: SqliteDatabase) -> SqliteJobRepository:
    return SqliteJobRepository(database)


async def at_once(jobs: SqliteJobRepository, new: Sequence[Job], **options: Any) -> list[Any]:
    """What comes of adding each of them in the same turn of the loop."""
    adds = (jobs.add(job, events=[an_event(job)], **options) for job in new)
    return await asyncio.gather(*adds, return_exceptions=True)


async def claimed(jobs: SqliteJobRepository, times: int) -> list[Job]:
    """The jobs that are claimed next."""
    found = [await jobs.claim_next("alpha", worker="w", token=f"t{n}", lease_s=60) for n in range(times)]
    return [job for job in found if job is not None]


async def test_rows_of_many_submits_are_written_by_few_statements(
    database: SqliteDatabase, jobs: SqliteJobRepository
) -> None:
    new, statements = [a_job(request=a_request(prompt=f"lighthouse {n}")) for n in range(40)], list[str]()
    await database.write(lambda t: t.connection.set_trace_callback(statements.append))

    added = await at_once(jobs, new)

    # As twice sixteen, then eight; and as many as are done at once take their turns together.
    for table, times in (("jobs", 3), ("events", 3), ("turns", 2)):
        assert sum(f"INTO {table} (" in statement for statement in statements) == times
    # The index of words wrote out what it was given once, with the commit.
    assert await database.read(lambda c: c.execute("SELECT count(DISTINCT segid) FROM job_search_idx").fetchone()) == (
        1,
    )
    assert (await jobs.list(JobQuery(text="lighthouse"))).jobs == tuple(reversed(added))
    assert [job.id for job in await claimed(jobs, 41)] == [job.id for job in new]


async def test_events_of_many_submits_are_kept_in_order_and_the_oldest_are_dropped(
    database: SqliteDatabase, jobs: SqliteJobRepository
) -> None:
    new = [a_job() for _ in range(21)]

    await at_once(jobs, new)

    kept = await database.read(lambda c: c.execute("SELECT seq, job_id FROM events ORDER BY seq").fetchall())
    assert kept == list(enumerate((job.id for job in new), start=1))[-8:]
    assert database.last_event == 21


async def test_owners_take_turns_among_jobs_that_were_added_together(jobs: SqliteJobRepository) -> None:
    await at_once(jobs, [a_job(owner=owner) for owner in "aaabbc"])
    await at_once(jobs, [a_job(owner=owner) for owner in "cca"])

    assert "".join(job.owner or "-" for job in await claimed(jobs, 10)) == "abcabcaca"


async def test_no_more_are_taken_together_than_one_by_one(jobs: SqliteJobRepository) -> None:
    mine, limits = [a_job(owner="alice") for _ in range(4)], QueueLimits(max_queued=5, max_queued_per_owner=3)
    others = [a_job(owner=f"bob-{n}") for n in range(4)]

    answers = await at_once(jobs, [*mine, *others], limits=limits)

    assert [getattr(answer, "mine", None) for answer in answers] == [*[None] * 3, True, None, None, False, False]
    assert await claimed(jobs, 1)
    assert [type(answer) for answer in await at_once(jobs, [a_job(), a_job()], limits=limits)] == [Job, QueueFull]


@pytest.mark.parametrize("limit", [{"mine": 9.5}, {"total": 9.5}])
async def test_no_more_credits_are_set_aside_together_than_one_by_one(
    database: SqliteDatabase, jobs: SqliteJobRepository, limit: dict[str, Any]
) -> None:
    new = [a_job(owner="alice") for _ in range(4)]
    adds = (jobs.add_all([job], claims=[a_claim(job, 3.0, **limit)]) for job in new)

    answers = await asyncio.gather(*adds, return_exceptions=True)

    assert [type(answer) for answer in answers] == [tuple, tuple, tuple, CreditsRefused]
    assert await SqliteSpendBook(database).spent(TODAY, owner="alice") == 9.0
    assert len((await jobs.list(JobQuery())).jobs) == 3


async def test_one_key_stands_for_one_job_among_those_that_come_together(jobs: SqliteJobRepository) -> None:
    key = Idempotency(key="k", fingerprint="f")

    first, again, other = await asyncio.gather(
        jobs.add(a_job(), idempotency=key), jobs.add(a_job(), idempotency=key), jobs.add(a_job())
    )

    assert first == again != other
    assert len((await jobs.list(JobQuery())).jobs) == 2
    mixed = [jobs.add(a_job(), idempotency=Idempotency(key="m", fingerprint=f)) for f in "aab"]
    one, same, refused = await asyncio.gather(*mixed, return_exceptions=True)
    assert isinstance(one, Job)
    assert (same, type(refused)) == (one, IdempotencyMismatch)
    (known,) = await at_once(jobs, [a_job()], idempotency=key)
    assert known == first


async def test_an_id_that_two_have_is_given_to_the_first(jobs: SqliteJobRepository) -> None:
    before, twice = a_job(), a_job()
    await jobs.add(before)

    answers = await at_once(jobs, [a_job(), twice, before, twice, a_job()])

    assert [type(answer) for answer in answers] == [Job, Job, JobConflict, JobConflict, Job]
    assert twice.id in str(answers[3])


def test_rows_go_in_by_their_order_whatever_their_number() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE things (place INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
    insert, rows = Insert("things", ("name", "size")), list[tuple[str, int]]()

    for number in range(1, 50):
        more = [(f"thing {number}", n) for n in range(number)]
        rows += more
        assert insert.run(connection, more) == len(rows)

    assert connection.execute("SELECT name, size FROM things ORDER BY place").fetchall() == rows
    connection.close()
