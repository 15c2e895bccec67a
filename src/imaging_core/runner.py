"""Runs one job at a time for whoever rings, under gate and lease; imports stdlib, attrs and this package."""

import asyncio
import logging
from collections.abc import Callable

import attrs

from imaging_core.attempt import Attempt
from imaging_core.errors import LeaseLost, StorageFull, UnknownBackend
from imaging_core.ids import new_token
from imaging_core.jobs import Job
from imaging_core.pool import NEARER_S, Place, Places, pool_of
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
        self._pools = {backend: pool_of(generator) for backend, generator in parts.generators.items()}
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
        async with Places(parts.gate, backend, self._pools[backend]) as places:
            place = await places.next()
            while isinstance(place, Place):
                ran = await self._run_at(place, places, claimed)
                if ran is not None:
                    return ran
                place = await places.next()
        return Held(delay_s=place.delay_s, reason=place.reason) if isinstance(place, RetryAt) else Idle()

    async def _run_at(self, place: Place, places: Places, claimed: Callable[[], None]) -> Ran | None:
        """Run the next job that suits a place; None when there is none. The permit is given back either way."""
        parts, permit = self.parts, place.permit
        ok: bool | None = None
        try:
            job = await parts.jobs.claim_next(
                permit.backend,
                worker=parts.worker,
                token=new_token(),
                lease_s=parts.limits.lease_s,
                preference=place.preference,
            )
            if job is None:
                return None
            claimed()
            permit = await places.nearer(place, job, within_s=min(NEARER_S, parts.limits.heartbeat_s))
            earlier = self._running.get(job.id)
            attempt = Attempt(job, permit, parts, asked_at=places.begun_at, earlier=earlier)
            attempt.steps_aside_s = self._aside_s(attempt, job.id)
            if place.preference is not None and not place.preference.suits(job.request.checkpoint):
                # One that an earlier claim got without anybody's learning of it; it is given back for whom it suits.
                attempt.steps_aside_s = 0.0
            self._running[job.id] = attempt
            if self._draining:
                attempt.drain()
            try:
                job = await attempt.run()
            except LeaseLost:
                log.info("The job went on elsewhere.", extra={"job_id": job.id, "backend": permit.backend})
            finally:
                ok = attempt.backend_ok
                if self._running.get(job.id) is attempt:
                    del self._running[job.id]
            return Ran(job=job, again_in_s=attempt.again_in_s)
        finally:
            await places.leave(permit, ok=ok)

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
