"""What is known of workers and of how busy backends were, and the two ports that keep it; imports stdlib, attrs and this package.

Nothing but what operators are shown depends on it. Every method may raise `Unavailable`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

#: Minutes for which it is kept how busy a backend was.
KEPT_MINUTES = 6 * 60


@attrs.frozen(kw_only=True)
class WorkerSign:
    """What a worker says of itself."""

    #: The name that is on its leases.
    name: str
    #: How many jobs it takes at a time, and how many slots are busy, by backend.
    slots: Mapping[str, int]
    busy: Mapping[str, int]
    version: str
    #: By the repository's clock.
    started_at: datetime


@attrs.frozen(kw_only=True)
class WorkerSeen:
    """A worker that was heard of lately."""

    sign: WorkerSign
    seen_at: datetime


@attrs.frozen(kw_only=True)
class QueueMinute:
    """How busy a backend was in one minute: the most that was noted in it."""

    #: Its beginning.
    at: datetime
    waiting: int = 0
    started: int = 0
    #: How long the job that had waited longest had been claimable, in s.
    longest_wait_s: float = 0.0


class WorkerBook(Protocol):
    """Which workers are alive.

    1. `beat` keeps what a worker says under its name for `ttl_s`, by the book's clock; what it says last counts.
    2. `seen` gives the workers whose time is not over, by name, each with when it was heard last.
    3. `leave` forgets a worker at once; for a name that is not there nothing changes.
    """

    async def beat(self, sign: WorkerSign, *, ttl_s: float) -> None:
        """Say that a worker is alive."""
        ...

    async def seen(self) -> Sequence[WorkerSeen]:
        """Every worker that is."""
        ...

    async def leave(self, name: str) -> None:
        """Say that it ends."""
        ...


class QueueHistory(Protocol):
    """How busy each backend was, minute by minute.

    1. `note` keeps the most of each figure that anybody noted in the minute of now, by the history's clock.
    2. `minutes` gives the noted minutes among the last so many, that of now included, oldest first.
    3. A minute in which nothing waited and nothing was under way is not stored, so that an idle service writes nothing.
    4. Nothing older than `KEPT_MINUTES` is kept, however long notes go on.
    """

    async def note(self, backend: str, *, waiting: int, started: int, longest_wait_s: float) -> None:
        """Say how busy a backend is now."""
        ...

    async def minutes(self, backend: str, *, last: int) -> Sequence[QueueMinute]:
        """How busy it was."""
        ...
