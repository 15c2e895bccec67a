"""The SQLite repository and its events keep every promise of their ports."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository, SqliteSpendBook
from contracts.job_events import JobEventsContract
from contracts.job_repository import CutOffRepositoryContract, JobRepositoryContract
from contracts.job_setting import RepositorySetting
from contracts.samples import NOON
from imaging_core.key_ports import SpendBook
from imaging_core.ports import JobEvents, JobRepository


class SqliteSetting(RepositorySetting):
    """A database in a folder of its own, under a clock that stands still unless told otherwise."""

    time: datetime
    opened: list[SqliteDatabase]

    @pytest.fixture
    async def database(self, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
        self.time = NOON
        self.opened = []
        yield await self.open_in(tmp_path)
        for database in self.opened:
            await database.close()

    async def open_in(self, folder: Path) -> SqliteDatabase:
        database = SqliteDatabase(folder, clock=lambda: self.time, keep_events=100)
        self.opened.append(database)
        await database.open()
        return database

    @pytest.fixture
    def repository(self, database: SqliteDatabase) -> JobRepository:
        return SqliteJobRepository(database)

    @pytest.fixture
    def book(self, database: SqliteDatabase) -> SpendBook:
        return SqliteSpendBook(database)

    @pytest.fixture
    def events(self, database: SqliteDatabase) -> JobEvents:
        return SqliteJobEvents(database)

    async def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    async def reopened(self, repository: JobRepository) -> JobRepository:
        await self.opened[-1].close()
        return SqliteJobRepository(await self.open_in(self.opened[-1].folder))


class TestSqliteRepository(SqliteSetting, JobRepositoryContract):
    pass


class TestSqliteEvents(SqliteSetting, JobEventsContract):
    forgets_after = 140


class TestClosedSqliteRepository(CutOffRepositoryContract):
    @pytest.fixture
    async def cut_off(self, tmp_path: Path) -> JobRepository:
        database = SqliteDatabase(tmp_path)
        await database.open()
        await database.close()
        return SqliteJobRepository(database)
