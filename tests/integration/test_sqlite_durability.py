"""What the SQLite adapter acknowledges is on the disk, and one commit acknowledges many."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository, job_pages, open_database, writer
from contracts.listening import subscribed, take
from contracts.samples import NOON, a_job, a_request, an_event
from imaging_core.errors import JobConflict
from imaging_core.jobs import Job
from imaging_core.ports import Idempotency, JobQuery
from imaging_core.searching import grams

ROOT = Path(__file__).parents[2]

#: Adds jobs from 20 coroutines at once and says each id once its add has returned.
ADDER = f"""
import asyncio, sys
sys.path[:0] = [{str(ROOT / "src")!r}, {str(ROOT / "tests")!r}]
from adapters.sqlite import SqliteJobRepository, open_database
from contracts.samples import a_job, an_event
from imaging_core.ports import Idempotency

async def add(jobs):
    while True:
        job = a_job(await jobs.now())
        key = Idempotency(key=job.id, fingerprint="f")
        await jobs.add(job, events=[an_event(job)], idempotency=key)
        print(job.id, flush=True)

async def main():
    async with open_database(sys.argv[1]) as database:
        await asyncio.gather(*(add(SqliteJobRepository(database)) for _ in range(20)))

asyncio.run(main())
"""


def killed_after(lines: int, folder: Path) -> list[str]:
    """What an adder said before it was killed with SIGKILL in the middle of its work."""
    with subprocess.Popen([sys.executable, "-c", ADDER, str(folder)], stdout=subprocess.PIPE, text=True) as adder:
        assert adder.stdout is not None
        said = [adder.stdout.readline().strip() for _ in range(lines)]
        adder.kill()
        rest = adder.stdout.read().splitlines(keepends=True)
    return said + [line.strip() for line in rest if line.endswith("\n")]


async def held_up(database: SqliteDatabase, work: Callable[[], list["asyncio.Task[Job]"]]) -> list[Job | BaseException]:
    """What the tasks give whose operations all wait for the writer at one time."""
    begun, go_on = threading.Event(), threading.Event()

    def block(_: object) -> None:
        begun.set()
        assert go_on.wait(10)

    blocking = asyncio.create_task(database.write(block))
    await asyncio.to_thread(begun.wait, 10)
    tasks = work()
    # A step of the loop for every task to ask for its operation, and one for all of them to be handed over.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go_on.set()
    await blocking
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_folders_that_lead_to_a_new_database_are_on_the_disk_before_it_takes_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fsync, list[int]()

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    place = tmp_path / "srv" / "imaging"

    async with open_database(place):
        assert {where.stat().st_ino for where in (tmp_path, place.parent)} <= set(synced)
        assert place.stat().st_mode & 0o777 == 0o700
    synced.clear()
    async with open_database(place):
        assert synced == []


@pytest.mark.parametrize("lines", [1, 300])
async def test_every_acknowledged_add_survives_a_kill(tmp_path: Path, lines: int) -> None:
    acknowledged = await asyncio.to_thread(killed_after, lines, tmp_path)

    async with open_database(tmp_path) as database:
        jobs, events = SqliteJobRepository(database), SqliteJobEvents(database)
        assert len(acknowledged) >= lines
        stored = {job.id for job in (await jobs.list(JobQuery(limit=10**6))).jobs}
        assert set(acknowledged) <= stored
        # All or nothing: a job is there with its event and its key, or not at all.
        start = f"{(await events.cursor()).partition('-')[0]}-0"
        async with subscribed(events, after=start) as stream:
            assert {event.job_id for event in await take(stream, len(stored))} == stored
        keys = await database.read(lambda c: c.execute("SELECT job_id FROM idempotency").fetchall())
        assert {job_id for (job_id,) in keys} == stored
        assert await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]


async def test_operations_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        jobs, statements = SqliteJobRepository(database), list[str]()
        await database.write(lambda t: t.connection.set_trace_callback(statements.append))

        added = await held_up(database, lambda: [asyncio.create_task(jobs.add(a_job())) for _ in range(100)])

        assert all(isinstance(job, Job) for job in added)
        # The one that traces, and the one that blocks with the hundred that came meanwhile.
        assert statements.count("COMMIT") == 2
        assert len((await jobs.list(JobQuery(limit=1000))).jobs) == 100


async def test_a_commit_that_takes_long_does_not_wait_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(tmp_path) as database:
        jobs, statements = SqliteJobRepository(database), list[str]()
        await database.write(lambda t: t.connection.set_trace_callback(statements.append))
        # However short an operation is, it has taken so long, and none is done at once with another.
        monkeypatch.setattr(writer, "MOST_S", 0)
        monkeypatch.setattr(writer, "MOST_ALIKE", 1)

        added = await held_up(database, lambda: [asyncio.create_task(jobs.add(a_job())) for _ in range(4)])

        assert all(isinstance(job, Job) for job in added)
        assert statements.count("COMMIT") == 2 + 4
        assert (await jobs.list(JobQuery())).jobs == tuple(reversed(added))


async def test_what_a_long_prompt_is_found_by_is_worked_out_in_no_thread_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def noting(prompt: str) -> set[str]:
        threads.append(threading.current_thread().name)
        return grams(prompt)

    monkeypatch.setattr(job_pages, "grams", noting)
    async with open_database(tmp_path) as database:
        jobs = SqliteJobRepository(database)
        for length in (10, 9_000):
            prompt = "".join(chr(0x4E00 + place) for place in range(length))
            job = await jobs.add(a_job(request=a_request(prompt=prompt)))
            assert (await jobs.list(JobQuery(text=prompt[3:8]))).jobs == (job,)
            await jobs.delete(await jobs.save(job.cancelled(now=NOON)))
            assert (await jobs.list(JobQuery(text=prompt[3:8]))).jobs == ()
        # Nothing of them is left behind.
        found = await database.read(lambda c: c.execute("SELECT rowid FROM job_search('g*')").fetchall())
        assert found == []

    assert len(threads) == 4
    assert threads[:2] == [threading.main_thread().name] * 2
    assert not any(name == threading.main_thread().name or "sqlite" in name for name in threads[2:])


async def test_a_refused_operation_takes_none_of_its_commit_with_it(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        jobs, events = SqliteJobRepository(database), SqliteJobEvents(database)
        there = await jobs.add(a_job())
        cursor = await events.cursor()
        new = [a_job() for _ in range(4)]
        twice = attrs.evolve(there, version=0)
        key = Idempotency(key="k", fingerprint="f")

        added = await held_up(
            database,
            lambda: [
                asyncio.create_task(jobs.add(job, events=[an_event(job)], idempotency=key if job is twice else None))
                for job in (*new[:2], twice, *new[2:])
            ],
        )

        assert [type(answer) for answer in added] == [Job, Job, JobConflict, Job, Job]
        async with subscribed(events, after=cursor) as stream:
            assert [event.job_id for event in await take(stream, 4)] == [job.id for job in new]
        assert await jobs.add(a_job(), idempotency=key) != there


async def test_a_caller_that_gave_up_before_its_turn_changes_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        jobs = SqliteJobRepository(database)

        def add_and_give_up() -> list["asyncio.Task[Job]"]:
            tasks = [asyncio.create_task(jobs.add(a_job())) for _ in range(2)]
            asyncio.get_running_loop().call_soon(tasks[0].cancel)
            return tasks

        first, second = await held_up(database, add_and_give_up)

        assert isinstance(first, asyncio.CancelledError)
        assert isinstance(second, Job)
        assert (await jobs.list(JobQuery())).jobs == (second,)
