"""Memory, SQLite and Redis keep every promise about keys, requests and spending."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from adapters.redis import RedisJobRepository, RedisKeyRepository, RedisLink, RedisRequestMeter, RedisSpendBook
from adapters.sqlite import SqliteDatabase, SqliteJobRepository, SqliteKeyRepository, SqliteSpendBook
from contracts.keys import Installation, KeyRepositoryContract, RequestMeterContract, SpendBookContract, a_key
from contracts.samples import a_job
from imaging_core.errors import Unavailable
from imaging_core.key_ports import CreditClaim, KeyRepository, RequestMeter, Reservation
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository, MemoryKeyRepository, MemoryRequestMeter
from redis_server import RedisServer, shared_server
from redis_setting import dead_link

__all__ = ["dead_link"]


class TestMemoryKeys(KeyRepositoryContract):
    @pytest.fixture
    def keys(self) -> KeyRepository:
        return MemoryKeyRepository()


class TestMemoryMeter(RequestMeterContract):
    @pytest.fixture
    def meters(self) -> Sequence[RequestMeter]:
        self.time = 1000.0
        return [MemoryRequestMeter(lambda: self.time)]

    async def advance(self, seconds: float) -> None:
        self.time += seconds


class TestMemorySpending(SpendBookContract):
    @pytest.fixture
    def processes(self) -> Sequence[Installation]:
        jobs = MemoryJobRepository(MemoryJobEvents())
        return [(jobs, jobs.spending)]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path)
    await database.open()
    yield database
    await database.close()


class TestSqliteKeys(KeyRepositoryContract):
    @pytest.fixture
    def keys(self, database: SqliteDatabase) -> KeyRepository:
        self.database = database
        return SqliteKeyRepository(database)

    async def reopened(self, keys: KeyRepository) -> KeyRepository:
        await self.database.close()
        await self.database.open()
        return SqliteKeyRepository(self.database)


class TestSqliteSpending(SpendBookContract):
    @pytest.fixture
    def processes(self, database: SqliteDatabase) -> Sequence[Installation]:
        return [(SqliteJobRepository(database), SqliteSpendBook(database))]


@pytest.fixture
async def links(request: pytest.FixtureRequest) -> AsyncIterator[Sequence[RedisLink]]:
    url, prefix = shared_server(request.config).url, f"test-{secrets.token_hex(4)}:"
    links = [RedisLink(url, prefix=prefix) for _ in range(2)]
    yield links
    for link in links:
        await link.aclose()


class TestRedisKeys(KeyRepositoryContract):
    @pytest.fixture
    def keys(self, links: Sequence[RedisLink]) -> KeyRepository:
        self.other = links[1]
        return RedisKeyRepository(links[0])

    async def reopened(self, keys: KeyRepository) -> KeyRepository:
        return RedisKeyRepository(self.other)


class TestRedisMeter(RequestMeterContract):
    @pytest.fixture
    def meters(self, links: Sequence[RedisLink]) -> Sequence[RequestMeter]:
        return [RedisRequestMeter(link) for link in links]

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TestRedisSpending(SpendBookContract):
    @pytest.fixture
    def processes(self, links: Sequence[RedisLink]) -> Sequence[Installation]:
        return [(RedisJobRepository(link), RedisSpendBook(link)) for link in links]


async def test_a_redis_that_is_away_is_said_so(dead_link: RedisLink) -> None:
    keys, meter, book = RedisKeyRepository(dead_link), RedisRequestMeter(dead_link), RedisSpendBook(dead_link)
    key = a_key()
    for call in (
        keys.add(key),
        keys.get(key.id),
        keys.list(),
        keys.revoke(key.id, at=key.created_at),
        keys.secret("links", b"x"),
        keys.notes(),
        meter.take("a", per_minute=1),
        book.settle("j", credits=1.0),
        book.spent(key.created_at.date()),
    ):
        with pytest.raises(Unavailable):
            await call


async def test_who_asks_with_a_key_is_still_told_when_redis_has_no_memory_left() -> None:
    with RedisServer() as server:
        link = RedisLink(server.url)
        keys, meter, key = RedisKeyRepository(link), RedisRequestMeter(link), a_key()
        await keys.add(key)
        secret = await keys.secret("links", b"one")
        server.fill_memory()

        assert await keys.get(key.id) == key
        assert await keys.list() == [key]
        assert await keys.secret("links", b"other") == secret
        assert await meter.take("new", per_minute=1) == 0
        assert await meter.take("new", per_minute=1) > 0
        await link.aclose()


async def test_a_closed_folder_is_said_so(tmp_path: Path) -> None:
    keys, book = SqliteKeyRepository(SqliteDatabase(tmp_path)), SqliteSpendBook(SqliteDatabase(tmp_path))
    for call in (keys.list(), keys.secret("links", b"x"), book.settle("j", credits=1.0)):
        with pytest.raises(Unavailable):
            await call


async def test_what_was_settled_long_ago_is_forgotten_and_what_is_open_is_not(database: SqliteDatabase) -> None:
    jobs, book, today = SqliteJobRepository(database), SqliteSpendBook(database), date(2026, 5, 1)
    old, open_, new = [a_job() for _ in range(3)]
    for job, day in ((old, today - timedelta(days=63)), (open_, today - timedelta(days=63)), (new, today)):
        one = Reservation(job_id=job.id, owner=None, day=day, credits=2.0)
        await jobs.add_all([job], claims=[CreditClaim(reservation=one)])
    await book.settle(old.id, credits=1.0)
    # As the next process does, and each one once a day.
    await SqliteSpendBook(database).settle(new.id, credits=1.0)

    assert [await book.spent(day) for day in (today - timedelta(days=63), today)] == [2.0, 1.0]
