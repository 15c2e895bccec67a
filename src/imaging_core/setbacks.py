"""What becomes of a job whose call gave no pictures: parked for another go, failed or cancelled; imports this package."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from imaging_core.caller import Caller, StopReason
from imaging_core.errors import (
    BackendThrottled,
    CallRefused,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    LeaseLost,
    Unavailable,
)
from imaging_core.held import HeldJob, insist
from imaging_core.jobs import CallState, JobFailure, LeaseReason
from imaging_core.runner_parts import RunnerParts
from imaging_core.stays import attempts_here, failures_here

log = logging.getLogger("imaging.runner")

T = TypeVar("T")

#: How long everybody stays away from a backend that turns calls away without saying for how long, in s.
PAUSE_S = 60.0
#: What a backend may ask for is taken for no less and no more than this, in s: 0 would be a hot loop, 1e9 the end.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 900.0


class PartAway(Exception):
    """The store or the gate has not answered for long, so this worker cannot go on now."""


async def insist_on_part(action: Callable[[], Awaitable[T]]) -> T:
    """Do it, again and again while the part is away. Raises PartAway when it was for long."""
    try:
        return await insist(action)
    except Unavailable as error:
        raise PartAway(str(error)) from error


class Setbacks:
    """The ways in which an attempt lets go of its job before everything is made."""

    def __init__(self, held: HeldJob, caller: Caller, parts: RunnerParts) -> None:
        self._held = held
        self._caller = caller
        self._parts = parts
        #: What the backend showed of itself: True answered, False let us down, None was not asked.
        self.backend_ok: bool | None = None
        #: When the parked job is worth another look, in s from now.
        self.again_in_s: float | None = None

    async def after_call(self, task_id: str, error: GenerationError) -> None:
        """A call ended with an error."""
        # Only a definite no is an answer of the backend's; being throttled, or a fault of ours, says nothing of its health.
        if isinstance(error, BackendThrottled) or error.code is FailureCode.INTERNAL:
            self.backend_ok = None
        else:
            self.backend_ok = isinstance(error, CallRejected)
        self._held.note_call(task_id, _state_after(error))
        await self.after_error(error)

    async def after_error(self, error: GenerationError) -> None:
        """Park the job for another go, or fail it."""
        now = await self._held.now()
        job = self._held.job
        if isinstance(error, BackendThrottled):
            await self._pause(PAUSE_S if error.retry_after_s is None else error.retry_after_s)
        here = failures_here(job)
        # One that was moved may have waited there for long: its patience begins when it is first turned away.
        since = job.started_at if not job.moves else here[0].at if here else None
        free = (FailureCode.BACKEND_UNREACHABLE, FailureCode.THROTTLED)
        refusals = sum(1 for failure in here if failure.code in free)
        park = self._parts.retry.decide(
            error,
            attempt=attempts_here(job),
            refusals=refusals,
            age_s=(now - (since or now)).total_seconds(),
            paid=self._caller.paid,
            lost=self._parts.limits.on_lost,
            may_move=job.asked is not None and job.cost_nothing,
        )
        charged = error.charged if self._caller.paid else Charged.NO
        if park is None:
            await self._held.fail(error.code, str(error), retryable=error.retryable, charged=charged)
            return
        again = error.retryable or park.reason is not LeaseReason.STRANDED
        failure = await self._held.failure(error.code, str(error), retryable=again, charged=charged)
        log.info("An attempt failed and will be repeated.", extra=self._held.facts(code=error.code.value))
        shortest = SHORTEST_PAUSE_S if park.reason is LeaseReason.THROTTLED else 0.0
        await self.park(park.reason, max(shortest, park.delay_s), failure)

    async def after_time(self, task_id: str, *, sent: bool) -> None:
        """The time for a call was over."""
        self._held.note_call(task_id, self._unanswered(sent=sent))
        if sent:
            self.backend_ok = False
        charged = Charged.UNKNOWN if sent and self._caller.paid else Charged.NO
        message = (
            "The backend did not answer within the time the job was given."
            if sent
            else "Too little of the time the job was given was left for another call, so none was made."
        )
        await self._held.fail(FailureCode.TIMEOUT, message, retryable=True, charged=charged)

    async def after_stop(self, task_id: str, reason: StopReason, *, sent: bool) -> None:
        """A call was stopped from outside. Raises LeaseLost when that was why."""
        self._held.note_call(task_id, self._unanswered(sent=sent))
        match reason:
            case StopReason.LOST:
                raise LeaseLost
            case StopReason.DRAIN:
                await self.park(LeaseReason.DRAIN)
            case StopReason.CANCEL:
                await self._held.cancel()

    async def park(self, reason: LeaseReason, delay_s: float = 0.0, failure: JobFailure | None = None) -> None:
        """Let go of the job until `delay_s` from now."""
        await self._held.park(reason, delay_s, failure)
        self.again_in_s = delay_s if self._held.job.parked else None

    async def _pause(self, seconds: float) -> None:
        backend, seconds = self._held.job.backend, min(max(seconds, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        await insist_on_part(lambda: self._parts.gate.pause(backend, seconds=seconds))

    def _unanswered(self, *, sent: bool) -> CallState:
        if not sent:
            return CallState.REFUSED
        return CallState.IN_DOUBT if self._caller.paid else CallState.FAILED


def _state_after(error: GenerationError) -> CallState:
    if isinstance(error, CallRefused):
        return CallState.REFUSED
    return CallState.FAILED if error.charged is Charged.NO else CallState.IN_DOUBT
