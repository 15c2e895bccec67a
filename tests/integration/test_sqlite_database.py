"""What the SQLite database does besides keeping its ports' promises: opening, locking, failing, keeping, closing."""

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobRepository, job_rows, open_database
from adapters.sqlite.lock import FolderInUse
from adapters.sqlite.writer import Transaction
from contracts.samples import NOON, a_job
from imaging_core.errors import StorageFull, Unavailable, UnreadableJob
from imaging_core.jobs import Job, LeaseReason
from imaging_core.ports import Idempotency, JobQuery
from sqlite_setting import a_folder_with_a_job, names_in

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path) as database:
        yield database


@pytest.fixture
def jobs(database: SqliteDatabase) -> SqliteJobRepository:
    return SqliteJobRepository(database)


@contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the database open, until it is killed."""
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(SOURCE)!r})
from adapters.sqlite import open_database
async def main():
    async with open_database({str(folder)!r}):
        print("open", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        try:
            yield holder
        finally:
            holder.kill()


class TestOpening:
    async def test_nothing_is_touched_before_open(self, tmp_path: Path) -> None:
        threads = threading.enumerate()

        database = SqliteDatabase(tmp_path / "data")

        assert names_in(tmp_path) == []
        assert threading.enumerate() == threads
        await database.close()

    async def test_the_folder_is_made_and_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"

        async with open_database(folder) as database:
            await SqliteJobRepository(database).add(a_job())
            modes = {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())}

        assert modes == {0}

    async def test_threads_end_and_files_close_with_the_database(self, tmp_path: Path) -> None:
        threads, files = threading.active_count(), len(os.listdir("/dev/fd"))  # noqa: PTH208

        async with open_database(tmp_path) as database:
            jobs = SqliteJobRepository(database)
            await jobs.add(a_job())
            assert (await jobs.list(JobQuery())).jobs
            assert {"imaging-sqlite-writer", "imaging-sqlite-reader_0"} <= {t.name for t in threading.enumerate()}
        await database.close()

        assert [t.name for t in threading.enumerate() if t.name.startswith("imaging-sqlite")] == []
        # The loop's own worker thread stays with the loop.
        assert threading.active_count() <= threads + 1
        assert len(os.listdir("/dev/fd")) == files  # noqa: PTH208

    async def test_an_opening_that_is_cancelled_leaves_the_folder_free(self, tmp_path: Path) -> None:
        database = SqliteDatabase(tmp_path)
        opening = asyncio.create_task(database.open())
        await asyncio.sleep(0)

        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        job = await a_folder_with_a_job(tmp_path)
        assert job.version == 1

    async def test_an_opening_that_is_cancelled_twice_leaves_the_folder_free_soon(self, tmp_path: Path) -> None:
        database = SqliteDatabase(tmp_path)
        opening = asyncio.create_task(database.open())
        await asyncio.sleep(0)

        opening.cancel()
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        job = None
        async with asyncio.timeout(10):
            while job is None:
                with suppress(FolderInUse):
                    job = await a_folder_with_a_job(tmp_path)
                await asyncio.sleep(0.01)
        assert job.version == 1

    async def test_closing_answers_everyone_who_waits(self, tmp_path: Path) -> None:
        database = SqliteDatabase(tmp_path)
        await database.open()
        jobs = SqliteJobRepository(database)
        adding = [asyncio.create_task(jobs.add(a_job())) for _ in range(50)]
        await asyncio.sleep(0)

        await database.close()
        added = [job.id for job in await asyncio.gather(*adding)]

        with pytest.raises(Unavailable, match="is not open"):
            await jobs.add(a_job())
        async with open_database(tmp_path) as again:
            page = await SqliteJobRepository(again).list(JobQuery(limit=100))
            assert sorted(job.id for job in page.jobs) == sorted(added)

    async def test_a_folder_that_cannot_be_written_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "no")

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse)
            with pytest.raises(Unavailable) as refused:
                await SqliteDatabase(tmp_path).open()

        assert str(refused.value) == (
            f"The data folder {tmp_path} cannot be used (Permission denied). Make it a folder that user id "
            f"{os.geteuid()} may write to, or choose another one."
        )

    async def test_a_folder_below_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(Unavailable, match=r"data folder .*/file/data cannot be used \(Not a directory\)"):
            await SqliteDatabase(tmp_path / "file" / "data").open()

    async def test_a_file_that_is_no_database_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "imaging.db").write_bytes(b"not a database" * 1000)

        with pytest.raises(Unavailable, match="is damaged or no database"):
            await SqliteDatabase(tmp_path).open()

        assert (tmp_path / "imaging.db").read_bytes() == b"not a database" * 1000


class TestLocking:
    async def test_a_folder_in_use_says_by_whom(self, tmp_path: Path) -> None:
        async with open_database(tmp_path):
            with pytest.raises(Unavailable) as refused:
                await SqliteDatabase(tmp_path).open()

        assert f"The data folder {tmp_path} is in use by process {os.getpid()} on host" in str(refused.value)
        assert "Stop that one first" in str(refused.value)

    async def test_a_folder_that_was_let_go_can_be_opened(self, tmp_path: Path) -> None:
        job = await a_folder_with_a_job(tmp_path)

        async with open_database(tmp_path) as database:
            assert await SqliteJobRepository(database).get(job.id) == job

    async def test_the_lock_goes_with_its_process_however_it_ends(self, tmp_path: Path) -> None:
        with (
            held_by_another_process(tmp_path) as holder,
            pytest.raises(Unavailable, match=f"in use by process {holder.pid} on host"),
        ):
            await SqliteDatabase(tmp_path).open()

        job = await a_folder_with_a_job(tmp_path)
        assert job.version == 1


class TestFailing:
    async def test_a_full_disk_refuses_new_jobs_and_keeps_the_old_ones(
        self, database: SqliteDatabase, jobs: SqliteJobRepository
    ) -> None:
        def allow_pages(more: int) -> int:
            return database.folder.joinpath("imaging.db").stat().st_size // 4096 + more

        await database.write(lambda t: t.connection.execute(f"PRAGMA max_page_count = {allow_pages(60)}").fetchone())
        kept: list[Job] = []

        async def add_until_full() -> None:
            while len(kept) < 500:
                kept.extend(await asyncio.gather(*(jobs.add(a_job()) for _ in range(10))))

        with pytest.raises(StorageFull, match=f"disk that holds {database.folder} is full"):
            await add_until_full()

        stored = (await jobs.list(JobQuery(limit=1000))).jobs
        assert {job.id for job in kept} <= {job.id for job in stored}
        assert len(kept) >= 10
        await database.write(lambda t: t.connection.execute("PRAGMA max_page_count = 100000").fetchone())
        again = await jobs.add(a_job())
        assert await jobs.get(again.id) == again

    async def test_a_database_locked_by_a_stranger_is_unavailable_until_it_is_let_go(
        self, database: SqliteDatabase, jobs: SqliteJobRepository
    ) -> None:
        await database.write(lambda t: t.connection.execute("PRAGMA busy_timeout = 1").fetchone())
        with closing(sqlite3.connect(database.folder / "imaging.db", isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="Another program holds the database"):
                await jobs.add(a_job())
            stranger.execute("ROLLBACK")

        assert (await jobs.add(a_job())).version == 1

    async def test_a_failing_operation_changes_nothing_and_says_what_failed(
        self, database: SqliteDatabase, jobs: SqliteJobRepository
    ) -> None:
        def add_and_fail(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO deleted_jobs (id, deleted_at) VALUES ('x', 1)")
            connection.execute("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(Unavailable, match="no such table: nowhere"):
            await database.write(lambda t: add_and_fail(t.connection))

        assert await database.read(lambda c: c.execute("SELECT count(*) FROM deleted_jobs").fetchone()) == (0,)
        assert (await jobs.add(a_job())).version == 1


class TestRemembering:
    async def test_what_is_remembered_of_a_write_is_what_a_read_would_tell(
        self, database: SqliteDatabase, jobs: SqliteJobRepository
    ) -> None:
        async def told(job_id: str) -> Job:
            return await database.read(lambda connection: job_rows.existing(connection, job_id))

        job = await jobs.add(a_job())
        assert database.recent.get(job.id) == job == await told(job.id)
        claimed = await jobs.claim_next(job.backend, worker="w", token="t", lease_s=30)
        assert claimed is not None
        assert database.recent.get(job.id) == claimed == await told(job.id)
        saved = await jobs.save(claimed.intending(0, "task"), token="t")
        assert database.recent.get(job.id) == saved == await told(job.id)

        # A heartbeat moves the lease, and says nothing of the rest, also in one commit with a write that does.
        await asyncio.gather(jobs.save(saved, token="t"), jobs.beat(job.id, token="t", lease_s=60))
        assert database.recent.get(job.id) is None
        assert await jobs.get(job.id) == await told(job.id)


class TestClock:
    async def test_the_wall_clock_is_what_leases_are_judged_by(self, jobs: SqliteJobRepository) -> None:
        assert abs(await jobs.now() - datetime.now(UTC)) < timedelta(seconds=60)


class TestKeeping:
    async def test_a_job_of_a_newer_version_is_told_of_but_never_claimed(
        self, database: SqliteDatabase, jobs: SqliteJobRepository
    ) -> None:
        newer, ours = await jobs.add(a_job(max_wait_s=0.0)), await jobs.add(a_job())

        def upgrade(transaction: Transaction) -> None:
            transaction.touch(newer.id)
            update = "UPDATE jobs SET schema = 99, record = json_set(record, '$.schema', 99) WHERE id = ?"
            transaction.connection.execute(update, (newer.id,))

        await database.write(upgrade)

        with pytest.raises(UnreadableJob, match="schema 99"):
            await jobs.get(newer.id)
        assert [job.id for job in (await jobs.list(JobQuery())).jobs] == [ours.id]
        assert await jobs.overdue() == []
        claimed = [await jobs.claim_next("alpha", worker="w", token=f"{n}", lease_s=60) for n in range(2)]
        assert [job and job.id for job in claimed] == [ours.id, None]

    async def test_a_deleted_job_leaves_no_word_behind(
        self, jobs: SqliteJobRepository, database: SqliteDatabase
    ) -> None:
        job = await jobs.add(a_job())
        await jobs.delete(await jobs.save(job.cancel(now=await jobs.now())))

        await database.write(lambda t: t.connection.execute("INSERT INTO job_search (job_search) VALUES ('optimize')"))
        # Rows 1 and 10 are how many there are and where; each other one would be of words.
        words = "SELECT count(*) FROM job_search_data WHERE id > 10"
        assert await database.read(lambda c: c.execute(words).fetchone()) == (0,)

    async def test_released_leases_are_claimable_at_once_and_parked_jobs_are_not(
        self, jobs: SqliteJobRepository
    ) -> None:
        running, parked = await jobs.add(a_job()), await jobs.add(a_job())
        await jobs.claim_next("alpha", worker="dead", token="1", lease_s=3600)
        started = await jobs.claim_next("alpha", worker="dead", token="2", lease_s=3600)
        assert started is not None
        assert started.id == parked.id
        now = await jobs.now()
        await jobs.save(started.parked_until(now + timedelta(hours=1), LeaseReason.RETRY, now=now))

        assert await jobs.release_leases() == 1

        taken = await jobs.claim_next("alpha", worker="new", token="t", lease_s=60)
        assert taken is not None
        assert (taken.id, taken.attempt, taken.crashes) == (running.id, 2, 1)
        assert await jobs.claim_next("alpha", worker="new", token="u", lease_s=60) is None

    async def test_keys_that_ran_out_are_not_kept(self, tmp_path: Path) -> None:
        time = [NOON]
        async with open_database(tmp_path, clock=lambda: time[0]) as database:
            jobs = SqliteJobRepository(database)
            for n in range(10):
                await jobs.add(a_job(), idempotency=Idempotency(key=f"{n}\ud800", fingerprint="f", ttl_s=60))
            time[0] += timedelta(seconds=61)

            await jobs.add(a_job(), idempotency=Idempotency(key="new", fingerprint="f"))

            assert await database.read(lambda c: c.execute("SELECT count(*) FROM idempotency").fetchone()) == (1,)
