"""A job under this worker's lease: every write carries the token, and outlasts a restart of what it writes to.

Imports stdlib, attrs and this package.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import attrs

from imaging_core.errors import (
    Charged,
    FailureCode,
    JobDeleted,
    JobNotFound,
    LeaseLost,
    StaleJob,
    StorageFull,
    Unavailable,
)
from imaging_core.events import EventKind, event_of
from imaging_core.jobs import CallState, Job, JobFailure, LeaseReason
from imaging_core.ports import JobRepository

log = logging.getLogger("imaging.runner")

T = TypeVar("T")

#: How long a write is repeated while the store or the repository is away, in s.
INSIST_S = 120.0


async def insist(action: Callable[[], Awaitable[T]]) -> T:
    """Do it, again and again while the part is away: a paid picture must not be lost to a restart.

    Raises Unavailable after `INSIST_S`, and StorageFull at once.
    """
    give_up = asyncio.get_running_loop().time() + INSIST_S
    delay = 0.1
    while True:
        try:
            return await action()
        except StorageFull:
            raise
        except Unavailable:
            if asyncio.get_running_loop().time() >= give_up:
                raise
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


#: What a write tells of the job it made: the kind of the event, and its facts.
Told = tuple[EventKind, Mapping[str, str]]


def _ended(job: Job) -> Told:
    return EventKind(job.status.value), {"code": job.failure.code.value} if job.failure else {}


class HeldJob:
    """The job as this worker last wrote it, and the only way it writes it."""

    def __init__(self, job: Job, jobs: JobRepository) -> None:
        if job.lease is None:
            raise ValueError("only a claimed job is held")
        self.job = job
        self.token = job.lease.token
        #: Whether its end or its parking is being written: then the lease goes by this worker's own hand.
        self.letting_go = False
        self._jobs = jobs

    async def now(self) -> datetime:
        """The repository's clock."""
        return await insist(self._jobs.now)

    async def write(self, change: Callable[[Job], Job], told: Callable[[Job], Told] | None = None) -> None:
        """Apply a change and save it under the token, again if a door changed the job meanwhile.

        Raises LeaseLost when the job became somebody else's or has ended.
        """
        while True:
            changed = change(self.job)
            try:
                self.job = await insist(await self._saving(changed, told))
            except StaleJob:
                fresh = await self._fresh()
                # Calls are the runner's alone, and what it noted of them goes with its next write; the rest is the other's.
                self.job = attrs.evolve(fresh, calls=self.job.calls)
            else:
                return

    async def _saving(self, changed: Job, told: Callable[[Job], Told] | None) -> Callable[[], Awaitable[Job]]:
        if told is None:
            return lambda: self._jobs.save(changed, token=self.token)
        kind, data = told(changed)
        events = (event_of(changed, kind, at=await self.now(), **data),)
        return lambda: self._jobs.save(changed, token=self.token, events=events)

    async def _fresh(self) -> Job:
        try:
            fresh = await insist(lambda: self._jobs.get(self.job.id))
        except (JobNotFound, JobDeleted):
            raise LeaseLost from None
        if fresh.lease is None or fresh.lease.token != self.token:
            raise LeaseLost
        return fresh

    def note_call(self, task_id: str, state: CallState, *, credits: float | None = None) -> None:  # noqa: A002
        """Note what is known of a call; it goes out with the next write, and the store already tells the same after a crash."""
        self.job = self.job.with_call(task_id, state, credits=credits)

    async def end(self, change: Callable[[Job, datetime], Job]) -> None:
        """Write the job's end, and tell of it."""
        now = await self.now()
        self.letting_go = True
        await self.write(lambda job: change(job, now), _ended)

    async def cancel(self) -> None:
        """End the job as cancelled."""
        await self.end(lambda job, at: job.cancelled(now=at))

    async def park(self, reason: LeaseReason, delay_s: float, failure: JobFailure | None = None) -> None:
        """Let go of the job until `delay_s` from now; one that somebody asked to cancel ends here instead."""
        now = await self.now()
        until = now + timedelta(seconds=delay_s)

        def change(job: Job) -> Job:
            if job.cancel_requested:
                # Parked, nobody would see the request before the job's next turn.
                return (job.with_failure(failure) if failure else job).cancelled(now=now)
            return job.parked_until(until, reason, now=now, failure=failure)

        def told(job: Job) -> Told:
            if job.status.terminal:
                return _ended(job)
            code = {"code": failure.code.value} if failure else {}
            return EventKind.PARKED, {"reason": reason.value, "until": until.isoformat(), **code}

        self.letting_go = True
        await self.write(change, told)

    async def fail(
        self, code: FailureCode, message: str, *, retryable: bool = False, charged: Charged = Charged.NO
    ) -> None:
        """End the job as failed."""
        failure = await self.failure(code, message, retryable=retryable, charged=charged)
        log.info("The job failed.", extra=self.facts(code=code.value))
        await self.end(lambda job, at: job.failed(failure, now=at))

    async def failure(
        self, code: FailureCode, message: str, *, retryable: bool = False, charged: Charged = Charged.NO
    ) -> JobFailure:
        """Something that goes wrong now, for the record."""
        attempt, at = self.job.attempt, await self.now()
        return JobFailure(code=code, message=message, retryable=retryable, attempt=attempt, at=at, charged=charged)

    @property
    def in_doubt(self) -> bool:
        """Whether any of its calls was sent without anybody knowing what became of it."""
        return any(call.state is CallState.IN_DOUBT for call in self.job.calls)

    def facts(self, **more: str) -> dict[str, object]:
        """What a log line about it carries."""
        return {"job_id": self.job.id, "backend": self.job.backend, "attempt": self.job.attempt, **more}
