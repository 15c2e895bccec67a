"""Decisions about attempts, money and time, as data and pure functions; imports stdlib, attrs and this package's values."""

from enum import StrEnum

import attrs

from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    CallRefused,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)
from imaging_core.jobs import LeaseReason

#: Definite refusals that speak of the backend's settings, account or address, and not of the request.
_NOT_THE_REQUEST = frozenset(
    {
        FailureCode.NOT_AUTHORIZED,
        FailureCode.INSUFFICIENT_CREDITS,
        FailureCode.BACKEND_UNREACHABLE,
        FailureCode.BAD_ANSWER,
    }
)


class InDoubt(StrEnum):
    """What to do about a paid call whose answer nobody has."""

    RETRY = "retry"
    FAIL = "fail"


@attrs.frozen(kw_only=True)
class Park:
    """Go on later: after `delay_s`, for that reason."""

    delay_s: float
    reason: LeaseReason


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When a failed attempt is worth another."""

    #: Most attempts of one job.
    max_attempts: int = 3
    #: Wait before the second attempt in s; doubles for each further one.
    first_delay_s: float = 2.0
    #: Longest wait between attempts in s.
    max_delay_s: float = 60.0
    #: How long a job waits for a backend that turns its calls away, counted from its first start, in s.
    patience_s: float = 900.0
    #: How long a job that would fail waits to be moved to another backend before its own is tried again, in s.
    stranded_s: float = 60.0

    def decide(
        self,
        error: GenerationError,
        *,
        attempt: int,
        refusals: int,
        age_s: float,
        paid: bool,
        lost: InDoubt,
        may_move: bool = False,
    ) -> Park | None:
        """What to do after this error: park, or None to give up.

        `refusals` counts the failures on record that cost nothing, `age_s` the time since the first start at this
        backend, `lost` what the settings say of a paid call whose answer did not come. `may_move`: the job may go on at
        another backend, if this one is to blame.
        """
        park = self._again(error, attempt=attempt, refusals=refusals, age_s=age_s, paid=paid, lost=lost)
        if park is None and may_move and strands(error) and age_s < self.patience_s + self.stranded_s:
            return Park(delay_s=self.stranded_s, reason=LeaseReason.STRANDED)
        return park

    def _again(
        self, error: GenerationError, *, attempt: int, refusals: int, age_s: float, paid: bool, lost: InDoubt
    ) -> Park | None:
        if isinstance(error, CallRefused):
            # Nothing was done, so it burns no attempt; only patience limits it.
            if age_s >= self.patience_s:
                return None
            wait = self._backoff(refusals) if error.retry_after_s is None else error.retry_after_s
            return Park(delay_s=min(wait, self.patience_s), reason=LeaseReason.THROTTLED)
        if not error.retryable or attempt >= self.max_attempts:
            return None
        if paid and isinstance(error, AnswerLost) and lost is InDoubt.FAIL:
            return None
        return Park(delay_s=self._backoff(attempt - 1), reason=LeaseReason.RETRY)

    def _backoff(self, before: int) -> float:
        return float(min(self.first_delay_s * 2 ** min(before, 16), self.max_delay_s))


@attrs.frozen(kw_only=True)
class RunLimits:
    """The numbers behind the promises, all settings; times in s."""

    #: How long a worker may be silent before its job is anybody's.
    lease_s: float = 15.0
    heartbeat_s: float = 5.0
    sweep_s: float = 2.0
    #: Longest time of one attempt.
    run_timeout_s: float = 600.0
    #: Longest time from submit to the end; None for no limit.
    max_wait_s: float | None = None
    #: Running leases that may run out before the job is called poison; twice as many if no call had begun under them.
    max_crashes: int = 3
    #: Paid calls that may be made for one planned call.
    max_paid_calls: int = 2
    #: A paid call that was under way when its worker died.
    on_crash: InDoubt = InDoubt.RETRY
    #: A paid call whose answer did not come (time-out, 5xx).
    on_lost: InDoubt = InDoubt.FAIL
    #: A claimable job older than this is rung for again by the sweep.
    stale_ring_s: float = 2.0


def strands(error: GenerationError) -> bool:
    """Whether the call certainly cost nothing and its backend is to blame, so that another may well make the picture."""
    if isinstance(error, CallRefused):
        return error.code is not FailureCode.INTERNAL
    return isinstance(error, CallRejected) and error.charged is Charged.NO and error.code in _NOT_THE_REQUEST


def is_throttled(error: GenerationError) -> bool:
    """Whether the whole fleet should stay away for a while."""
    return isinstance(error, BackendThrottled)


@attrs.frozen(kw_only=True)
class GateLimits:
    """How one backend may be called, by all workers together; times in s."""

    #: Most calls at a time.
    slots: int = 1
    #: Most calls within `per_s`; None for no limit.
    calls: int | None = None
    per_s: float = 10.0
    #: How much longer than the provider's own period `per_s` is: so much later than another a call may get there.
    slack_s: float = 0.0
    #: Failed calls in a row that open the circuit.
    trip_after: int = 5
    #: How long the circuit stays open before one trial call.
    cool_down_s: float = 10.0
    #: How long a permit lives without a beat.
    permit_lease_s: float = 15.0

    @property
    def good_for_s(self) -> float | None:
        """How long after its permit a call may be sent, in s; half of the slack is left for its way."""
        return self.slack_s / 2 if self.calls is not None and self.slack_s else None
