"""Whatever step a worker dies or freezes at, the job ends once, its pictures are whole, and nobody pays for nothing.

Every plan there is, not a sample: over the memory adapters all plans of three crashes, over SQLite and pictures in a
directory those of two, over Redis, whose clock cannot be set forward, those of one.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapters.directory import DirectoryImageStore
from adapters.directory.draft import NamelessDraft
from adapters.redis import RedisJobRepository, RedisLink
from adapters.sqlite import SqliteDatabase, SqliteJobRepository, open_database
from crash_plans import every_cancel, every_crash, every_move, every_zombie
from crash_worker import ACTING, LEASE_S, Clock, MemoryStage, Stage
from imaging_core.ports import ImageStore, JobRepository
from redis_server import shared_server

#: Thousands of plans over lines that other tests cover: measuring them would take longer than the plans.
pytestmark = pytest.mark.no_cover

BOTH = pytest.mark.parametrize("paid", [True, False], ids=["paid", "free"])
THREE_KINDS = pytest.mark.parametrize(
    ("pictures", "paid"), [(1, True), (1, False), (2, True)], ids=["paid", "free", "two-paid"]
)
ONE_AND_TWO = pytest.mark.parametrize("pictures", [1, 2])


class SqliteStage:
    """The adapters of the one-process mode: a database and a directory."""

    lease_s = LEASE_S

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._clock = clock
        self.reader: JobRepository = SqliteJobRepository(database)
        self.store: ImageStore = DirectoryImageStore(database.folder / "pictures", reserve_bytes=0)

    def worker_jobs(self) -> JobRepository:
        return self.reader

    async def outlast(self) -> None:
        self._clock.outlast()


class RedisStage:
    """Redis and a directory that several hosts share; each worker has a client of its own."""

    lease_s = 0.01

    def __init__(self, link: RedisLink, folder: Path) -> None:
        self._link = link
        self.reader: JobRepository = RedisJobRepository(link)
        self.store: ImageStore = DirectoryImageStore(folder, reserve_bytes=0)

    def worker_jobs(self) -> JobRepository:
        return RedisJobRepository(self._link)

    async def outlast(self) -> None:
        # Redis judges leases by its own clock: there is no way but to let this little time pass.
        await asyncio.sleep(2 * self.lease_s)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    async with open_database(tmp_path, clock=clock) as database:
        yield SqliteStage(database, clock)


@pytest.fixture
async def redis(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    link = RedisLink(shared_server(request.config).url, prefix=f"plans-{secrets.token_hex(4)}:")
    yield RedisStage(link, tmp_path)
    await link.aclose()


@pytest.fixture
def steps_of_a_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may die between a picture's getting its name and its record's."""
    for name in ("replace", "publish"):
        monkeypatch.setattr(NamelessDraft, name, _stepping(name, getattr(NamelessDraft, name)))


def _stepping(name: str, real: Callable[..., object]) -> Callable[..., object]:
    def stepping(*args: object) -> object:
        worker = ACTING.get()
        if worker is not None:
            worker.point_in_thread(f"before {name}")
        return real(*args)

    return stepping


# --- memory ----------------------------------------------------------------------------------------------


async def test_every_three_crashes_over_memory() -> None:
    assert await every_crash(MemoryStage(), pictures=1, paid=True, depth=3) > 2500


async def test_every_three_crashes_of_a_free_job_over_memory() -> None:
    assert await every_crash(MemoryStage(), pictures=1, paid=False, depth=3, thin=True) > 500


@BOTH
async def test_every_two_crashes_of_a_job_of_two_pictures_over_memory(paid: bool) -> None:
    assert await every_crash(MemoryStage(), pictures=2, paid=paid, depth=2, thin=not paid) > 150


@THREE_KINDS
async def test_every_cancel_over_memory(pictures: int, paid: bool) -> None:
    assert await every_cancel(MemoryStage(), pictures=pictures, paid=paid) > 350


@THREE_KINDS
async def test_every_zombie_over_memory(pictures: int, paid: bool) -> None:
    assert await every_zombie(MemoryStage(), pictures=pictures, paid=paid) > 250


@THREE_KINDS
async def test_every_move_over_memory(pictures: int, paid: bool) -> None:
    assert await every_move(MemoryStage(), pictures=pictures, paid=paid) > 60


@BOTH
async def test_every_zombie_of_a_job_that_was_moved_over_memory(paid: bool) -> None:
    assert await every_zombie(MemoryStage(), pictures=1, paid=paid, moved=True) > 100


# --- SQLite and a directory ------------------------------------------------------------------------------


@THREE_KINDS
@pytest.mark.usefixtures("steps_of_a_put")
async def test_every_crash_over_sqlite(sqlite: Stage, pictures: int, paid: bool) -> None:
    assert await every_crash(sqlite, pictures=pictures, paid=paid, depth=1) > 16 * pictures


@pytest.mark.usefixtures("steps_of_a_put")
async def test_every_two_crashes_over_sqlite(sqlite: Stage) -> None:
    assert await every_crash(sqlite, pictures=1, paid=True, depth=2, thin=True) > 80


@ONE_AND_TWO
async def test_every_zombie_over_sqlite(sqlite: Stage, pictures: int) -> None:
    assert await every_zombie(sqlite, pictures=pictures, paid=True, late=True) > 13 * pictures


async def test_every_move_over_sqlite(sqlite: Stage) -> None:
    assert await every_move(sqlite, pictures=1, paid=True, at_once=True) > 8


async def test_every_zombie_of_a_job_that_was_moved_over_sqlite(sqlite: Stage) -> None:
    assert await every_zombie(sqlite, pictures=1, paid=True, late=True, moved=True) > 13


# --- Redis and a directory -------------------------------------------------------------------------------


@ONE_AND_TWO
async def test_every_crash_over_redis(redis: Stage, pictures: int) -> None:
    assert await every_crash(redis, pictures=pictures, paid=True, depth=1) > 13 * pictures


@ONE_AND_TWO
async def test_every_zombie_over_redis(redis: Stage, pictures: int) -> None:
    assert await every_zombie(redis, pictures=pictures, paid=True, late=True) > 13 * pictures


async def test_every_move_over_redis(redis: Stage) -> None:
    assert await every_move(redis, pictures=1, paid=True, at_once=True) > 8


async def test_every_zombie_of_a_job_that_was_moved_over_redis(redis: Stage) -> None:
    assert await every_zombie(redis, pictures=1, paid=True, late=True, moved=True) > 13
