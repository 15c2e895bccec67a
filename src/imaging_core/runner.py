"""Runs one job at a time for whoever rings, under gate and lease; imports stdlib, attrs and this package."""

import asyncio
import logging
from collections.abc import Callable

import attrs

from imaging_core.attempt import Attempt
from imaging_core.errors import LeaseLost, StorageFull, Unavailable, UnknownBackend
from imaging_core.jobs import Job, new_token
from imaging_core.ports import RetryAt
from imaging_core.runner_parts import RunnerParts

log = logging.getLogger("imaging.runner")

#: How often a worker looks at the jobs that step aside in it, one at a time, in s.
ASIDE_S = 0.3


@attrs.frozen(kw_only=True)
class Idle:
    """There was nothing to do."""


@attrs.frozen(kw_only=True)
class Held:
    """There may be work, but it must wait: ring again after `delay_s`."""

    delay_s: float
    reason: str


@attrs.frozen(kw_only=True)
class Ran:
    """A job was worked on."""

    job: Job
    #: When a parked job is worth another look, in s; None when it is not parked.
    again_in_s: float | None


class JobRunner:
    """Claims and runs jobs. Any number of `run_next` may be under way at once; the gate says how many get through."""

    def __init__(self, parts: RunnerParts) -> None:
        self.parts = parts
        self._running: dict[str, Attempt] = {}
        #: Until when, on the loop's clock, the jobs that stepped aside here are parked.
        self._aside: dict[str, float] = {}
        self._draining = False

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the jobs under way here."""
        return tuple(self._running)

    async def run_next(self, backend: str, *, claimed: Callable[[], None] = lambda: None) -> Idle | Held | Ran:
        """Run the next claimable job of a backend to its end or its parking; `claimed` is told when it is there.

        Raises Unavailable when the repository, the gate or the store does not answer, UnknownBackend for one that has
        no generator here.
        """
        parts = self.parts
        if backend not in parts.generators:
            raise UnknownBackend(backend, tuple(parts.generators))
        try:
            await parts.store.check()
        except StorageFull as error:
            # Nothing is claimed, so nothing fails and nothing is paid for while there is no room for it.
            return Held(delay_s=parts.limits.sweep_s, reason=str(error))
        asked_at = asyncio.get_running_loop().time()
        permit = await parts.gate.enter(backend)
        if isinstance(permit, RetryAt):
            return Held(delay_s=permit.delay_s, reason=permit.reason)
        ok: bool | None = None
        try:
            job = await parts.jobs.claim_next(
                backend, worker=parts.worker, token=new_token(), lease_s=parts.limits.lease_s
            )
            if job is None:
                return Idle()
            claimed()
            attempt = Attempt(job, permit, parts, asked_at=asked_at, earlier=self._running.get(job.id))
            attempt.steps_aside_s = self._aside_s(attempt, job.id)
            self._running[job.id] = attempt
            if self._draining:
                attempt.drain()
            try:
                job = await attempt.run()
            except LeaseLost:
                log.info("The job went on elsewhere.", extra={"job_id": job.id, "backend": backend})
            finally:
                ok = attempt.backend_ok
                if self._running.get(job.id) is attempt:
                    del self._running[job.id]
            return Ran(job=job, again_in_s=attempt.again_in_s)
        finally:
            try:
                await parts.gate.leave(permit, ok=ok)
            except Unavailable as error:
                # The permit is leased: it comes back by itself.
                log.warning("A permit could not be given back: %s", error, extra={"backend": backend})

    def _aside_s(self, attempt: Attempt, job_id: str) -> float | None:
        """For how long a job must leave this worker to another, in s; None when it need not.

        Jobs that crashed together come back together: side by side they would all be called poison for the one that is,
        so of those that may crash only once more a worker runs one at a time. The others wait parked, where any worker
        that has none of them may claim them. Each look is a claim and counts as a call, so the more of them wait here,
        the longer each waits between two looks.
        """
        if not attempt.is_last_chance:
            return None
        if not any(other.is_last_chance for running, other in self._running.items() if running != job_id):
            return None
        now = asyncio.get_running_loop().time()
        self._aside = {other: until for other, until in self._aside.items() if until > now and other != job_id}
        delay_s = min(ASIDE_S * (1 + len(self._aside)), self.parts.limits.lease_s)
        self._aside[job_id] = now + delay_s
        return delay_s

    def nudge(self, job_id: str) -> None:
        """Look at once whether a job that runs here was cancelled, instead of at its next heartbeat."""
        if job_id in self._running:
            self._running[job_id].nudge()

    def drain(self) -> None:
        """Let running calls end, make no further ones, and hand unfinished jobs over."""
        self._draining = True
        for attempt in self._running.values():
            attempt.drain()

    def hand_over(self) -> None:
        """Stop running calls that cost nothing and hand their jobs over; paid ones still end."""
        self._draining = True
        for attempt in self._running.values():
            attempt.hand_over()
