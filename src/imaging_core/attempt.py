"""One worker's go at one claimed job, from adoption to its end or its parking; imports stdlib, attrs and this package.

The order is what the promises stand on: adopt what is stored, honour a cancel, refuse poison, and then for each missing
call write the intent, make the call, store the pictures, write the outcome. Every write carries the lease token.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta

import attrs

from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    CallFailed,
    CallRefused,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    LeaseLost,
    StorageFull,
    Unavailable,
)
from imaging_core.events import EventKind
from imaging_core.held import HeldJob, insist
from imaging_core.images import Generated, PlannedCall, StoredCall, plan_calls
from imaging_core.jobs import CallState, Job, JobFailure, LeaseReason, new_token
from imaging_core.policies import InDoubt, RetryPolicy, RunLimits
from imaging_core.ports import (
    BackendGate,
    GenerationCall,
    Generators,
    ImageGenerator,
    ImageStore,
    JobEvents,
    JobRepository,
    Permit,
    RetryAt,
)
from imaging_core.progress import ProgressReporter

log = logging.getLogger("imaging.runner")

#: How long a backend gets to stop its own task after a cancel or a time-out, in s.
STOP_GRACE_S = 10.0


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


class _Stopped(Exception):
    """The call was stopped from outside, by a cancel or a hand-over; `sent` tells whether it had begun."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class Attempt:
    """One claimed job in the hands of this worker."""

    def __init__(self, job: Job, permit: Permit, parts: RunnerParts) -> None:
        self._held = HeldJob(job, parts.jobs)
        self._permit = permit
        self._parts = parts
        self._generator: ImageGenerator = parts.generators[job.backend]
        self._paid = False
        self._calling: asyncio.Task[Generated] | None = None
        self._stop: str | None = None
        self._lost = False
        self._draining = False
        self._nudged = asyncio.Event()
        self._progress = ProgressReporter(job, parts.events)
        #: What the backend showed of itself: True answered, False let us down, None was not asked.
        self.backend_ok: bool | None = None
        #: When the parked job is worth another look, in s from now.
        self.again_in_s: float | None = None

    # --- from outside ------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Beat now: somebody may have asked for a cancel."""
        self._nudged.set()

    def drain(self) -> None:
        """Make no further call; hand the rest over to another worker."""
        self._draining = True

    def hand_over(self) -> None:
        """Stop the running call too, unless it costs money."""
        self.drain()
        if not self._paid:
            self._stop_call("drain")

    async def run(self) -> Job:
        """Work until the job has ended or is parked. Raises LeaseLost when it became somebody else's."""
        beats = asyncio.create_task(self._beat())
        progress = asyncio.create_task(self._progress.run())
        try:
            await self._work()
        finally:
            for task in (beats, progress):
                task.cancel()
            await asyncio.gather(beats, progress, return_exceptions=True)
        return self._held.job

    # --- the order of work -------------------------------------------------------------------------------

    async def _work(self) -> None:
        limits = self._parts.limits
        before = self._held.job
        stored = await insist(lambda: self._parts.store.find(before.id))
        self._held.job = before.adopting(stored)
        missing = self._held.job.missing_calls(stored)
        now = await self._held.now()
        if not missing:
            await self._succeed(stored)
        elif self._held.job.cancel_requested:
            await self._held.cancel()
        elif self._held.job.crashes >= limits.max_crashes:
            message = f"{self._held.job.crashes} workers died or froze while they worked on this job."
            await self._held.fail(FailureCode.WORKER_CRASH, message, charged=self._held.doubt)
        elif self._held.job.deadline is not None and now >= self._held.job.deadline:
            message = f"The job did not end within the {self._held.job.max_wait_s:g} s it was given."
            await self._held.fail(FailureCode.TIMEOUT, message, retryable=True)
        else:
            await self._make(missing, before)

    async def _make(self, missing: Sequence[int], before: Job) -> None:
        try:
            capabilities = await self._generator.capabilities()
        except Unavailable as error:
            # The lists a backend keeps may be away while the job was accepted on an earlier answer.
            refused = CallRefused(str(error), code=FailureCode.BACKEND_UNREACHABLE)
            self.backend_ok = False
            await self._after_error(refused)
            return
        self._paid = capabilities.paid
        if self._paid and self._parts.limits.on_crash is InDoubt.FAIL and _cut_off(before, self._held.job):
            message = "A paid call was under way when its worker died; it may have been charged."
            await self._held.fail(FailureCode.ANSWER_LOST, message, charged=Charged.UNKNOWN)
            return
        planned = {call.index: call for call in plan_calls(self._held.job.request)}
        for nth, index in enumerate(missing):
            if self._draining:
                await self._park(LeaseReason.DRAIN)
                return
            if nth and not await self._may_call_again():
                return
            if self._paid and self._held.job.paid_tries(index) >= self._parts.limits.max_paid_calls:
                message = f"{self._held.job.paid_tries(index)} paid calls were made for one picture without an answer."
                await self._held.fail(FailureCode.PAID_CALLS_USED_UP, message, charged=Charged.UNKNOWN)
                return
            if not await self._make_one(planned[index]):
                return
        await self._succeed(await insist(lambda: self._parts.store.find(self._held.job.id)))

    async def _may_call_again(self) -> bool:
        verdict = await insist(lambda: self._parts.gate.again(self._permit))
        if isinstance(verdict, RetryAt):
            await self._park(LeaseReason.THROTTLED, verdict.delay_s)
            return False
        return True

    async def _make_one(self, planned: PlannedCall) -> bool:
        """Make one call and store what it gave; False when the attempt is over."""
        task_id = f"imaging-{self._held.job.id}-{self._held.job.attempt}-{planned.index}-{new_token()}"
        await self._held.write(lambda job: job.intending(planned.index, task_id))
        self._progress.call_begins(planned)
        try:
            generated = await self._call(planned, task_id)
        except GenerationError as error:
            self._note_verdict(error)
            self._note_call(task_id, _state_after(error))
            await self._after_error(error)
            return False
        except _Stopped as stop:
            state = CallState.FAILED if stop.sent else CallState.REFUSED
            self._note_call(task_id, CallState.IN_DOUBT if self._paid and stop.sent else state)
            await self._after_stop()
            return False
        self.backend_ok = True
        self._note_call(task_id, CallState.ANSWERED, credits=generated.credits)
        try:
            first = planned.first_image
            await insist(lambda: self._parts.store.put(self._held.job.id, planned.index, generated, first_image=first))
        except StorageFull as error:
            charged = Charged.YES if generated.credits else Charged.NO
            await self._held.fail(FailureCode.STORAGE_FULL, str(error), retryable=True, charged=charged)
            return False
        return True

    def _note_call(self, task_id: str, state: CallState, *, credits: float | None = None) -> None:  # noqa: A002
        # Goes to the repository with the next write: the store already tells the same after a crash.
        self._held.job = self._held.job.with_call(task_id, state, credits=credits)

    async def _call(self, planned: PlannedCall, task_id: str) -> Generated:
        request = self._held.job.request
        earlier = tuple(c.task_id for c in self._held.job.calls if c.state is CallState.IN_DOUBT)
        call = GenerationCall(
            job_id=self._held.job.id,
            request=request,
            index=planned.index,
            images=planned.images,
            seed=(request.seed or 0) + planned.first_image,
            task_id=task_id,
            earlier_task_ids=earlier,
        )
        if self._stop:
            raise _Stopped(sent=False)
        if self._lost:
            raise LeaseLost
        self._calling = task = asyncio.create_task(self._generator.generate(call, report=self._progress.report))
        try:
            done, _ = await asyncio.wait({task}, timeout=await self._time_left())
            if not done:
                raise self._timed_out()
            return task.result()
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            if self._lost:
                raise LeaseLost from None
            raise _Stopped(sent=True) from None
        finally:
            self._calling = None
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=STOP_GRACE_S)

    def _timed_out(self) -> GenerationError:
        message = "The backend did not answer within the time the job was given."
        kind = AnswerLost if self._paid else CallFailed
        charged = Charged.UNKNOWN if self._paid else Charged.NO
        return kind(message, code=FailureCode.TIMEOUT, retryable=False, charged=charged)

    async def _time_left(self) -> float:
        now = await self._held.now()
        lease = self._held.job.lease
        since = lease.since if lease else now
        ends = [since + timedelta(seconds=self._held.job.run_timeout_s), self._held.job.deadline]
        return max(0.0, (min(end for end in ends if end is not None) - now).total_seconds())

    # --- what a call's end means -------------------------------------------------------------------------

    def _note_verdict(self, error: GenerationError) -> None:
        # Only a definite no is an answer of the backend's; being throttled says nothing of its health.
        self.backend_ok = None if isinstance(error, BackendThrottled) else isinstance(error, CallRejected)

    async def _after_error(self, error: GenerationError) -> None:
        """Park the job for another go, or fail it."""
        now = await self._held.now()
        limits = self._parts.limits
        if isinstance(error, BackendThrottled):
            seconds = 60.0 if error.retry_after_s is None else error.retry_after_s
            await insist(lambda: self._parts.gate.pause(self._held.job.backend, seconds=seconds))
        refusals = sum(
            1 for f in self._held.job.failures if f.code in (FailureCode.BACKEND_UNREACHABLE, FailureCode.THROTTLED)
        )
        park = self._parts.retry.decide(
            error,
            attempt=self._held.job.attempt,
            refusals=refusals,
            age_s=(now - (self._held.job.started_at or now)).total_seconds(),
            paid=self._paid,
            lost=limits.on_lost,
        )
        charged = error.charged if self._paid else Charged.NO
        if park is None:
            await self._held.fail(error.code, str(error), retryable=error.retryable, charged=charged)
            return
        failure = await self._held.failure(error.code, str(error), retryable=True, charged=charged)
        log.info("An attempt failed and will be repeated.", extra=self._held.facts(code=error.code.value))
        await self._park(park.reason, park.delay_s, failure)

    async def _after_stop(self) -> None:
        if self._stop == "drain":
            await self._park(LeaseReason.DRAIN)
            return
        stored = await insist(lambda: self._parts.store.find(self._held.job.id))
        if self._held.job.missing_calls(stored):
            await self._held.cancel()
        else:
            await self._succeed(stored)

    async def _park(self, reason: LeaseReason, delay_s: float = 0.0, failure: JobFailure | None = None) -> None:
        await self._held.park(reason, delay_s, failure)
        self.again_in_s = delay_s

    async def _succeed(self, stored: Sequence[StoredCall]) -> None:
        images = tuple(image for call in stored for image in call.images)
        filtered = sum(call.filtered for call in stored)
        if filtered:
            count = "The picture was" if filtered == 1 and not images else f"{filtered} of the pictures were"
            charged = Charged.YES if self._held.job.credits else Charged.NO
            message = f"{count} filtered by the provider."
            if not images:
                await self._held.fail(FailureCode.CONTENT_FILTERED, message, charged=charged)
                return
            failure = await self._held.failure(FailureCode.CONTENT_FILTERED, message, charged=charged)
            self._held.job = self._held.job.with_failure(failure)
        await self._held.end(lambda job, at: job.succeeded(images, now=at), EventKind.FINISHED)

    # --- the heartbeat -----------------------------------------------------------------------------------

    async def _beat(self) -> None:
        limits = self._parts.limits
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), limits.heartbeat_s)
            self._nudged.clear()
            try:
                beat = await self._parts.jobs.beat(self._held.job.id, token=self._held.token, lease_s=limits.lease_s)
                await self._parts.gate.beat(self._permit)
            except LeaseLost:
                self._lose()
                return
            except Unavailable as error:
                log.warning("A heartbeat got no answer: %s", error, extra=self._held.facts())
                continue
            if beat.cancel_requested:
                self._stop_call("cancel")

    def _lose(self) -> None:
        self._lost = True
        log.warning("The lease was lost: another worker has the job.", extra=self._held.facts())
        # A paid answer under way is worth storing: the new owner adopts it. A free one only holds up the backend.
        if not self._paid and self._calling:
            self._calling.cancel()

    def _stop_call(self, reason: str) -> None:
        self._stop = self._stop or reason
        if self._calling:
            self._calling.cancel()


def _cut_off(before: Job, after: Job) -> bool:
    """Whether adoption found a call that was under way when its worker died."""
    doubtful = {c.task_id for c in after.calls if c.state is CallState.IN_DOUBT}
    return any(c.state is CallState.INTENDED and c.task_id in doubtful for c in before.calls)


def _state_after(error: GenerationError) -> CallState:
    if isinstance(error, CallRefused):
        return CallState.REFUSED
    return CallState.FAILED if error.charged is Charged.NO else CallState.IN_DOUBT
