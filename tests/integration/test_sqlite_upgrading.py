"""Databases of other versions: older ones are copied and upgraded, newer ones refused."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobRepository, job_rows, open_database
from adapters.sqlite import database as database_module
from adapters.sqlite.schema import MIGRATIONS, migrate
from contracts.samples import NOON, a_job
from imaging_core.errors import Unavailable
from imaging_core.ports import JobQuery, Preference
from sqlite_setting import a_folder_with_a_job, names_in


def upgraded_by(monkeypatch: pytest.MonkeyPatch, *migrations: str) -> None:
    """Make this program one version newer for each migration."""
    monkeypatch.setattr(database_module, "migrate", partial(migrate, migrations=(*MIGRATIONS, *migrations)))


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return version


async def test_an_older_database_is_copied_and_then_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await a_folder_with_a_job(tmp_path)
    upgraded_by(monkeypatch, "ALTER TABLE jobs ADD COLUMN mood TEXT;", "CREATE INDEX moods ON jobs (mood);")

    async with open_database(tmp_path) as database:
        assert await SqliteJobRepository(database).get(job.id) == job
        moods = await database.read(lambda c: c.execute("SELECT mood FROM jobs").fetchall())

    assert moods == [(None,)]
    assert version_of(tmp_path / "imaging.db") == len(MIGRATIONS) + 2
    copy = tmp_path / f"imaging.db.v{len(MIGRATIONS)}.bak"
    assert version_of(copy) == len(MIGRATIONS)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [(job.id,)]
    assert names_in(tmp_path) == ["imaging.db", copy.name, "imaging.lock"]


async def test_jobs_from_before_there_was_a_search_are_found_by_it_and_claimed_by_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "imaging.db", isolation_level=None)) as connection:
        migrate(connection, Path("unused"), MIGRATIONS[:8])
        old = {**job_rows.columns(a_job(owner="alice"), NOON), "turn": 0}
        del old["checkpoint"], old["movable"]
        names = ", ".join(old), ", ".join(f":{name}" for name in old)
        connection.execute("INSERT INTO jobs ({}) VALUES ({})".format(*names), old)  # noqa: S608

    async with open_database(tmp_path) as database:
        jobs = SqliteJobRepository(database)
        page = await jobs.list(JobQuery(text="ночь LIGHT", owner="alice", checkpoint="tiny"))
        other = Preference(only=frozenset({"other"}))
        assert await jobs.claim_next("alpha", worker="w", token="t", lease_s=9, preference=other) is None

    assert [job.id for job in page.jobs] == [old["id"]]
    assert "imaging.db.v8.bak" in names_in(tmp_path)


def test_a_sqlite_that_cannot_search_is_refused() -> None:
    class Bare(sqlite3.Connection):
        """As one built without FTS5."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("'fts5'", "'none'"), *values)

    with (
        closing(sqlite3.connect(":memory:", isolation_level=None, factory=Bare)) as connection,
        pytest.raises(Unavailable, match="without FTS5"),
    ):
        migrate(connection, Path("unused"))


async def test_a_database_that_is_up_to_date_is_not_copied(tmp_path: Path) -> None:
    await a_folder_with_a_job(tmp_path)
    await a_folder_with_a_job(tmp_path)

    assert names_in(tmp_path) == ["imaging.db", "imaging.lock"]


async def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await a_folder_with_a_job(tmp_path)
    with monkeypatch.context() as patch:
        upgraded_by(patch, "DELETE FROM jobs; INSERT INTO nowhere VALUES (1);")
        with pytest.raises(Unavailable, match="no such table: nowhere"):
            await SqliteDatabase(tmp_path).open()

    async with open_database(tmp_path) as database:
        assert await SqliteJobRepository(database).get(job.id) == job


async def test_a_newer_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        upgraded_by(patch, "CREATE TABLE future (x);")
        await a_folder_with_a_job(tmp_path)

    with pytest.raises(Unavailable, match=r"imaging\.db was written by a newer version .* Upgrade this one"):
        await SqliteDatabase(tmp_path).open()
