"""The contracts of `WorkerBook` and `QueueHistory`: classes that an adapter's tests subclass.

May import pytest and the core; knows no adapter.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

import pytest

from contracts.samples import NOON
from imaging_core.observing import KEPT_MINUTES, QueueHistory, QueueMinute, WorkerBook, WorkerSign


def a_sign(name: str = "host-1", **changes: object) -> WorkerSign:
    """What a worker may say."""
    facts = {"slots": {"local": 1, "stability": 64}, "busy": {"local": 1, "stability": 0}, "version": "9.9.9"}
    return WorkerSign(name=name, **{**facts, "started_at": NOON, **changes})  # type: ignore[arg-type]


class WorkerBookContract:
    """Every promise of `WorkerBook`. Supply `books`, all of the same workers, and `advance`."""

    #: The unit of time, in s. Where `advance` really waits, half a second is enough.
    tick_s: ClassVar[float] = 10.0

    @pytest.fixture
    def books(self) -> list[WorkerBook]:
        raise NotImplementedError("supply the books to try")

    async def advance(self, seconds: float) -> None:
        raise NotImplementedError("supply the passing of time")

    async def test_1_what_a_worker_says_last_counts(self, books: list[WorkerBook]) -> None:
        await books[0].beat(a_sign(busy={"local": 0, "stability": 3}), ttl_s=9 * self.tick_s)
        await books[-1].beat(a_sign(), ttl_s=9 * self.tick_s)

        assert [seen.sign for seen in await books[0].seen()] == [a_sign()]

    async def test_2_workers_are_seen_by_name_for_as_long_as_they_said(self, books: list[WorkerBook]) -> None:
        assert await books[0].seen() == []
        await books[0].beat(a_sign("b"), ttl_s=2 * self.tick_s)
        await books[0].beat(a_sign("c"), ttl_s=9 * self.tick_s)
        await books[-1].beat(a_sign("a"), ttl_s=9 * self.tick_s)
        first = {seen.sign.name: seen.seen_at for seen in await books[-1].seen()}
        assert list(first) == ["a", "b", "c"]

        await self.advance(self.tick_s)
        await books[0].beat(a_sign("c"), ttl_s=9 * self.tick_s)
        await self.advance(1.5 * self.tick_s)

        later = {seen.sign.name: seen.seen_at for seen in await books[-1].seen()}
        assert list(later) == ["a", "c"]
        assert later["a"] == first["a"]
        assert later["c"] - first["c"] >= timedelta(seconds=0.9 * self.tick_s)

    async def test_3_one_that_leaves_is_forgotten_at_once(self, books: list[WorkerBook]) -> None:
        await books[0].beat(a_sign("a"), ttl_s=9 * self.tick_s)
        await books[0].beat(a_sign("b"), ttl_s=9 * self.tick_s)

        await books[-1].leave("a")
        await books[-1].leave("nobody")

        assert [seen.sign.name for seen in await books[0].seen()] == ["b"]


class QueueHistoryContract:
    """Every promise of `QueueHistory`. Supply `histories`, all of the same backends, and `advance`."""

    #: How long a minute is, in s.
    minute_s: ClassVar[float] = 60.0

    @pytest.fixture
    def histories(self) -> list[QueueHistory]:
        raise NotImplementedError("supply the histories to try")

    async def advance(self, seconds: float) -> None:
        raise NotImplementedError("supply the passing of time")

    async def reopened(self, history: QueueHistory) -> QueueHistory:
        """The history as another process finds it, where it outlives one."""
        return history

    async def note(self, history: QueueHistory, waiting: int, started: int = 1, wait_s: float = 0.0) -> None:
        await history.note("alpha", waiting=waiting, started=started, longest_wait_s=wait_s)

    async def test_1_of_a_minute_the_most_of_each_figure_is_kept(self, histories: list[QueueHistory]) -> None:
        found: Sequence[QueueMinute] = ()
        for attempt in range(9):
            # Where time really passes, the notes may fall into two minutes.
            name = f"alpha-{attempt}"
            await histories[0].note(name, waiting=3, started=1, longest_wait_s=1.25)
            await histories[-1].note(name, waiting=2, started=4, longest_wait_s=7.5)
            await histories[0].note(name, waiting=1, started=1, longest_wait_s=0)
            found = await histories[-1].minutes(name, last=3)
            if len(found) == 1:
                break
        (minute,) = found
        assert minute == QueueMinute(at=minute.at, waiting=3, started=4, longest_wait_s=7.5)
        assert await histories[0].minutes("beta", last=3) == []

    async def test_2_the_last_minutes_are_given_oldest_first(self, histories: list[QueueHistory]) -> None:
        history = histories[0]
        await self.note(history, 7)
        await self.advance(1.05 * self.minute_s)
        await self.note(history, 5)
        await self.advance(2.05 * self.minute_s)
        await self.note(history, 6)

        history = await self.reopened(history)
        found = await history.minutes("alpha", last=30)

        assert [minute.waiting for minute in found] == [7, 5, 6]
        first, second, third = (minute.at for minute in found)
        assert (second - first).total_seconds() >= self.minute_s
        assert (third - second).total_seconds() >= 2 * self.minute_s
        assert first.timestamp() % self.minute_s == pytest.approx(0, abs=1e-6)
        assert [minute.waiting for minute in await history.minutes("alpha", last=2)] == [6]

    async def test_3_an_idle_minute_is_not_stored(self, histories: list[QueueHistory]) -> None:
        await self.note(histories[0], 0, 0)

        assert await histories[0].minutes("alpha", last=30) == []


class LongHistoryContract(QueueHistoryContract):
    """The promise that takes hours, for those whose clock can be moved."""

    async def test_4_nothing_old_is_kept(self, histories: list[QueueHistory]) -> None:
        history = histories[0]
        await self.note(history, 1)
        await self.advance((KEPT_MINUTES - 1) * self.minute_s)
        await self.note(history, 2)
        assert [minute.waiting for minute in await history.minutes("alpha", last=10**6)] == [1, 2]

        await self.advance(self.minute_s)
        await self.note(history, 3)

        assert [minute.waiting for minute in await history.minutes("alpha", last=10**6)] == [2, 3]
