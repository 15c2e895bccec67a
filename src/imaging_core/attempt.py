"""One worker's go at one claimed job, from adoption to its end or its parking; imports stdlib, attrs and this package.

The order is what the promises stand on: adopt what is stored (where a call was ever begun), honour a cancel, refuse poison,
and then for each missing call write the intent, make the call, store the pictures, write the outcome. Every write carries
the lease token.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import attrs

from imaging_core.beside import end
from imaging_core.caller import Caller, OutOfTime, Stopped, StopReason, fault
from imaging_core.errors import (
    CallRefused,
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
from imaging_core.ids import new_token
from imaging_core.images import Generated, PlannedCall, StoredCall, plan_calls
from imaging_core.jobs import CallState, Job, LeaseReason
from imaging_core.outcome import concluded
from imaging_core.policies import InDoubt
from imaging_core.ports import (
    GenerationCall,
    Permit,
    RetryAt,
)
from imaging_core.progress import ProgressReporter
from imaging_core.runner_parts import RunnerParts
from imaging_core.setbacks import PartAway, Setbacks, insist_on_part
from imaging_core.stays import calls_here, crashes_here

log = logging.getLogger("imaging.runner")


class Attempt:
    """One claimed job in the hands of this worker."""

    def __init__(
        self, job: Job, permit: Permit, parts: RunnerParts, *, asked_at: float, earlier: "Attempt | None" = None
    ) -> None:
        """`asked_at` is when the permit was asked for, on the loop's clock.

        `earlier` is one at the same job that still runs here: this worker was frozen past its lease.
        """
        self._held = HeldJob(job, parts.jobs)
        self._earlier = earlier
        if earlier is not None:
            earlier._held.letting_go = True
        self._ended = asyncio.Event()
        self._permit, self._asked_at = permit, asked_at
        self._parts = parts
        self._generator = parts.generators[job.backend]
        self._draining = False
        self._progress = ProgressReporter(job, parts.events)
        self._caller = Caller(self._generator, self._progress.report, parts.store)
        self._heart = Heartbeat(
            self._held,
            permit,
            jobs=parts.jobs,
            gate=parts.gate,
            limits=parts.limits,
            cancelled=lambda: self._stop(StopReason.CANCEL),
            lost=lambda: self._stop(StopReason.LOST),
        )
        self._setbacks = Setbacks(self._held, self._caller, parts)
        #: For how long it must leave this worker to another job, in s; None when it need not.
        self.steps_aside_s: float | None = None

    @property
    def backend_ok(self) -> bool | None:
        """What the backend showed of itself: True answered, False let us down, None was not asked."""
        return self._setbacks.backend_ok

    @property
    def again_in_s(self) -> float | None:
        """When the parked job is worth another look, in s from now; None when it is not parked."""
        return self._setbacks.again_in_s

    @property
    def is_last_chance(self) -> bool:
        """Whether one more crash would make the job poison."""
        return crashes_here(self._held.job) >= self._parts.limits.max_crashes - 1 > 0

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
        self._stop(StopReason.DRAIN)

    def _stop(self, reason: StopReason) -> None:
        self._caller.stop(reason)
        if self._earlier is not None:
            self._earlier._stop(reason)

    async def run(self) -> Job:
        """Work until the job has ended or is parked.

        Raises LeaseLost when it became somebody else's, Unavailable when the repository was away for long.
        """
        beside = (self._heart.beside, self._progress.beside)
        for one in beside:
            one.start()
        try:
            await self._work_or_park()
        finally:
            self._ended.set()
            await end(*beside, facts=self._held.facts)
        return self._held.job

    # --- the order of work -------------------------------------------------------------------------------

    async def _work_or_park(self) -> None:
        try:
            await self._work()
        except PartAway as error:
            # No fault of the job's: left to its lease it would count as crashed, and as poison in the end.
            await self._setbacks.after_error(CallRefused(str(error), code=FailureCode.INTERNAL))
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001  # ended or parked within its attempts, instead of tried for ever
            log_fault(log, "An attempt met an unforeseen error.", error, self._held.facts())
            await self._setbacks.after_error(fault(self._held.job.backend, error, paid=self._caller.paid))

    async def _work(self) -> None:
        if self._earlier is not None:
            await self._outlast(self._earlier)
        before = self._held.job
        stored = await self._stored()
        job = self._held.job = before.adopting(stored)
        missing = job.missing_calls(stored)
        if not missing:
            await self._conclude(stored)
        elif job.cancel_requested:
            await self._held.cancel()
        elif self._is_poison():
            message = f"{crashes_here(job)} workers died or froze while they worked on this job."
            await self._held.fail(FailureCode.WORKER_CRASH, message, charged=await self._doubt())
        elif job.deadline is not None and await self._held.now() >= job.deadline:
            message = f"The job did not end within the {job.max_wait_s:g} s it was given."
            await self._held.fail(FailureCode.TIMEOUT, message, retryable=True, charged=await self._doubt())
        elif self.steps_aside_s is not None:
            await self._setbacks.park(LeaseReason.DRAIN, self.steps_aside_s)
        else:
            await self._make(missing, before, stored)

    def _is_poison(self) -> bool:
        """Whether the job is to blame for its crashes: enough attempts had begun a call, or there are twice as many.

        A worker that died before any call had no time to do anything with the job, and was mostly killed by a neighbour
        while this one stepped aside.
        """
        job, most = self._held.job, self._parts.limits.max_crashes
        crashes, begun = crashes_here(job), len({call.attempt for call in calls_here(job)})
        return min(crashes, begun) >= most or crashes >= 2 * most

    async def _outlast(self, earlier: "Attempt") -> None:
        """Hold the new lease until the call of an earlier attempt has ended here: what it stores is adopted, not made again."""
        log.info("The job's earlier attempt still runs here and is awaited.", extra=self._held.facts())
        await earlier._ended.wait()
        # It could not write what it learnt of its calls, since its lease was over.
        learnt = {call.task_id: call for call in earlier._held.job.calls}
        calls = tuple(learnt.get(call.task_id, call) for call in self._held.job.calls)
        self._held.job = attrs.evolve(self._held.job, calls=calls)

    async def _make(self, missing: Sequence[int], before: Job, stored: Sequence[StoredCall]) -> None:
        try:
            self._caller.paid = (await self._generator.capabilities()).paid
        except Unavailable as error:
            # The lists a backend keeps may be away while the job was accepted on an earlier answer.
            self._setbacks.backend_ok = False
            await self._setbacks.after_error(CallRefused(str(error), code=FailureCode.BACKEND_UNREACHABLE))
            return
        if self._caller.paid and self._parts.limits.on_crash is InDoubt.FAIL and _cut_off(before, self._held.job):
            message = "A paid call was under way when its worker died; it may have been charged."
            await self._held.fail(FailureCode.ANSWER_LOST, message, charged=Charged.UNKNOWN)
            return
        planned = {call.index: call for call in plan_calls(self._held.job.request)}
        to_make = sum(planned[index].images for index in missing)
        whole = {call.call: call for call in stored}
        for nth, index in enumerate(missing):
            if not await self._may_call(index, first=nth == 0):
                return
            self._progress.call_begins(planned[index], done=self._held.job.request.count - to_make)
            made = await self._make_one(planned[index])
            if made is None:
                return
            whole[index] = made
            to_make -= planned[index].images
        await self._conclude([whole[index] for index in sorted(whole)])

    async def _may_call(self, index: int, *, first: bool) -> bool:
        """Whether to make a call; else the job has been parked or ended."""
        if self._draining:
            await self._setbacks.park(LeaseReason.DRAIN)
            return False
        tries = self._held.job.paid_tries(index)
        if self._caller.paid and tries >= self._parts.limits.max_paid_calls:
            message = f"{tries} paid calls were made for one picture without an answer."
            await self._held.fail(FailureCode.PAID_CALLS_USED_UP, message, charged=Charged.UNKNOWN)
            return False
        # The permit that came with the claim is good for one call, if that is made soon enough to count as one of then.
        good = first and not self._is_stale()
        verdict = None if good else await insist_on_part(lambda: self._parts.gate.again(self._permit))
        if isinstance(verdict, RetryAt):
            await self._setbacks.park(LeaseReason.THROTTLED, verdict.delay_s)
            return False
        return True

    def _is_stale(self) -> bool:
        waited_s = asyncio.get_running_loop().time() - self._asked_at
        return self._permit.good_for_s is not None and waited_s > self._permit.good_for_s

    async def _make_one(self, planned: PlannedCall) -> StoredCall | None:
        """Make one call and store what it gave, or what another stored of it first; None when the attempt is over."""
        task_id = f"imaging-{self._held.job.id}-{self._held.job.attempt}-{planned.index}-{new_token()}"
        await self._held.write(lambda job: job.intending(planned.index, task_id))
        if self._held.job.cancel_requested:
            # The write met the request before any heartbeat did.
            self._caller.stop(StopReason.CANCEL)
        try:
            generated = await self._call(planned, task_id)
        except GenerationError as error:
            await self._setbacks.after_call(task_id, error)
            return None
        except OutOfTime as end:
            await self._setbacks.after_time(task_id, sent=end.sent)
            return None
        except Stopped as stop:
            await self._setbacks.after_stop(task_id, stop.reason, sent=stop.sent)
            return None
        self._setbacks.backend_ok = True
        self._held.note_call(task_id, CallState.ANSWERED, credits=generated.credits)
        try:
            return await self._store(planned, generated)
        except GenerationError as error:
            # The pictures' proof found that they are no good: the call ends as if it had said so itself.
            await self._setbacks.after_call(task_id, error)
            return None

    async def _call(self, planned: PlannedCall, task_id: str) -> Generated:
        job = self._held.job
        call = GenerationCall(
            job_id=job.id,
            request=job.request,
            index=planned.index,
            images=planned.images,
            seed=(job.request.seed or 0) + planned.first_image,
            task_id=task_id,
            instance=self._permit.instance,
            earlier_task_ids=tuple(c.task_id for c in job.calls if c.state is CallState.IN_DOUBT),
            # A store that was written before there were proofs does not know the word.
            proof_later=getattr(self._parts.store, "asks_proof", False),
        )
        time_left_s = await self._time_left()
        if self._caller.paid and not self._parts.call_times.fits(job.backend, job.request, time_left_s):
            # It would most likely be cut off: paid for, and for nothing.
            raise OutOfTime(sent=False)
        await self._heart.be_sure()
        clock = asyncio.get_running_loop().time
        begun = clock()
        generated = await self._caller.make(call, time_left_s=time_left_s)
        self._parts.call_times.note(job.backend, job.request, clock() - begun)
        return generated

    async def _store(self, planned: PlannedCall, generated: Generated) -> StoredCall | None:
        job_id, first = self._held.job.id, planned.first_image
        if self._parts.mark is not None:
            # Before the store sees them: size and sha256 are those of the file as it is handed out.
            generated = self._parts.mark(self._held.job, first, generated)
        try:
            return await insist(lambda: self._parts.store.put(job_id, planned.index, generated, first_image=first))
        except Unavailable as error:
            # Made, perhaps paid for, and nowhere to put it: said plainly, and never made again without being asked.
            code = FailureCode.STORAGE_FULL if isinstance(error, StorageFull) else FailureCode.INTERNAL
            charged = Charged.YES if generated.credits else Charged.NO
            await self._held.fail(code, str(error), retryable=True, charged=charged)
            return None

    async def _time_left(self) -> float:
        now = await self._held.now()
        lease = self._held.job.lease
        since = lease.since if lease else now
        ends = [since + timedelta(seconds=self._held.job.run_timeout_s), self._held.job.deadline]
        return (min(end for end in ends if end is not None) - now).total_seconds()

    async def _doubt(self) -> Charged:
        """Whether any of the job's calls may have been charged without giving a picture."""
        if not self._held.in_doubt:
            return Charged.NO
        try:
            paid = (await self._generator.capabilities()).paid
        except Unavailable:
            paid = True
        return Charged.UNKNOWN if paid else Charged.NO

    async def _conclude(self, stored: Sequence[StoredCall]) -> None:
        await self._held.end(lambda job, at: concluded(job, stored, now=at))

    async def _stored(self) -> Sequence[StoredCall]:
        if await self._parts.jobs.never_called(self._held.job):
            return ()
        return await insist_on_part(lambda: self._parts.store.find(self._held.job.id))


def _cut_off(before: Job, after: Job) -> bool:
    """Whether adoption found a call that was under way when its worker died."""
    doubtful = {c.task_id for c in after.calls if c.state is CallState.IN_DOUBT}
    return any(c.state is CallState.INTENDED and c.task_id in doubtful for c in before.calls)
