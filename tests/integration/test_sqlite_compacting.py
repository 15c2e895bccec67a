"""A database that is written anew is smaller, and has everything that the old one had."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.sqlite import SqliteJobEvents, SqliteJobRepository, compacting, open_database
from adapters.sqlite.compacting import compact
from contracts.samples import NOON, a_job, a_request
from entrypoints.compact import run_compact
from entrypoints.settings import SettingsError, load_settings
from imaging_core.errors import JobDeleted, Unavailable
from imaging_core.events import EventKind, event_of
from imaging_core.jobs import Job
from imaging_core.ports import JobQuery


async def a_folder_with_room(folder: Path) -> list[Job]:
    """Most of what was in it was deleted; the jobs that are left, newest first."""
    async with open_database(folder) as database:
        repository = SqliteJobRepository(database)
        jobs = [
            await repository.add(a_job(NOON, request=a_request(prompt=f"word{n} " + "a lighthouse " * 200)))
            for n in range(120)
        ]
        for number, job in enumerate(jobs):
            ended = await repository.save(job.cancelled(now=NOON))
            if number >= 20:
                await repository.delete(ended, events=[event_of(ended, EventKind.DELETED, at=NOON)])
        return list((await repository.list(JobQuery())).jobs)


async def test_it_gives_back_what_deletes_freed_and_keeps_everything_else(tmp_path: Path) -> None:
    left = await a_folder_with_room(tmp_path)
    async with open_database(tmp_path) as database:
        cursor = await SqliteJobEvents(database).cursor()
    (tmp_path / "imaging.db.compacting").write_bytes(b"left by a crash")

    before, after = compact(tmp_path)

    assert after < before / 2
    assert (tmp_path / "imaging.db").stat().st_size == after
    assert not (tmp_path / "imaging.db.compacting").exists()
    assert (tmp_path / "imaging.db").stat().st_mode & 0o777 == 0o600
    async with open_database(tmp_path) as database:
        repository = SqliteJobRepository(database)
        assert list((await repository.list(JobQuery())).jobs) == left
        assert len((await repository.list(JobQuery(text="word7"))).jobs) == 1
        assert (await repository.list(JobQuery(text="word77"))).jobs == ()
        assert await SqliteJobEvents(database).cursor() == cursor
        with closing(sqlite3.connect(tmp_path / "imaging.db")) as connection:
            ((gone,), *_) = connection.execute("SELECT id FROM deleted_jobs").fetchall()
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        with pytest.raises(JobDeleted):
            await repository.get(gone)
        added = await repository.add(a_job(NOON, backend="alpha"))
        claimed = await repository.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert claimed is not None
        assert claimed.id == added.id


async def test_the_file_stays_whose_and_what_it_was(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "disk" / "jobs.db"
    await a_folder_with_room(folder)
    elsewhere.parent.mkdir()
    (folder / "imaging.db").rename(elsewhere)
    (folder / "imaging.db").symlink_to(elsewhere)
    # Only root can give files away.
    owner = (12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(elsewhere, *owner)
    elsewhere.chmod(0o660)

    before, after = compact(folder)

    assert after < before / 2
    assert (folder / "imaging.db").readlink() == elsewhere
    found = elsewhere.stat()
    assert (found.st_size, found.st_uid, found.st_gid, found.st_mode & 0o7777) == (after, *owner, 0o660)
    assert [path.name for path in elsewhere.parent.iterdir()] == ["jobs.db"]


async def test_an_owner_that_cannot_be_kept_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, hand_over = await a_folder_with_room(tmp_path), compacting._hand_over

    def to_another(fresh: Path, *, like: os.stat_result) -> None:
        hand_over(fresh, like=os.stat_result((*like[:4], 12345, *like[5:])))

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(compacting, "_hand_over", to_another)
    monkeypatch.setattr(os, "chown", refused)
    with pytest.raises(Unavailable, match=r"belongs to user id 12345 .* Run this as that user or as root"):
        compact(tmp_path)

    assert not (tmp_path / "imaging.db.compacting").exists()
    async with open_database(tmp_path) as database:
        assert list((await SqliteJobRepository(database).list(JobQuery())).jobs) == left


async def test_a_folder_in_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = await a_folder_with_room(tmp_path)
    async with open_database(tmp_path):
        with pytest.raises(Unavailable, match="is in use by process"):
            compact(tmp_path)
    monkeypatch.setattr(compacting, "_BUSY_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "imaging.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        with pytest.raises(Unavailable, match="Another program holds the database"):
            compact(tmp_path)

    async with open_database(tmp_path) as database:
        assert list((await SqliteJobRepository(database).list(JobQuery())).jobs) == left


async def test_the_command_tells_what_it_gave_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await a_folder_with_room(tmp_path)

    assert await run_compact(load_settings({}, data_dir=tmp_path)) == 0

    assert " MB before, 0." in capsys.readouterr().out
    with pytest.raises(SettingsError, match="there are no jobs in"):
        await run_compact(load_settings({}, data_dir=tmp_path / "elsewhere"))
