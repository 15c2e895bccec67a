"""Follows the event log with one blocking read per process and hands each entry to its listeners.

Imports redis-py, stdlib and the core. A listener catches up from the log by itself, and only then is fed by the shared
read. When it is fed faster than it reads, or the read breaks, it goes back to the log. So nobody waits for anybody,
memory is bounded, and no event is passed over.
"""

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Self

from adapters.redis.faults import translated
from adapters.redis.layout import event_from_fields, pairs
from adapters.redis.link import RedisLink
from imaging_core.errors import Unavailable, UnknownCursor
from imaging_core.events import JobEvent

log = logging.getLogger("imaging.redis")

#: The place before the first entry that ever was.
START: Final = "0-0"
#: How long one read waits for news, in s: the idle cost is one round trip in that time.
_BLOCK_S: Final = 5.0
#: Most entries in one read.
_BATCH: Final = 500
#: Events waiting for one listener at which it is sent back to the log.
_ROOM: Final = 256


class Entry:
    """An entry of the log. What it says is made out once, however many listen."""

    def __init__(self, place: bytes, fields: dict[bytes, bytes]) -> None:
        self.place = place.decode()
        self.job_id = fields.get(b"job_id")
        self._fields = fields

    @functools.cached_property
    def event(self) -> JobEvent | None:
        """The event it stands for; None for one of a kind that a newer version wrote: the job itself tells the rest."""
        try:
            return event_from_fields(self._fields, self.place)
        except ValueError:
            log.debug("An event of an unknown kind was passed over.")
            return None


def order_of(place: str) -> tuple[int, int]:
    """What places are sorted by."""
    first, _, second = place.partition("-")
    return int(first), int(second)


class Subscription:
    """One listener: an async iterator of events that ends with its own `aclose`, or the tail's.

    It raises Unavailable while Redis does not answer and UnknownCursor when the log lost its place; after the former
    one may read on.
    """

    def __init__(self, tail: "Tail", *, job_id: str | None, after: str | None) -> None:
        self._tail = tail
        self._job_id = None if job_id is None else job_id.encode()
        #: Up to where entries were taken; None before the first reading of one that begins then.
        self._at = after
        self._waiting: deque[JobEvent] = deque()
        self._wake = asyncio.Event()
        self._fed = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            if self._fed:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self._catch_up()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop listening; a pending read ends."""
        self._closed = True
        self._waiting.clear()
        self._tail.leave(self)
        self._wake.set()

    @property
    def _over(self) -> bool:
        return self._closed or self._tail.closed

    async def _catch_up(self) -> None:
        if self._at is None:
            self._at = await self._tail.end()
        entries = await self._tail.since(self._at)
        if not self._over:
            self._take(entries)
            if len(entries) < _BATCH:
                self._fed = self._tail.feed(self, self._at)

    def tell(self, entries: Sequence[Entry]) -> None:
        """Take what the shared read brought; never waits."""
        if len(self._waiting) >= _ROOM:
            self.unfed()
            return
        at = order_of(self._at or START)
        # The log may have been read further than the shared read had come.
        self._take([entry for entry in entries if order_of(entry.place) > at])
        if self._waiting:
            self._wake.set()

    def unfed(self) -> None:
        """Go back to the log: the shared read has ended, or is too fast."""
        self._fed = False
        self._tail.leave(self)
        self._wake.set()

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._at = entry.place
            if self._job_id in (None, entry.job_id) and entry.event is not None:
                self._waiting.append(entry.event)


class Tail:
    """The shared read. It runs while somebody listens, on a connection of its own."""

    def __init__(self, link: RedisLink, *, rest_s: float = 0.0) -> None:
        """`rest_s` is how long it rests after news, in s, so that what follows comes together."""
        self._link = link
        self._rest_s = rest_s
        self._log = link.key("events")
        self._listeners: set[Subscription] = set()
        #: Up to where the shared read has handed out entries.
        self._at = START
        self._reading = False
        self._tasks: set[asyncio.Task[None]] = set()
        #: Nobody is fed any more: nobody would end another read.
        self.closed = False

    async def end(self) -> str:
        """The place of the newest entry."""
        newest = await self._link.command("XREVRANGE", self._log, "+", "-", "COUNT", 1)
        return str(newest[0][0].decode()) if newest else START

    async def since(self, after: str) -> Sequence[Entry]:
        """The entries after a place, at most `_BATCH`. Raises UnknownCursor when the log does not hold that place."""
        rows = await self._link.script("since", after, _BATCH)
        if rows is None:
            raise UnknownCursor("The event log does not hold that place. Read the job and subscribe anew.")
        return [Entry(place, pairs(flat)) for place, flat in rows]

    def feed(self, listener: Subscription, at: str) -> bool:
        """Hand the listener what comes after `at` from now on; False when it must first fetch more from the log."""
        if not self._reading:
            self._at, self._reading = at, True
            task = asyncio.create_task(self._read(), name="imaging-events")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if order_of(at) < order_of(self._at):
            return False
        self._listeners.add(listener)
        return True

    def leave(self, listener: Subscription) -> None:
        """Hand that listener nothing more."""
        self._listeners.discard(listener)

    async def aclose(self) -> None:
        """End the read and every subscription: those that it feeds now, those that still catch up with their next reading."""
        self.closed = True
        for listener in tuple(self._listeners):
            await listener.aclose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        line = self._link.blocking_line(_BLOCK_S)
        command = ("XREAD", "COUNT", _BATCH, "BLOCK", int(_BLOCK_S * 1000), "STREAMS", self._log)
        try:
            # Without listeners the read ends at its next answer: whoever comes soon finds it running.
            while self._listeners:
                with translated(self._link.address, self._link.setting):
                    answer: Any = await line.ask(*command, self._at)
                if answer:
                    entries = [Entry(place, pairs(flat)) for place, flat in answer[0][1]]
                    self._hand_out(entries)
                    if self._rest_s and len(entries) < _BATCH:
                        await asyncio.sleep(self._rest_s)
        except Unavailable as error:
            log.warning("Events are late: %s", error)
        finally:
            self._reading = False
            for listener in tuple(self._listeners):
                listener.unfed()
            await line.close()

    def _hand_out(self, entries: Sequence[Entry]) -> None:
        self._at = entries[-1].place
        for listener in tuple(self._listeners):
            listener.tell(entries)
