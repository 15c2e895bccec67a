"""Finds what fell between the cracks: jobs that should have ended, and work nobody was rung for; imports this package.

Every worker and every API sweeps; there is no leader, since each step is an atomic write that only one can win.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from imaging_core.errors import Charged, FailureCode, ImagingError, LeaseLost, StaleJob, Unavailable
from imaging_core.events import EventKind, event_of
from imaging_core.faults import log_fault
from imaging_core.images import StoredCall
from imaging_core.jobs import CallState, Job, JobFailure
from imaging_core.outcome import concluded
from imaging_core.policies import RunLimits
from imaging_core.ports import ImageStore, JobRepository

log = logging.getLogger("imaging.sweep")


class Sweeper:
    """Ends overdue jobs and says which backends need a ring."""

    def __init__(self, jobs: JobRepository, store: ImageStore, limits: RunLimits) -> None:
        self._jobs = jobs
        self._store = store
        self._limits = limits

    async def run(
        self,
        *,
        every_s: float,
        free: Callable[[], Mapping[str, int]] = dict,
        ring: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Sweep until cancelled: end what is overdue, ring for the slots that are free here, and let the repository catch up.

        An API has no slots. A sweep that goes wrong is told in the log and followed by the next.
        """
        while True:
            try:
                await self.end_overdue()
                for backend, rings in (await self.needed_rings(free())).items():
                    for _ in range(rings):
                        ring(backend)
                await self._jobs.catch_up()
            except ImagingError as error:
                log.warning("The sweep was cut short: %s", error)
            except Exception as error:  # noqa: BLE001  # whatever it is, without a sweep nothing lost is ever found
                log_fault(log, "The sweep failed.", error, {})
            await asyncio.sleep(every_s)

    async def end_overdue(self) -> int:
        """End the jobs whose time is over; how many it ended.

        Finished when their pictures are all there, cancelled when that was asked for, else failed. Raises Unavailable.
        """
        ended = 0
        for job in await self._jobs.overdue():
            try:
                await self._end(job, await self._store.find(job.id))
                ended += 1
            except (StaleJob, LeaseLost):
                # Somebody else moved it on between the reading and the writing: then it is not ours to end.
                continue
            except Unavailable:
                raise
            except ImagingError as error:
                # One that cannot be ended must not stand before the others for ever.
                log.warning("An overdue job could not be ended: %s", error, extra={"job_id": job.id})
        return ended

    async def needed_rings(self, free: Mapping[str, int]) -> dict[str, int]:
        """How often to ring for each backend, at most as often as slots are free there.

        Only when the oldest claimable job is older than `stale_ring_s`: younger ones have a ring under way.
        """
        rings: dict[str, int] = {}
        for backend, slots in free.items():
            if slots < 1:
                continue
            state = await self._jobs.state(backend)
            if state.paused is None and state.claimable and state.oldest_claimable_s > self._limits.stale_ring_s:
                rings[backend] = min(slots, state.claimable)
        return rings

    async def _end(self, job: Job, calls: Sequence[StoredCall]) -> None:
        now = await self._jobs.now()
        job = job.adopting(calls)
        if not job.missing_calls(calls):
            ended = concluded(job, calls, now=now)
        elif job.cancel_requested:
            ended = job.cancelled(now=now)
        else:
            ended = job.failed(self._timeout(job, now), now=now)
        code = {"code": ended.failure.code.value} if ended.failure else {}
        await self._jobs.save(ended, events=[event_of(ended, EventKind(ended.status.value), at=now, **code)])
        log.info("An overdue job was ended.", extra={"job_id": job.id, "backend": job.backend})

    def _timeout(self, job: Job, now: datetime) -> JobFailure:
        if job.deadline is not None and now >= job.deadline:
            message = f"The job did not end within the {job.max_wait_s:g} s it was given."
        else:
            message = f"The attempt took longer than {job.run_timeout_s:g} s."
        doubt = any(call.state is CallState.IN_DOUBT for call in job.calls)
        return JobFailure(
            code=FailureCode.TIMEOUT,
            message=message,
            retryable=True,
            attempt=job.attempt,
            at=now,
            charged=Charged.UNKNOWN if doubt else Charged.NO,
        )
