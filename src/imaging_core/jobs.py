"""The job, its life cycle and the only functions that may change its status; imports stdlib, attrs and this package's values.

Transitions are pure: they take the time and give a new job. Writing it, and raising its `version`, is the repository's work.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import attrs

from imaging_core.errors import Charged, FailureCode, JobConflict
from imaging_core.ids import new_token
from imaging_core.images import ImageRef, ImageRequest, Operation, StoredCall, plan_calls
from imaging_core.moments import aware_time, aware_time_or_none
from imaging_core.moves import Move
from imaging_core.webhooks import Webhook

#: Raised when a stored job could no longer be read by the version before: 2 since jobs may begin with a picture, 3 since
#: one may be parked because it goes to another backend.
SCHEMA = 3

#: How long after an attempt's own time-out the sweep ends it from outside, in s.
OVERDUE_GRACE = timedelta(seconds=5)


class JobStatus(StrEnum):
    """Where a job stands; the rank never falls."""

    QUEUED = "queued"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def rank(self) -> int:
        """0 queued, 1 started, 2 ended."""
        return 0 if self is JobStatus.QUEUED else 1 if self is JobStatus.STARTED else 2

    @property
    def terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self.rank == 2


#: Statuses of jobs that are not over.
OPEN = frozenset(status for status in JobStatus if not status.terminal)


#: Every legal step. started -> started is a claim after a lease ran out, or a parking.
TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.STARTED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.STARTED: frozenset({JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.FINISHED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


class LeaseReason(StrEnum):
    """Why a lease is held: by a worker that runs, or parked until a moment."""

    RUNNING = "running"
    RETRY = "retry"
    DRAIN = "drain"
    THROTTLED = "throttled"
    #: Its backend cannot make it, and certainly has not: another may.
    STRANDED = "stranded"
    #: Anybody at the backend it went to may go on with it.
    MOVED = "moved"


#: Reasons that readers of an older schema than 3 do not know.
_OF_MOVES = frozenset({LeaseReason.STRANDED, LeaseReason.MOVED})
#: Leases after which a claim is no further attempt: nothing was tried that could have given pictures.
_NO_ATTEMPT = _OF_MOVES | {LeaseReason.DRAIN, LeaseReason.THROTTLED}


@attrs.frozen(kw_only=True)
class Lease:
    """The right to work on a job until a moment of the repository's clock."""

    #: Who works; None while parked.
    worker: str | None
    #: The fence: a runner's writes must carry the current token.
    token: str = attrs.field(repr=False)
    #: When the lease began.
    since: datetime = aware_time()
    #: When anybody may claim the job again.
    until: datetime = aware_time()
    reason: LeaseReason = LeaseReason.RUNNING


class CallState(StrEnum):
    """What is known of one sent backend call."""

    #: Written before the call is sent: it may or may not have been.
    INTENDED = "intended"
    #: Turned away at no cost; does not count.
    REFUSED = "refused"
    #: Its pictures are stored.
    ANSWERED = "answered"
    #: Sent, and nobody knows what became of it.
    IN_DOUBT = "in_doubt"
    #: The backend answered that it made nothing; or it costs nothing, and a worker cut the call off.
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class Call:
    """The record of one try at one of the job's backend calls, kept so that nobody pays twice unknowingly."""

    #: Which of the planned calls, from 0.
    index: int
    state: CallState
    #: The attempt that made it.
    attempt: int
    #: Unique per try; names the task on backends that take a name.
    task_id: str
    #: What it cost, once answered.
    credits: float | None = None

    @property
    def may_have_cost(self) -> bool:
        """Whether it counts against the limit of paid calls."""
        return self.state not in (CallState.REFUSED, CallState.FAILED)


@attrs.frozen(kw_only=True)
class JobFailure:
    """One thing that went wrong, whether or not the job went on."""

    code: FailureCode
    #: A sentence for a person, without secrets and without the prompt.
    message: str
    #: Whether another attempt was (or would have been) worth it.
    retryable: bool
    attempt: int
    at: datetime = aware_time()
    charged: Charged = Charged.NO


def _first_schema(job: "Job") -> int:
    """The first schema whose readers know everything that a job asks for."""
    return 1 if job.request.operation is Operation.GENERATE and job.webhook is None else 2


