"""Memory, SQLite and Redis keep every promise about workers seen and about how busy backends were."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from adapters.redis import RedisLink, RedisQueueHistory, RedisWorkerBook
from adapters.sqlite import SqliteDatabase, SqliteQueueHistory
from contracts.observing import LongHistoryContract, QueueHistoryContract, WorkerBookContract, a_sign
from contracts.samples import NOON
from imaging_core.errors import Unavailable
from imaging_core.memory import MemoryQueueHistory, MemoryWorkerBook
from imaging_core.observing import KEPT_MINUTES, QueueHistory, WorkerBook
from redis_server import shared_server
from redis_setting import dead_link

__all__ = ["dead_link"]


class Moving:
    """A clock that stands still until told."""

    time: datetime

    async def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class TestMemoryWorkers(Moving, WorkerBookContract):
    @pytest.fixture
    def books(self) -> list[WorkerBook]:
        self.time = NOON
        return [MemoryWorkerBook(lambda: self.time)]


class TestMemoryHistory(Moving, LongHistoryContract):
    @pytest.fixture
    def histories(self) -> list[QueueHistory]:
        self.time = NOON
        return [MemoryQueueHistory(lambda: self.time)]


class TestSqliteHistory(Moving, LongHistoryContract):
    @pytest.fixture
    async def histories(self, tmp_path: Path) -> AsyncIterator[list[QueueHistory]]:
        self.time = NOON
        self.database = SqliteDatabase(tmp_path, clock=lambda: self.time)
        await self.database.open()
        yield [SqliteQueueHistory(self.database)]
        await self.database.close()

    async def reopened(self, history: QueueHistory) -> QueueHistory:
        await self.database.close()
        await self.database.open()
        return SqliteQueueHistory(self.database)


@pytest.fixture
async def links(request: pytest.FixtureRequest) -> AsyncIterator[list[RedisLink]]:
    """Two processes of one installation."""
    url, prefix = shared_server(request.config).url, f"test-{secrets.token_hex(4)}:"
    links = [RedisLink(url, prefix=prefix) for _ in range(2)]
    yield links
    for link in links:
        await link.aclose()


class Waiting:
    """A clock that nobody can hurry."""

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TestRedisWorkers(Waiting, WorkerBookContract):
    tick_s: ClassVar[float] = 0.3

    @pytest.fixture
    def books(self, links: list[RedisLink]) -> list[WorkerBook]:
        return [RedisWorkerBook(link) for link in links]


class TestRedisHistory(Waiting, QueueHistoryContract):
    minute_s: ClassVar[float] = 0.25

    @pytest.fixture
    def histories(self, links: list[RedisLink]) -> list[QueueHistory]:
        return [RedisQueueHistory(link, minute_s=self.minute_s) for link in links]

    async def test_4_nothing_old_is_kept(self, links: list[RedisLink]) -> None:
        history, key = RedisQueueHistory(links[0]), links[0].key("history", "alpha")
        now = int((await links[0].clock.now()).timestamp()) // 60
        for age in (KEPT_MINUTES + 5, KEPT_MINUTES - 5):
            await links[0].command("HSET", key, str(now - age), "1 1 0")

        await history.note("alpha", waiting=2, started=0, longest_wait_s=0)

        assert len(await history.minutes("alpha", last=10**6)) == 2
        assert await links[0].command("HLEN", key) == 2
        assert await links[0].command("PTTL", key) > 0


async def test_a_redis_that_is_away_says_so(dead_link: RedisLink) -> None:
    book, history = RedisWorkerBook(dead_link), RedisQueueHistory(dead_link)
    for use in (
        lambda: book.beat(a_sign(), ttl_s=1),
        book.seen,
        lambda: book.leave("a"),
        lambda: history.note("a", waiting=1, started=0, longest_wait_s=0),
        lambda: history.minutes("a", last=1),
    ):
        with pytest.raises(Unavailable):
            await use()
