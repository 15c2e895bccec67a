"""Keeps the log of what happened in memory and tells it to whoever listens; imports stdlib and this package's values."""

import asyncio
import secrets
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Self

import attrs

from imaging_core.errors import UnknownCursor
from imaging_core.events import JobEvent, JobProgress

#: Jobs whose newest progress is remembered at most; far more than ever run at a time.
_MOST_PROGRESS = 10_000


class _Subscription:
    """One listener's share of the log: events wait here until they are read, or until there are too many."""

    def __init__(self, job_id: str | None, waiting: Iterable[JobEvent], room: int) -> None:
        self._job_id = job_id
        self._waiting = deque(waiting)
        self._room = room
        self._wake = asyncio.Event()
        self._overrun = False
        self._closed = False

    def tell(self, event: JobEvent) -> None:
        if self._overrun or self._closed or self._job_id not in (None, event.job_id):
            return
        if len(self._waiting) < self._room:
            self._waiting.append(event)
        else:
            self._overrun = True
        self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            if self._overrun:
                raise UnknownCursor("This subscriber read too slowly. Read the job and subscribe anew.")
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Stop listening; a pending read ends."""
        self._closed = True
        self._waiting.clear()
        self._wake.set()


class MemoryJobEvents:
    """The events of one process: a log of bounded length, and the newest progress of each job.

    A subscriber that falls a whole log behind is told so by UnknownCursor, after what it could still be given.
    """

    def __init__(self, *, length: int = 10_000) -> None:
        self._log: deque[JobEvent] = deque(maxlen=length)
        self._count = 0
        # A cursor of an earlier process must not name a place of this log by chance.
        self._name = secrets.token_hex(4)
        self._subscriptions: weakref.WeakSet[_Subscription] = weakref.WeakSet()
        self._progress: OrderedDict[str, JobProgress] = OrderedDict()

    def append(self, events: Iterable[JobEvent]) -> None:
        """Store events and tell them; called by the repository in the same step as its write."""
        for event in events:
            self._count += 1
            stored = attrs.evolve(event, cursor=self._cursor(self._count))
            self._log.append(stored)
            if event.terminal:
                self._progress.pop(event.job_id, None)
            for subscription in self._subscriptions:
                subscription.tell(stored)

    def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> _Subscription:
        """Events of one job or of all, from this moment or from after a cursor.

        Raises UnknownCursor for a place that this log does not hold.
        """
        since: Iterable[JobEvent] = ()
        if after is not None:
            since = [event for event in self._since(after) if job_id in (None, event.job_id)]
        subscription = _Subscription(job_id, since, room=self._log.maxlen or 0)
        self._subscriptions.add(subscription)
        return subscription

    async def cursor(self) -> str:
        """Where the log ends now."""
        return self._cursor(self._count)

    async def publish(self, progress: JobProgress) -> None:
        """Remember how far a job has come."""
        self._progress[progress.job_id] = progress
        self._progress.move_to_end(progress.job_id)
        if len(self._progress) > _MOST_PROGRESS:
            self._progress.popitem(last=False)

    async def progress(self, job_id: str) -> JobProgress | None:
        """How far a job had come when last told; None before its first and after its end."""
        return self._progress.get(job_id)

    def _cursor(self, count: int) -> str:
        return f"{self._name}-{count}"

    def _since(self, cursor: str) -> list[JobEvent]:
        forgotten = self._count - len(self._log)
        name, _, count = cursor.partition("-")
        known = name == self._name and len(count) <= 20 and count.isascii() and count.isdigit()
        if not known or not forgotten <= int(count) <= self._count:
            raise UnknownCursor("The event log does not hold that place. Read the job and subscribe anew.")
        skip = int(count) - forgotten
        return [event for n, event in enumerate(self._log) if n >= skip]