@attrs.frozen(kw_only=True)
class Job:
    """One request on its way to pictures."""

    id: str
    backend: str
    request: ImageRequest
    created_at: datetime = aware_time()
    #: Raised by the repository at each write but heartbeats; 0 before the first.
    version: int = 0
    #: The caller's key id; None while keys are off.
    owner: str | None = None
    status: JobStatus = JobStatus.QUEUED
    #: Higher is claimed first.
    priority: int = 0
    #: When it was first claimed.
    started_at: datetime | None = aware_time_or_none()
    #: When it ended, however it ended.
    finished_at: datetime | None = aware_time_or_none()
    #: Times it was claimed, take-overs after which nothing had been tried not counted.
    attempt: int = 0
    #: Running leases that ran out: workers that died or froze.
    crashes: int = 0
    lease: Lease | None = None
    calls: tuple[Call, ...] = ()
    failures: tuple[JobFailure, ...] = ()
    images: tuple[ImageRef, ...] = ()
    cancel_requested: bool = False
    #: Longest time one attempt may take, in s.
    run_timeout_s: float = 600.0
    #: Longest time from submit to the end, in s; None for no limit.
    max_wait_s: float | None = None
    #: Days after its end that it is deleted with its pictures; None leaves that to the service.
    keep_days: float | None = None
    #: The failed job this one tries again.
    retry_of: str | None = None
    #: Why the service sent it to its first backend; None when the caller named that.
    route: str | None = None
    #: What the caller asked for, before it was fitted to a backend; None when the caller named that.
    asked: ImageRequest | None = None
    #: To which other backends it went since, in order.
    moves: tuple[Move, ...] = ()
    #: Why it was not moved when its backend could not go on: a sentence for a person.
    stayed: str | None = None
    #: Who is to be told of its end.
    webhook: Webhook | None = None
    #: The first schema whose readers know everything that it asks for, so that older workers take what they can: one that
    #: knows no webhooks would end the job without a word. What it says of moves they keep without knowing it.
    schema: int = attrs.field(default=attrs.Factory(_first_schema, takes_self=True))
    #: Whether it was marked as a favourite; changed by the repository's `mark` alone.
    favourite: bool = False
    #: Fields written by a newer version, kept as they were.
    unknown: Mapping[str, object] = attrs.field(factory=dict, repr=False)

    @property
    def parked(self) -> bool:
        """Whether a started job waits for a moment instead of being worked on."""
        return self.lease is not None and self.lease.worker is None

    @property
    def cost_nothing(self) -> bool:
        """Whether certainly nothing was paid for it so far, and no picture of it is stored or may yet be."""
        return not any(call.may_have_cost for call in self.calls)

    @property
    def movable(self) -> bool:
        """Whether it may go to another backend now: nobody works on it, and nothing can be paid or made twice."""
        waits = self.status is JobStatus.QUEUED or (self.status is JobStatus.STARTED and self.parked)
        return self.asked is not None and waits and self.cost_nothing

    @property
    def stranded(self) -> bool:
        """Whether it waits for nothing but to be moved."""
        return self.movable and self.lease is not None and self.lease.reason is LeaseReason.STRANDED

    @property
    def tried(self) -> frozenset[str]:
        """The backends it is or was at: it goes to each once."""
        return frozenset({self.backend, *(move.left for move in self.moves)})

    @property
    def why_there(self) -> str | None:
        """Why it is where it is, in sentences; None when the caller chose that."""
        return " ".join(filter(None, (self.route, *(move.reason for move in self.moves), self.stayed))) or None

    @property
    def credits(self) -> float:
        """What its answered calls cost, in credits."""
        return sum(call.credits or 0.0 for call in self.calls)

    @property
    def deadline(self) -> datetime | None:
        """When `max_wait_s` is over."""
        return None if self.max_wait_s is None else self.created_at + timedelta(seconds=self.max_wait_s)

    def expires_at(self, keep_days: float | None = None) -> datetime | None:
        """When it is to be deleted, `keep_days` being for a job that says nothing itself; None for never or not yet."""
        days = self.keep_days if self.keep_days is not None else keep_days
        if not self.status.terminal or self.finished_at is None or days is None:
            return None
        return self.finished_at + timedelta(days=days)

    @property
    def overdue_at(self) -> datetime | None:
        """When the sweep must end it: its deadline, or its running attempt's time-out and a grace."""
        if self.status.terminal:
            return None
        times = [] if self.deadline is None else [self.deadline]
        if self.lease is not None and self.lease.reason is LeaseReason.RUNNING:
            times.append(self.lease.since + timedelta(seconds=self.run_timeout_s) + OVERDUE_GRACE)
        return min(times, default=None)

    @property
    def failure(self) -> JobFailure | None:
        """Why a failed job failed: the last thing that went wrong."""
        return self.failures[-1] if self.status is JobStatus.FAILED and self.failures else None

    def claimable(self, now: datetime) -> bool:
        """Whether a worker may claim it at that moment."""
        if self.status is JobStatus.QUEUED:
            return True
        return self.status is JobStatus.STARTED and (self.lease is None or self.lease.until <= now)

    # --- transitions -------------------------------------------------------------------------------------

    def claimed(self, *, worker: str, token: str, now: datetime, lease_s: float) -> "Job":
        """Started under a new running lease. The attempt rises, but not after a lease under which nothing was tried.

        Raises JobConflict when it is not claimable.
        """
        if not self.claimable(now):
            raise JobConflict(f"Job {self.id} cannot be claimed: it is {self.status}.")
        last = self.lease.reason if self.lease else None
        counts = last not in _NO_ATTEMPT
        return self._to(
            JobStatus.STARTED,
            lease=Lease(worker=worker, token=token, since=now, until=now + timedelta(seconds=lease_s)),
            attempt=self.attempt + (1 if counts else 0),
            crashes=self.crashes + (1 if last is LeaseReason.RUNNING else 0),
            started_at=self.started_at or now,
        )

    def parked_until(
        self, until: datetime, reason: LeaseReason, *, now: datetime, failure: JobFailure | None = None
    ) -> "Job":
        """Still started, worked on by nobody until that moment, then claimable."""
        if reason is LeaseReason.RUNNING:
            raise ValueError("a parked job does not run")
        lease = Lease(worker=None, token=new_token(), since=now, until=until, reason=reason)
        schema = max(self.schema, 3 if reason in _OF_MOVES else 1)
        return self._to(JobStatus.STARTED, lease=lease, schema=schema, failures=self._failures_with(failure))

    def moved(self, move: Move, request: ImageRequest) -> "Job":
        """At another backend, with the request as that one makes it: queued as before, or else claimable at once.

        Raises JobConflict when it may not be moved, or was there before.
        """
        if not self.movable or move.left != self.backend or move.backend in self.tried:
            raise JobConflict(f"Job {self.id} cannot be moved from {self.backend!r} to {move.backend!r}.")
        # After a move the claim of a parked job is no further attempt, so that the last one is its first there.
        move = move.after(self.attempt - bool(self.lease), self.crashes, self.calls, self.failures)
        there = attrs.evolve(self, backend=move.backend, request=request, moves=(*self.moves, move), stayed=None)
        return there if self.lease is None else there.parked_until(move.at, LeaseReason.MOVED, now=move.at)

    def succeeded(self, images: Sequence[ImageRef], *, now: datetime) -> "Job":
        """Finished, with these stored pictures."""
        return self._to(JobStatus.FINISHED, lease=None, images=tuple(images), finished_at=now)

    def failed(self, failure: JobFailure, *, now: datetime) -> "Job":
        """Failed for good."""
        return self._to(JobStatus.FAILED, lease=None, failures=self._failures_with(failure), finished_at=now)

    def cancelled(self, *, now: datetime) -> "Job":
        """Ended because somebody asked."""
        return self._to(JobStatus.CANCELLED, lease=None, cancel_requested=True, finished_at=now)

    def cancel(self, *, now: datetime) -> "Job":
        """Cancelled at once when nobody works on it, else flagged for its worker.

        Raises JobConflict when it has already finished or failed; a cancelled job stays as it is.
        """
        if self.status is JobStatus.CANCELLED:
            return self
        if self.status.terminal:
            raise JobConflict(f"The job is already {self.status} and cannot be cancelled.")
        if self.status is JobStatus.QUEUED or self.parked:
            return self.cancelled(now=now)
        return attrs.evolve(self, cancel_requested=True)

    def with_failure(self, failure: JobFailure) -> "Job":
        """The same job with one more thing that went wrong on record."""
        return attrs.evolve(self, failures=self._failures_with(failure))

    def _to(self, status: JobStatus, **changes: object) -> "Job":
        if status not in TRANSITIONS[self.status]:
            raise JobConflict(f"The job is {self.status} and cannot become {status}.")
        return attrs.evolve(self, status=status, **changes)  # type: ignore[arg-type]

    def _failures_with(self, failure: JobFailure | None) -> tuple[JobFailure, ...]:
        return (*self.failures, failure) if failure else self.failures

    # --- calls -------------------------------------------------------------------------------------------

    def intending(self, index: int, task_id: str) -> "Job":
        """With one more call on record, before it is sent."""
        call = Call(index=index, state=CallState.INTENDED, attempt=self.attempt, task_id=task_id)
        return attrs.evolve(self, calls=(*self.calls, call))

    def with_call(self, task_id: str, state: CallState, *, credits: float | None = None) -> "Job":  # noqa: A002
        """With what is now known of the call of that task id."""
        calls = (attrs.evolve(c, state=state, credits=credits) if c.task_id == task_id else c for c in self.calls)
        return attrs.evolve(self, calls=tuple(calls))

    def adopting(self, stored: Sequence[StoredCall]) -> "Job":
        """With the calls on record brought in line with what the store holds, after a take-over.

        The last try of a stored call is the one that answered; other calls left intended are in doubt.
        """
        found = {s.call: s for s in stored}
        last = {c.index: c.task_id for c in self.calls}
        calls = []
        for call in self.calls:
            if call.index in found and call.task_id == last[call.index]:
                calls.append(attrs.evolve(call, state=CallState.ANSWERED, credits=found[call.index].credits))
            elif call.state is CallState.INTENDED:
                calls.append(attrs.evolve(call, state=CallState.IN_DOUBT))
            else:
                calls.append(call)
        return attrs.evolve(self, calls=tuple(calls))

    def missing_calls(self, stored: Sequence[StoredCall]) -> tuple[int, ...]:
        """Indices of the planned calls that the store does not hold yet."""
        found = {s.call for s in stored}
        return tuple(c.index for c in plan_calls(self.request) if c.index not in found)

    def paid_tries(self, index: int) -> int:
        """How many tries at that call may have cost something."""
        return sum(1 for call in self.calls if call.index == index and call.may_have_cost)
