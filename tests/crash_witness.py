"""What a job lived through under one plan, and the witness who reads it before and after every step.

May import the core, the neighbouring modules of the tests and the standard library.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping

import attrs

from crash_worker import BACKEND, LEASE_S, NEVER_S, OTHER, Blow, BrokenPromise, Stage, Worker
from imaging_core.errors import FailureCode, ImageNotAvailable, JobConflict, StaleJob
from imaging_core.ids import new_job_id
from imaging_core.images import ImageRef, ImageRequest, plan_calls
from imaging_core.jobs import Job, JobStatus
from imaging_core.memory import MemoryGate, MemoryJobEvents
from imaging_core.moves import Move
from imaging_core.opened import whole
from imaging_core.policies import GateLimits


@attrs.define
class Play:
    """One job under one plan, and what the witness saw."""

    stage: Stage
    pictures: int
    paid: bool
    #: Which of the workers' calls are turned away, counted from 0; then the job may go to another backend.
    refused: frozenset[int] = frozenset()
    job: Job = attrs.field(init=False)
    events: MemoryJobEvents = attrs.field(factory=MemoryJobEvents)
    gate: MemoryGate = attrs.field(init=False)
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop)
    workers: list[Worker] = attrs.field(factory=list)
    #: Calls that were charged, by index.
    charges: Counter[int] = attrs.field(factory=Counter)
    #: Charged calls whose worker died before their picture was stored, by index.
    cut_off: Counter[int] = attrs.field(factory=Counter)
    #: Workers that died with the job in their hands.
    crashes: int = 0
    #: The first promise that was seen broken.
    broken: str | None = None
    #: Where the cancel was accepted: the point it came at, and the calls sent by then.
    cancelled_at: str | None = None
    sent_at_cancel: int = 0
    #: The job as somebody read it who wants to move it.
    read: Job | None = None
    _dying: list[Worker] = attrs.field(factory=list)
    _clock: float = 0.0

    async def begin(self) -> None:
        """Queue the job."""
        # Every permit that leaks is taken back after its lease; with one slot a leak that is not would stop the play.
        self.gate = MemoryGate({}, GateLimits(slots=1, permit_lease_s=LEASE_S), clock=lambda: self._clock)
        request = ImageRequest(prompt="a lighthouse", seed=1, count=self.pictures)
        now = await self.stage.reader.now()
        new = Job(
            id=new_job_id(),
            backend=BACKEND,
            request=request,
            created_at=now,
            run_timeout_s=NEVER_S,
            asked=request if self.refused else None,
        )
        self.job = await self.stage.reader.add(new)

    async def send_worker(self, blows: Mapping[int, Blow]) -> Worker:
        """One more worker takes a ring, to whatever end."""
        worker = self.worker(blows)
        await worker.live()
        await self._count_cut_off()
        await self.look()
        return worker

    def worker(self, blows: Mapping[int, Blow]) -> Worker:
        """One more worker, not yet at work."""
        self.workers.append(Worker(self, blows))
        return self.workers[-1]

    async def outlast(self) -> None:
        """Let leases and permits run out."""
        self._clock += LEASE_S
        await self.stage.outlast()

    async def cancel(self) -> None:
        """A door's cancel; one that comes after the end is refused, and counts as none."""
        job = await self.stage.reader.get(self.job.id)
        try:
            asked = job.cancel(now=await self.stage.reader.now())
        except JobConflict:
            return
        if asked != job:
            await self.stage.reader.save(asked)
        self.cancelled_at = self.workers[-1].points[-1]
        self.sent_at_cancel = sum(self.charges.values())

    def refuses(self, worker: Worker) -> bool:
        """Whether that worker's calls are turned away."""
        return self.workers.index(worker) in self.refused

    async def look_to_move(self) -> None:
        """Read the job as whoever moves it does."""
        self.read = await self.stage.reader.get(self.job.id)

    async def move(self) -> None:
        """Move it as it was read; by no means when a call of it may have been charged, or when it changed since."""
        assert self.read is not None
        move = Move(left=self.read.backend, backend=OTHER, reason="No key.", at=await self.stage.reader.now())
        try:
            await self.stage.reader.move(self.read.moved(move, self.read.request))
        except (JobConflict, StaleJob):
            return
        self.must(not self.charges, "a job was moved of which a call had been sent")
        await self.look()

    # --- the witness -------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read the job as anybody may: R6 and R7."""
        before, job = self.job, await self.stage.reader.get(self.job.id)
        self.must(job.status.rank >= before.status.rank, f"the status fell from {before.status} to {job.status}")
        self.must(not before.status.terminal or job == before, "a job that had ended was changed")
        self.job = job
        if job.status is JobStatus.FINISHED:
            self.must(len(job.images) == self.pictures, "a finished job lacks pictures")
            for ref in job.images:
                self.must(await self._whole(ref), "a finished job's picture is not what its record says")

    async def _whole(self, ref: ImageRef) -> bool:
        try:
            data = await whole(await self.stage.store.open(ref))
        except ImageNotAvailable:
            return False
        return (len(data), hashlib.sha256(data).hexdigest()) == (ref.size, ref.sha256)

    async def stored(self) -> set[int]:
        """The calls whose pictures are stored."""
        return {call.call for call in await self.stage.store.find(self.job.id)}

    async def note_sent(self, worker: Worker, index: int) -> None:
        """A call is on its way: R8, and half of R9."""
        self.must(index not in worker.stored_at_claim, f"call {index} was made again although it is stored")
        self.must(index in worker.intended, f"call {index} was made before its intent was written")
        left = worker.backend != (await self.stage.reader.get(self.job.id)).backend
        self.must(not left, f"call {index} was made at a backend that the job had left")
        self.charges[index] += 1

    def note_death(self, worker: Worker) -> None:
        """A worker dies; which of its calls it takes along is settled when the store can be asked."""
        if "after claim" in worker.points and self.job.status is JobStatus.STARTED and not self.job.parked:
            self.crashes += 1
        self._dying.append(worker)

    async def _count_cut_off(self) -> None:
        for worker in self._dying:
            self.cut_off.update(worker.sent - await self.stored())
        self._dying.clear()

    async def judge(self) -> None:
        """The end: one terminal status, and the promises that count."""
        job, planned = self.job, {call.index for call in plan_calls(self.job.request)}
        stored = await self.stored()
        self.must(job.status.terminal, "the job never ended")
        self.must(not self.paid or max(self.charges.values(), default=0) <= 2, "more paid calls than allowed")
        if self.cancelled_at is not None:
            self._judge_cancel(complete=stored == planned)
        elif not any(worker.was_frozen for worker in self.workers):
            for index in planned:
                exact = self.charges[index] == (index in stored) + self.cut_off[index]
                self.must(exact, f"call {index} was charged for nothing")
            self.must(job.crashes == self.crashes, f"{self.crashes} crashes were counted as {job.crashes}")
            self.must(job.attempt == self.crashes + 1, f"{self.crashes} crashes gave {job.attempt} attempts")
            finished = job.status is JobStatus.FINISHED
            self.must(finished == (stored == planned), "stored pictures were thrown away")
        if job.status is JobStatus.FAILED:
            self._judge_failure()

    def _judge_cancel(self, *, complete: bool) -> None:
        assert self.cancelled_at is not None
        self.must(complete or self.job.status is JobStatus.CANCELLED, f"a cancelled job has {self.job.status}")
        # Between the answer to the intent and the call itself nobody can be told any more.
        last_moment = self.cancelled_at.startswith(("before call", "after save intent"))
        late = sum(self.charges.values()) - self.sent_at_cancel
        self.must(late <= last_moment, "a call was sent after the cancel")

    def _judge_failure(self) -> None:
        assert self.job.failure is not None
        code = self.job.failure.code
        poison = code is FailureCode.WORKER_CRASH and self.job.crashes == 3
        if self.refused and code is FailureCode.NOT_AUTHORIZED:
            self.must(not self.job.cost_nothing, "a job failed that could have been moved")
            return
        self.must(poison or (self.paid and code is FailureCode.PAID_CALLS_USED_UP), f"the job failed with {code}")

    def must(self, kept: bool, otherwise: str) -> None:
        """Raise BrokenPromise unless this holds; the first one is remembered, wherever it is raised."""
        if not kept:
            self.broken = self.broken or otherwise
            raise BrokenPromise(otherwise)
