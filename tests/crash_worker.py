"""A worker that dies, freezes or meets a cancel at a chosen step: the real runner, touching the world through a guard.

May import the core, the neighbouring modules of the tests and the standard library.
"""

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from contracts.samples import a_picture
from imaging_core.capabilities import Capabilities
from imaging_core.errors import CallRejected, FailureCode
from imaging_core.ids import new_job_id
from imaging_core.images import Generated
from imaging_core.jobs import Job
from imaging_core.memory import MemoryImageStore, MemoryJobEvents, MemoryJobRepository
from imaging_core.policies import RetryPolicy, RunLimits
from imaging_core.ports import GenerationCall, ImageStore, JobRepository, Report
from imaging_core.runner import Idle, JobRunner
from imaging_core.runner_parts import RunnerParts
from scripted import PARAMETERS
from virtual_time import EPOCH

if TYPE_CHECKING:
    from crash_witness import Play

BACKEND = "alpha"
#: Where a job goes that is moved.
OTHER = "beta"
#: No timer of a worker's fires within a plan: heartbeats come when a step calls for one.
NEVER_S = 3600.0
#: How long leases and permits last, in s.
LEASE_S = 15.0


class Crash(BaseException):
    """The process is gone; nothing may catch this."""


class BrokenPromise(BaseException):
    """The witness saw what must not be; nothing may catch this either."""


class Stage(Protocol):
    """The adapters that plans are played on; one stage serves any number of plans."""

    #: How long a lease lasts here, in s.
    lease_s: float
    #: Where the pictures are.
    store: ImageStore
    #: Looks on, and does what a door does.
    reader: JobRepository

    def worker_jobs(self) -> JobRepository:
        """The repository as one more process has it."""
        ...

    async def outlast(self) -> None:
        """Let the time of a lease pass."""
        ...


class Clock:
    """A clock that is set forward by hand."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> datetime:
        return self.now

    def outlast(self) -> None:
        """Go on to where a lease that begins now has run out."""
        self.now += timedelta(seconds=LEASE_S)


class MemoryStage:
    """Everything in memory, unless other adapters are given."""

    lease_s = LEASE_S

    def __init__(self, kind: type[MemoryJobRepository] = MemoryJobRepository, store: ImageStore | None = None) -> None:
        self._clock = Clock()
        self.reader: JobRepository = kind(MemoryJobEvents(), self._clock)
        self.store: ImageStore = store or MemoryImageStore()

    def worker_jobs(self) -> JobRepository:
        """All workers have the same."""
        return self.reader

    async def outlast(self) -> None:
        """Set the clock forward."""
        self._clock.outlast()


#: What befalls a worker at a step.
Blow = Callable[["Worker"], Awaitable[None]]
#: The worker on whose behalf something happens, in its tasks and in the threads they start.
ACTING: ContextVar["Worker | None"] = ContextVar("ACTING", default=None)


async def die(worker: "Worker") -> None:
    """The worker's process ends here."""
    worker.die()


async def freeze(worker: "Worker") -> None:
    """The worker's process stands still until it is thawed."""
    worker.frozen.set()
    await worker.thawed.wait()


async def cancel(worker: "Worker") -> None:
    """Somebody asks for a cancel, and the worker is told."""
    await worker.play.cancel()
    worker.runner.nudge(worker.play.job.id)


async def look_to_move(worker: "Worker") -> None:
    """Somebody reads the job, to move it."""
    await worker.play.look_to_move()


async def move(worker: "Worker") -> None:
    """It is moved as it was read, unless that is refused."""
    await worker.play.move()


async def look_and_move(worker: "Worker") -> None:
    """Both at once."""
    await worker.play.look_to_move()
    await worker.play.move()


