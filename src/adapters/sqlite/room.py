"""Whether a queue has room for one more job, mostly without counting it; imports stdlib and imaging_core.

To count what is queued takes as long as there is much of it. But it only grows by what is added here, so that a count may
stand for long: claims make it too high, never too low, and it is made anew before anybody is refused.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from adapters.sqlite import job_rows
from imaging_core.errors import QueueFull
from imaging_core.jobs import Job
from imaging_core.ports import QueueLimits

Key = TypeVar("Key")


class Room:
    """The queues of one database, for whose writer's thread it is."""

    def __init__(self) -> None:
        #: At most so many are queued, by backend.
        self._of_all: dict[str, int] = {}
        #: The same of each owner that was asked about.
        self._of_one: dict[tuple[str, str | None], int] = {}

    def take(
        self, connection: sqlite3.Connection, job: Job, limits: QueueLimits, now: datetime, before: Sequence[Job] = ()
    ) -> None:
        """Room for a job that is added next, after those `before`, which are not stored yet. Raises QueueFull."""
        backend, one = job.backend, (job.backend, job.owner)

        def of_one() -> int:
            return job_rows.queued_of(connection, *one) + sum((each.backend, each.owner) == one for each in before)

        def of_all() -> int:
            return job_rows.queued(connection, backend) + sum(each.backend == backend for each in before)

        if not _fits(self._of_one, one, limits.max_queued_per_owner, of_one):
            raise _full(connection, backend, now, mine=True)
        if not _fits(self._of_all, backend, limits.max_queued, of_all):
            raise _full(connection, backend, now, mine=False)

    def added(self, job: Job) -> None:
        """A job was added, whether it was asked about or not."""
        one = job.backend, job.owner
        if one in self._of_one:
            self._of_one[one] += 1
        if job.backend in self._of_all:
            self._of_all[job.backend] += 1

    def forget(self) -> None:
        """What was counted may have been taken back: a claim that did not happen would leave it too low."""
        self._of_all.clear()
        self._of_one.clear()


def _fits(counted: dict[Key, int], key: Key, limit: int | None, count: Callable[[], int]) -> bool:
    if limit is None:
        return True
    if counted.get(key, limit) >= limit:
        counted[key] = count()
    return counted[key] < limit


def _full(connection: sqlite3.Connection, backend: str, now: datetime, *, mine: bool) -> QueueFull:
    return QueueFull(retry_after_s=job_rows.queue_state(connection, backend, now).retry_after_s, mine=mine)
