"""Tidies up in the background: what crashed writers left, and ended jobs whose time is over; imports stdlib and this package.

Every worker has one; there is no leader, since each step may be done twice without harm.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from imaging_core.errors import ImagingError, JobConflict, JobDeleted, JobNotFound, StaleJob, StorageFull
from imaging_core.events import EventKind, event_of
from imaging_core.faults import log_fault
from imaging_core.jobs import Job
from imaging_core.ports import ImageStore, JobRepository

log = logging.getLogger("imaging.janitor")

#: A half-written file is left alone for that long, in s: its writer may be slow. Also the time between two sweeps.
HOUR_S = 3600.0
#: Expired jobs that are deleted before others get a turn.
BATCH = 100
#: How many of them at a time: a repository may make the deletes that wait together durable together.
TOGETHER = 10


class SweptStore(ImageStore, Protocol):
    """An image store whose writers may leave half-written files."""

    async def sweep_temporary(self, *, older_than_s: float) -> int:
        """Remove what nobody has written to for that long; how many files."""
        ...


class Janitor:
    """Removes half-written files, and forgets ended jobs with their pictures once they are `keep_days` old."""

    def __init__(self, jobs: JobRepository, store: SweptStore, *, keep_days: float | None = None) -> None:
        """`keep_days` is for jobs that say nothing themselves; None keeps those for good."""
        self._jobs = jobs
        self._store = store
        self._keep_days = keep_days

    async def run(self, *, every_s: float) -> None:
        """Look for expired jobs that often, and for half-written files now and then every hour, until cancelled."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            try:
                if loop.time() >= sweep_at:
                    sweep_at = loop.time() + HOUR_S
                    await self.sweep()
                await self.forget_expired()
            except ImagingError as error:
                log.warning("Tidying up was cut short: %s", error)
            except Exception as error:  # noqa: BLE001  # whatever it is, the disk must not fill for want of a janitor
                log_fault(log, "Tidying up failed.", error, {})
            await asyncio.sleep(every_s)

    async def sweep(self) -> int:
        """Remove half-written files that nobody has touched for an hour; how many. Raises Unavailable."""
        swept = await self._store.sweep_temporary(older_than_s=HOUR_S)
        if swept:
            log.info("%d half-written files were removed.", swept)
        return swept

    async def forget_expired(self) -> int:
        """Delete the jobs whose time is over, with their pictures; how many. Raises Unavailable."""
        forgotten, loop = 0, asyncio.get_running_loop()
        while batch := await self._jobs.expired(keep_days=self._keep_days, limit=BATCH):
            before = forgotten
            for start in range(0, len(batch), TOGETHER):
                began = loop.time()
                forgotten += await self._forget_all(batch[start : start + TOGETHER])
                # Work for nobody who waits gets half of the time: what writes meanwhile would wait behind each of these.
                await asyncio.sleep(loop.time() - began)
            if forgotten == before:
                # None of them can be deleted now: asking again at once would give the same ones.
                break
        if forgotten:
            log.info("%d jobs were deleted: their time was over.", forgotten)
        return forgotten

    async def _forget_all(self, jobs: Sequence[Job]) -> int:
        # While the store is away no record goes, since nothing would lead to the pictures any more. A full one can delete.
        with suppress(StorageFull):
            await self._store.check()
        outcomes = await asyncio.gather(*map(self._forget, jobs), return_exceptions=True)
        # Only once none of them is under way any more.
        if error := next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None):
            raise error
        return sum(map(bool, outcomes))

    async def _forget(self, job: Job) -> bool:
        event = event_of(job, EventKind.DELETED, at=await self._jobs.now())
        try:
            # The record goes first, as in every delete: what a crash leaves then, a repair finds.
            await self._jobs.delete(job, events=[event])
        except (JobDeleted, JobNotFound, JobConflict, StaleJob):
            # Another janitor, or the caller, was faster.
            return False
        await self._store.delete(job.id)
        return True