class Worker:
    """One worker process, which takes one ring where the job is now."""

    def __init__(self, play: "Play", blows: Mapping[int, Blow]) -> None:
        self.play = play
        self.backend = play.job.backend
        self.points: list[str] = []
        self.frozen = asyncio.Event()
        self.thawed = asyncio.Event()
        #: Calls whose intent this worker has written.
        self.intended: set[int] = set()
        #: Calls it has sent.
        self.sent: set[int] = set()
        #: Calls that were stored when it claimed the job: those it must have found.
        self.stored_at_claim: set[int] = set()
        self._blows = blows
        self._dead = asyncio.Event()
        #: Whether it found nothing to do.
        self.idle = False
        stage = play.stage
        jobs = Guard(stage.worker_jobs(), self, {"claim_next": "claim", "beat": "beat", "save": "save"})
        store = Guard(stage.store, self, {"put": "put"})
        gate = Guard(play.gate, self, {"enter": "enter", "again": "again", "leave": "leave"})
        self._beaten = asyncio.Event()
        self.runner = JobRunner(
            RunnerParts(
                jobs=cast("Any", jobs),
                store=cast("Any", store),
                gate=cast("Any", gate),
                events=cast("Any", Guard(play.events, self, {})),
                generators={self.backend: PlayedGenerator(self)},
                worker=f"worker-{new_job_id()[-4:]}",
                limits=RunLimits(lease_s=NEVER_S, heartbeat_s=NEVER_S, run_timeout_s=NEVER_S),
                retry=RetryPolicy(stranded_s=0.001),
            )
        )

    @property
    def was_frozen(self) -> bool:
        """Whether it stood still at some step."""
        return self.frozen.is_set()

    async def live(self) -> None:
        """Take one ring; return when that is done, or when the process is gone."""
        ACTING.set(self)
        running = asyncio.create_task(self.runner.run_next(self.backend))
        dying = asyncio.create_task(self._dead.wait())
        await asyncio.wait({running, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if self._dead.is_set():
            running.cancel()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        if isinstance(ended, BaseException) and not (self._dead.is_set() and isinstance(ended, Crash | CancelledError)):
            raise ended
        if self.play.broken:
            raise BrokenPromise(self.play.broken)
        self.idle = isinstance(ended, Idle)

    def die(self) -> None:
        """End here and now."""
        self.play.note_death(self)
        self._dead.set()
        raise Crash

    # --- steps -------------------------------------------------------------------------------------------

    async def step(self, name: str, action: Callable[[], Awaitable[Any]]) -> Any:
        """A durable step: something may happen before it, and after it."""
        await self.point(f"before {name}")
        try:
            if name == "claim":
                self.stored_at_claim = await self.play.stored()
            result = await action()
            await self.point(f"after {name}")
        finally:
            if name == "beat":
                self._beaten.set()
        return result

    async def point(self, name: str) -> None:
        """A moment at which the plan may strike, and at which the witness looks."""
        self.must_live()
        self.points.append(name)
        blow = self._blows.get(len(self.points) - 1)
        await self.play.look()
        if blow is not None:
            await blow(self)
            self.must_live()

    def point_in_thread(self, name: str) -> None:
        """The same within a step that runs in a thread; there only death may strike."""
        self.must_live()
        self.points.append(name)
        if self._blows.get(len(self.points) - 1) is die:
            self.play.note_death(self)
            self.play.loop.call_soon_threadsafe(self._dead.set)
            raise Crash

    def must_live(self) -> None:
        """A dead process does nothing more."""
        if self._dead.is_set():
            raise Crash

    async def beat(self) -> None:
        """Have a heartbeat now, and go on after it."""
        self._beaten.clear()
        self.runner.nudge(self.play.job.id)
        await self._beaten.wait()


class Guard:
    """A port as one worker has it: the durable methods are steps."""

    def __init__(self, port: object, worker: Worker, steps: Mapping[str, str]) -> None:
        self._port = port
        self._worker = worker
        self._steps = steps

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method, worker = getattr(self._port, name), self._worker

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            worker.must_live()
            if name not in self._steps:
                return await method(*args, **kwargs)
            if "lease_s" in kwargs:
                # What the worker thinks of its lease does not matter here: plans alone say what comes when.
                kwargs["lease_s"] = worker.play.stage.lease_s
            return await worker.step(_label(self._steps[name], args, worker), lambda: method(*args, **kwargs))

        return guarded


def _label(step: str, args: Sequence[Any], worker: Worker) -> str:
    if step != "save":
        return step
    job: Job = args[0]
    if job.status.terminal or job.parked or not job.calls:
        return f"save {job.status}"
    worker.intended.add(job.calls[-1].index)
    return f"save intent {job.calls[-1].index}"


class PlayedGenerator:
    """Charges when it is sent a call, has a heartbeat on the way, and makes a picture unlike any other.

    While the play has it refuse, it turns calls away as one whose key is not accepted.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.backend = worker.backend

    async def capabilities(self) -> Capabilities:
        """What it can do."""
        paid = self._worker.play.paid
        return Capabilities(backend=self.backend, title="Played", parameters=PARAMETERS, images_per_call=1, paid=paid)

    async def probe(self) -> str:
        """Whether it answers."""
        return "It plays."

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """One call."""
        worker, play = self._worker, self._worker.play
        await worker.point(f"before call {call.index}")
        if play.refuses(worker):
            raise CallRejected("It does not accept the key.", code=FailureCode.NOT_AUTHORIZED)
        worker.sent.add(call.index)
        await play.note_sent(worker, call.index)
        await worker.point(f"during call {call.index}")
        await worker.beat()
        await worker.point(f"after call {call.index}")
        picture = a_picture(seed=call.seed + 1000 * sum(play.charges.values()))
        return Generated(images=(attrs.evolve(picture, seed=call.seed),), credits=1.0 if play.paid else 0.0)
