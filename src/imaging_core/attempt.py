"""One worker's go at one claimed job, from adoption to its end or its parking; imports stdlib, attrs and this package.

The order is what the promises stand on: adopt what is stored, honour a cancel, refuse poison, and then for each missing
call write the intent, make the call, store the pictures, write the outcome. Every write carries the lease token.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import attrs

from imaging_core.caller import Caller, OutOfTime, Stopped, StopReason, fault
from imaging_core.errors import (
    BackendThrottled,
    CallRefused,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    LeaseLost,
    StorageFull,
    Unavailable,
)
from imaging_core.faults import log_fault
from imaging_core.heartbeat import Heartbeat
from imaging_core.held import HeldJob, insist
from imaging_core.images import Generated, PlannedCall, StoredCall, plan_calls
from imaging_core.jobs import CallState, Job, JobFailure, LeaseReason, new_token
from imaging_core.outcome import concluded
from imaging_core.policies import InDoubt, RetryPolicy, RunLimits
from imaging_core.ports import (
    BackendGate,
    GenerationCall,
    Generators,
    ImageStore,
    JobEvents,
    JobRepository,
    Permit,
    RetryAt,
)
from imaging_core.progress import ProgressReporter

log = logging.getLogger("imaging.runner")

T = TypeVar("T")

#: How long everybody stays away from a backend that turns calls away without saying for how long, in s.
PAUSE_S = 60.0
#: What a backend may ask for is taken for no less and no more than this, in s: 0 would be a hot loop, 1e9 the end.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 900.0
#: When a job that stepped aside is worth another look, in s.
ASIDE_S = 0.3


#: Puts into a call's pictures how they were made: given the job and where in it the first of them is.
Mark = Callable[[Job, int, Generated], Generated]


@attrs.frozen(kw_only=True)
class RunnerParts:
    """Everything a runner works with."""

    jobs: JobRepository
    store: ImageStore
    gate: BackendGate
    events: JobEvents
    generators: Generators
    #: Names this worker on leases and in logs.
    worker: str
    limits: RunLimits = attrs.field(factory=RunLimits)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    #: Must neither fail nor lose a picture; None leaves them as the backend made them.
    mark: Mark | None = None


#: How long what runs beside an attempt gets to end, in s.
STOP_GRACE_S = 5.0


class _PartAway(Exception):
    """The store or the gate has not answered for long, so this worker cannot go on now."""


class Attempt:
    """One claimed job in the hands of this worker."""

    def __init__(self, job: Job, permit: Permit, parts: RunnerParts) -> None:
        self._held = HeldJob(job, parts.jobs)
        self._permit = permit
        self._parts = parts
        self._generator = parts.generators[job.backend]
        self._draining = False
        self._progress = ProgressReporter(job, parts.events)
        self._caller = Caller(self._generator, self._progress.report)
        self._heart = Heartbeat(
            self._held,
            permit,
            jobs=parts.jobs,
            gate=parts.gate,
            limits=parts.limits,
            cancelled=lambda: self._caller.stop(StopReason.CANCEL),
            lost=lambda: self._caller.stop(StopReason.LOST),
        )
        #: What the backend showed of itself: True answered, False let us down, None was not asked.
        self.backend_ok: bool | None = None
        #: When the parked job is worth another look, in s from now.
        self.again_in_s: float | None = None
        #: Whether it must leave this worker to another job for now.
        self.steps_aside = False

    @property
    def is_last_chance(self) -> bool:
        """Whether one more crash would make the job poison."""
        crashes = self._held.job.crashes
        return 0 < crashes == self._parts.limits.max_crashes - 1

    # --- from outside ------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Beat now: somebody may have asked for a cancel."""
        self._heart.nudge()

    def drain(self) -> None:
        """Make no further call; hand the rest over to another worker."""
        self._draining = True

    def hand_over(self) -> None:
        """Stop the running call too, unless it costs money."""
        self.drain()
        self._caller.stop(StopReason.DRAIN)

    async def run(self) -> Job:
        """Work until the job has ended or is parked.

        Raises LeaseLost when it became somebody else's, Unavailable when the repository was away for long.
        """
        beside = [
            asyncio.create_task(self._heart.run(), name="A heartbeat"),
            asyncio.create_task(self._progress.run(), name="A progress report"),
        ]
        try:
            await self._work_or_park()
        finally:
            for task in beside:
                task.cancel()
            # Bounded: a library that loses a cancel (asyncio.wait_for before Python 3.12 can) must not cost a slot.
            ended, deaf = await asyncio.wait(beside, timeout=STOP_GRACE_S)
            for task in ended:
                if not task.cancelled() and (error := task.exception()) is not None:
                    log_fault(log, f"{task.get_name()} failed.", error, self._held.facts())
            for task in deaf:
                log.warning("%s did not end when told to.", task.get_name(), extra=self._held.facts())
        return self._held.job

    # --- the order of work -------------------------------------------------------------------------------

    async def _work_or_park(self) -> None:
        try:
            await self._work()
        except _PartAway as error:
            # No fault of the job's: left to its lease it would count as crashed, and as poison in the end.
            await self._after_error(CallRefused(str(error), code=FailureCode.INTERNAL))
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001  # ended or parked within its attempts, instead of tried for ever
            log_fault(log, "An attempt met an unforeseen error.", error, self._held.facts())
            await self._after_error(fault(self._held.job.backend, error, paid=self._caller.paid))

    async def _work(self) -> None:
        limits = self._parts.limits
        before = self._held.job
        stored = await self._stored()
        job = self._held.job = before.adopting(stored)
        missing = job.missing_calls(stored)
        if not missing:
            await self._conclude(stored)
        elif job.cancel_requested:
            await self._held.cancel()
        elif job.crashes >= limits.max_crashes:
            message = f"{job.crashes} workers died or froze while they worked on this job."
            await self._held.fail(FailureCode.WORKER_CRASH, message, charged=await self._doubt())
        elif job.deadline is not None and await self._held.now() >= job.deadline:
            message = f"The job did not end within the {job.max_wait_s:g} s it was given."
            await self._held.fail(FailureCode.TIMEOUT, message, retryable=True, charged=await self._doubt())
        elif self.steps_aside:
            await self._park(LeaseReason.DRAIN, ASIDE_S)
        else:
            await self._make(missing, before)

    async def _make(self, missing: Sequence[int], before: Job) -> None:
        try:
            self._caller.paid = (await self._generator.capabilities()).paid
        except Unavailable as error:
            # The lists a backend keeps may be away while the job was accepted on an earlier answer.
            self.backend_ok = False
            await self._after_error(CallRefused(str(error), code=FailureCode.BACKEND_UNREACHABLE))
            return
        if self._caller.paid and self._parts.limits.on_crash is InDoubt.FAIL and _cut_off(before, self._held.job):
            message = "A paid call was under way when its worker died; it may have been charged."
            await self._held.fail(FailureCode.ANSWER_LOST, message, charged=Charged.UNKNOWN)
            return
        planned = {call.index: call for call in plan_calls(self._held.job.request)}
        to_make = sum(planned[index].images for index in missing)
        for nth, index in enumerate(missing):
            if not await self._may_call(index, first=nth == 0):
                return
            self._progress.call_begins(planned[index], done=self._held.job.request.count - to_make)
            if not await self._make_one(planned[index]):
                return
            to_make -= planned[index].images
        await self._conclude(await self._stored())

    async def _may_call(self, index: int, *, first: bool) -> bool:
        """Whether to make a call; else the job has been parked or ended."""
        if self._draining:
            await self._park(LeaseReason.DRAIN)
            return False
        tries = self._held.job.paid_tries(index)
        if self._caller.paid and tries >= self._parts.limits.max_paid_calls:
            message = f"{tries} paid calls were made for one picture without an answer."
            await self._held.fail(FailureCode.PAID_CALLS_USED_UP, message, charged=Charged.UNKNOWN)
            return False
        # The permit that came with the claim is good for one call.
        verdict = None if first else await self._insist(lambda: self._parts.gate.again(self._permit))
        if isinstance(verdict, RetryAt):
            await self._park(LeaseReason.THROTTLED, verdict.delay_s)
            return False
        return True

    async def _make_one(self, planned: PlannedCall) -> bool:
        """Make one call and store what it gave; False when the attempt is over."""
        task_id = f"imaging-{self._held.job.id}-{self._held.job.attempt}-{planned.index}-{new_token()}"
        await self._held.write(lambda job: job.intending(planned.index, task_id))
        if self._held.job.cancel_requested:
            # The write met the request before any heartbeat did.
            self._caller.stop(StopReason.CANCEL)
        try:
            generated = await self._call(planned, task_id)
        except GenerationError as error:
            self._note_verdict(error)
            self._note_call(task_id, _state_after(error))
            await self._after_error(error)
            return False
        except OutOfTime as end:
            await self._after_time(task_id, sent=end.sent)
            return False
        except Stopped as stop:
            self._note_call(task_id, self._state_unanswered(sent=stop.sent))
            await self._after_stop(stop.reason)
            return False
        self.backend_ok = True
        self._note_call(task_id, CallState.ANSWERED, credits=generated.credits)
        return await self._store(planned, generated)

    async def _call(self, planned: PlannedCall, task_id: str) -> Generated:
        job = self._held.job
        call = GenerationCall(
            job_id=job.id,
            request=job.request,
            index=planned.index,
            images=planned.images,
            seed=(job.request.seed or 0) + planned.first_image,
            task_id=task_id,
            earlier_task_ids=tuple(c.task_id for c in job.calls if c.state is CallState.IN_DOUBT),
        )
        time_left_s = await self._time_left()
        await self._heart.be_sure()
        return await self._caller.make(call, time_left_s=time_left_s)

    async def _store(self, planned: PlannedCall, generated: Generated) -> bool:
        job_id, first = self._held.job.id, planned.first_image
        if self._parts.mark is not None:
            # Before the store sees them: size and sha256 are those of the file as it is handed out.
            generated = self._parts.mark(self._held.job, first, generated)
        try:
            await insist(lambda: self._parts.store.put(job_id, planned.index, generated, first_image=first))
        except Unavailable as error:
            # Made, perhaps paid for, and nowhere to put it: said plainly, and never made again without being asked.
            code = FailureCode.STORAGE_FULL if isinstance(error, StorageFull) else FailureCode.INTERNAL
            charged = Charged.YES if generated.credits else Charged.NO
            await self._held.fail(code, str(error), retryable=True, charged=charged)
            return False
        return True

    async def _time_left(self) -> float:
        now = await self._held.now()
        lease = self._held.job.lease
        since = lease.since if lease else now
        ends = [since + timedelta(seconds=self._held.job.run_timeout_s), self._held.job.deadline]
        return (min(end for end in ends if end is not None) - now).total_seconds()

    # --- what a call's end means -------------------------------------------------------------------------

    def _note_call(self, task_id: str, state: CallState, *, credits: float | None = None) -> None:  # noqa: A002
        # Goes to the repository with the next write: the store already tells the same after a crash.
        self._held.job = self._held.job.with_call(task_id, state, credits=credits)

    def _note_verdict(self, error: GenerationError) -> None:
        # Only a definite no is an answer of the backend's; being throttled, or a fault of ours, says nothing of its health.
        if isinstance(error, BackendThrottled) or error.code is FailureCode.INTERNAL:
            self.backend_ok = None
        else:
            self.backend_ok = isinstance(error, CallRejected)

    def _state_unanswered(self, *, sent: bool) -> CallState:
        if not sent:
            return CallState.REFUSED
        return CallState.IN_DOUBT if self._caller.paid else CallState.FAILED

    async def _doubt(self) -> Charged:
        """Whether any of the job's calls may have been charged without giving a picture."""
        if not self._held.in_doubt:
            return Charged.NO
        try:
            paid = (await self._generator.capabilities()).paid
        except Unavailable:
            paid = True
        return Charged.UNKNOWN if paid else Charged.NO

    async def _after_error(self, error: GenerationError) -> None:
        """Park the job for another go, or fail it."""
        now = await self._held.now()
        job = self._held.job
        if isinstance(error, BackendThrottled):
            await self._pause(PAUSE_S if error.retry_after_s is None else error.retry_after_s)
        refusals = sum(1 for f in job.failures if f.code in (FailureCode.BACKEND_UNREACHABLE, FailureCode.THROTTLED))
        park = self._parts.retry.decide(
            error,
            attempt=job.attempt,
            refusals=refusals,
            age_s=(now - (job.started_at or now)).total_seconds(),
            paid=self._caller.paid,
            lost=self._parts.limits.on_lost,
        )
        charged = error.charged if self._caller.paid else Charged.NO
        if park is None:
            await self._held.fail(error.code, str(error), retryable=error.retryable, charged=charged)
            return
        failure = await self._held.failure(error.code, str(error), retryable=True, charged=charged)
        log.info("An attempt failed and will be repeated.", extra=self._held.facts(code=error.code.value))
        shortest = SHORTEST_PAUSE_S if park.reason is LeaseReason.THROTTLED else 0.0
        await self._park(park.reason, max(shortest, park.delay_s), failure)

    async def _pause(self, seconds: float) -> None:
        backend, seconds = self._held.job.backend, min(max(seconds, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        await self._insist(lambda: self._parts.gate.pause(backend, seconds=seconds))

    async def _after_time(self, task_id: str, *, sent: bool) -> None:
        self._note_call(task_id, self._state_unanswered(sent=sent))
        if sent:
            self.backend_ok = False
        charged = Charged.UNKNOWN if sent and self._caller.paid else Charged.NO
        message = "The backend did not answer within the time the job was given."
        await self._held.fail(FailureCode.TIMEOUT, message, retryable=True, charged=charged)

    async def _after_stop(self, reason: StopReason) -> None:
        match reason:
            case StopReason.LOST:
                raise LeaseLost
            case StopReason.DRAIN:
                await self._park(LeaseReason.DRAIN)
            case StopReason.CANCEL:
                await self._held.cancel()

    async def _park(self, reason: LeaseReason, delay_s: float = 0.0, failure: JobFailure | None = None) -> None:
        await self._held.park(reason, delay_s, failure)
        self.again_in_s = delay_s if self._held.job.parked else None

    async def _conclude(self, stored: Sequence[StoredCall]) -> None:
        await self._held.end(lambda job, at: concluded(job, stored, now=at))

    # --- parts that may be away --------------------------------------------------------------------------

    async def _stored(self) -> Sequence[StoredCall]:
        return await self._insist(lambda: self._parts.store.find(self._held.job.id))

    async def _insist(self, action: Callable[[], Awaitable[T]]) -> T:
        try:
            return await insist(action)
        except Unavailable as error:
            raise _PartAway(str(error)) from error


def _cut_off(before: Job, after: Job) -> bool:
    """Whether adoption found a call that was under way when its worker died."""
    doubtful = {c.task_id for c in after.calls if c.state is CallState.IN_DOUBT}
    return any(c.state is CallState.INTENDED and c.task_id in doubtful for c in before.calls)


def _state_after(error: GenerationError) -> CallState:
    if isinstance(error, CallRefused):
        return CallState.REFUSED
    return CallState.FAILED if error.charged is Charged.NO else CallState.IN_DOUBT
