"""A process says that it lives and how busy the backends are, whatever is away meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from contracts.samples import a_job
from imaging_core import pulse
from imaging_core.errors import Unavailable
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository, MemoryQueueHistory, MemoryWorkerBook
from imaging_core.observing import WorkerSeen, WorkerSign
from imaging_core.pulse import Pulse


class ShyBook(MemoryWorkerBook):
    """Cannot be reached now and then."""

    away = False

    async def beat(self, sign: WorkerSign, *, ttl_s: float) -> None:
        if self.away:
            raise Unavailable("The book is away.")
        await super().beat(sign, ttl_s=ttl_s)

    async def leave(self, name: str) -> None:
        if self.away:
            raise Unavailable("The book is away.")
        await super().leave(name)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT_S", 0.005)
    monkeypatch.setattr(pulse, "NOTE_S", 0.005)


async def until(good: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await good():
                return
            await asyncio.sleep(0.002)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_is_seen_with_its_busy_slots_until_it_ends() -> None:
    jobs, book = MemoryJobRepository(MemoryJobEvents()), ShyBook()
    free = {"alpha": 3, "beta": 1}
    living = asyncio.create_task(Pulse(jobs, book, MemoryQueueHistory()).live("w", "1.2", free, lambda: free))

    async def seen(count: int) -> Sequence[WorkerSeen]:
        await until(lambda: _has(book, count))
        return await book.seen()

    (first,) = await seen(1)
    assert (first.sign.name, first.sign.version) == ("w", "1.2")
    assert (first.sign.slots, first.sign.busy) == ({"alpha": 3, "beta": 1}, {"alpha": 0, "beta": 0})
    free = {"alpha": 1, "beta": 1}

    async def busy() -> bool:
        return (await book.seen())[0].sign.busy == {"alpha": 2, "beta": 0}

    await until(busy)
    assert (await book.seen())[0].sign.started_at == first.sign.started_at
    await stopped(living)
    assert await book.seen() == []


async def _has(book: MemoryWorkerBook, count: int) -> bool:
    return len(await book.seen()) == count


async def test_a_book_that_is_away_is_told_of_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    jobs, book = MemoryJobRepository(MemoryJobEvents()), ShyBook()
    book.away = True
    asked: list[None] = []

    def free() -> dict[str, int]:
        asked.append(None)
        return {"alpha": 1}

    living = asyncio.create_task(Pulse(jobs, book, MemoryQueueHistory()).live("w", "1", {"alpha": 1}, free))

    async def often() -> bool:
        return len(asked) > 5

    await until(often)
    assert [r.levelname for r in caplog.records if "Nobody can be told" in r.message] == ["WARNING"]
    book.away = False
    await until(lambda: _has(book, 1))
    book.away = True
    await stopped(living)


async def test_what_waits_and_runs_is_noted() -> None:
    jobs, history = MemoryJobRepository(MemoryJobEvents()), MemoryQueueHistory()
    for number in range(3):
        await jobs.add(a_job(await jobs.now(), id=f"{number:032x}"))
    await jobs.claim_next("alpha", worker="w", token="t", lease_s=60)
    watching = asyncio.create_task(Pulse(jobs, MemoryWorkerBook(), history).watch(["alpha", "beta"]))

    async def noted() -> bool:
        return bool(await history.minutes("alpha", last=2))

    await until(noted)
    minute = (await history.minutes("alpha", last=2))[-1]
    assert (minute.waiting, minute.started) == (2, 1)
    assert await history.minutes("beta", last=2) == []
    await stopped(watching)
