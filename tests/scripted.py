"""A generator that does what a test tells it, and the whole core around it in memory, in virtual time.

May import the core, the neighbouring modules of the tests and the standard library.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from contracts.samples import a_picture
from imaging_core.capabilities import Capabilities
from imaging_core.dispatcher import Dispatcher
from imaging_core.errors import Unavailable
from imaging_core.events import EventKind, JobEvent
from imaging_core.ids import new_token
from imaging_core.images import Generated, ImageRequest
from imaging_core.jobs import Job, JobStatus
from imaging_core.memory import MemoryGate, MemoryImageStore, MemoryJobEvents, MemoryJobQueue, MemoryJobRepository
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.policies import GateLimits, RetryPolicy, RunLimits
from imaging_core.ports import GenerationCall, ImageGenerator, QueueLimits, Report
from imaging_core.runner import Held, Idle, JobRunner, Ran
from imaging_core.runner_parts import RunnerParts
from imaging_core.service import ImagingService
from imaging_core.sweep import Sweeper
from virtual_time import calendar, loop_time

#: What a generator does with one call.
Act = Callable[[GenerationCall, Report], Awaitable[Generated]]

PARAMETERS = (
    Parameter(name="prompt", kind=ParameterKind.TEXT, required=True, max_length=1000),
    Parameter(name="steps", kind=ParameterKind.INTEGER, default=20, minimum=1, maximum=150),
    Parameter(name="count", kind=ParameterKind.INTEGER, default=1, minimum=1, maximum=8),
)


def pictures(call: GenerationCall, *, credits: float = 0.0, filtered: tuple[int, ...] = ()) -> Generated:  # noqa: A002
    """What the call asks for: pictures that depend on their seed; those at `filtered` blurred by the provider."""
    made = (a_picture(seed=call.seed + k, filtered=k in filtered) for k in range(call.images))
    return Generated(images=tuple(made), credits=credits)


class ScriptedGenerator:
    """Does what was put on its script, one item for each call, and then gives pictures for ever."""

    def __init__(self, backend: str = "alpha", *, credits: float = 0.0, images_per_call: int = 4) -> None:  # noqa: A002
        self.backend = backend
        self.credits = credits
        self.can = Capabilities(
            backend=backend, title="Scripted", parameters=PARAMETERS, images_per_call=images_per_call, paid=credits > 0
        )
        #: Every call it got, in order.
        self.calls: list[GenerationCall] = []
        #: Pictures it gave, by job and call; for a paid one, what was charged for.
        self.answered: Counter[tuple[str, int]] = Counter()
        self._script: deque[Act] = deque()

    def then(self, *acts: Act | BaseException) -> "ScriptedGenerator":
        """Do this at the calls that come next: an act, or an error to raise."""
        self._script.extend(_raising(act) if isinstance(act, BaseException) else act for act in acts)
        return self

    async def capabilities(self) -> Capabilities:
        """What it can do now."""
        return self.can

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Do what comes next on the script."""
        self.calls.append(call)
        generated = await (self._script.popleft() if self._script else self.answer)(call, report)
        self.answered[call.job_id, call.index] += 1
        return generated

    async def answer(self, call: GenerationCall, report: Report) -> Generated:
        """Give what was asked for, at its price."""
        return pictures(call, credits=self.credits)

    async def probe(self) -> str:
        """Whether it answers now."""
        return "The script is at hand."


def _raising(error: BaseException) -> Act:
    async def act(call: GenerationCall, report: Report) -> Generated:
        raise error

    return act


def lasting(seconds: float, **result: object) -> Act:
    """An act that takes so long."""

    async def act(call: GenerationCall, report: Report) -> Generated:
        await asyncio.sleep(seconds)
        return pictures(call, **result)  # type: ignore[arg-type]

    return act


class Stubborn:
    """An act that goes on until it is let go, whatever else happens; `cancelled` counts the wishes to stop."""

    def __init__(self, **result: object) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.cancelled = 0
        self._result = result

    async def __call__(self, call: GenerationCall, report: Report) -> Generated:
        """Wait, and then give the pictures."""
        self.begun.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        return pictures(call, **self._result)  # type: ignore[arg-type]


class Hanging:
    """An act that never ends by itself; `stopped` tells that it was cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self, call: GenerationCall, report: Report) -> Generated:
        """Wait to be cancelled."""
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.stopped.set()
        raise AssertionError("nobody lets go of it")


def never_certain(world: "World") -> None:
    """Let the repository be as one that may have lost what it acknowledged."""

    async def never_called(job: Job) -> bool:
        return False

    world.jobs.never_called = never_called  # type: ignore[method-assign]


def away(
    port: object, method: str, *, times: int = 10**9, for_s: float = 1e9, error: BaseException | None = None
) -> list[float]:
    """Let a port's method fail, so many times at most and for so long; gives the moments of all calls from now on."""
    real = getattr(port, method)
    until = loop_time() + for_s
    moments: list[float] = []

    async def disturbed(*args: object, **kwargs: object) -> object:
        moments.append(loop_time())
        if len(moments) <= times and loop_time() < until:
            raise error or Unavailable(f"{method} is away.")
        return await real(*args, **kwargs)

    setattr(port, method, disturbed)
    return moments


class World:
    """One repository, store, gate and service, and any number of workers beside them."""

    def __init__(
        self,
        *generators: ImageGenerator,
        limits: RunLimits | None = None,
        gates: GateLimits | None = None,
        max_bytes: int | None = None,
        queue_limits: QueueLimits | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
        **retry: float,
    ) -> None:
        self.generators = {g.backend: g for g in generators or (ScriptedGenerator(),)}
        self.limits = limits or RunLimits()
        self.events = MemoryJobEvents()
        self.jobs = MemoryJobRepository(self.events, calendar)
        self.store = MemoryImageStore(max_bytes)
        self.gate = MemoryGate({}, gates or GateLimits(slots=4), clock=loop_time)
        self.queue = MemoryJobQueue()
        self.retry = RetryPolicy(**retry)  # type: ignore[arg-type]
        self.service = ImagingService(
            jobs=self.jobs,
            queue=self.queue,
            events=self.events,
            store=self.store,
            gate=self.gate,
            generators=self.generators,
            limits=self.limits,
            queue_limits=queue_limits,
            admit=admit,
        )
        self._since = self.events.subscribe()

    def runner(self, worker: str = "worker") -> JobRunner:
        """One more worker."""
        return JobRunner(
            RunnerParts(
                jobs=self.jobs,
                store=self.store,
                gate=self.gate,
                events=self.events,
                generators=self.generators,
                worker=worker,
                limits=self.limits,
                retry=self.retry,
            )
        )

    def dispatcher(self, slots: int = 1, runner: JobRunner | None = None) -> Dispatcher:
        """The slots of a worker, for all backends."""
        return Dispatcher(
            runner or self.runner(), self.sweeper, self.events, dict.fromkeys(self.generators, slots), sweep_s=2.0
        )

    @property
    def sweeper(self) -> Sweeper:
        """What finds the lost."""
        return Sweeper(self.jobs, self.store, self.limits)

    async def submit(self, *, backend: str = "alpha", max_wait_s: float | None = None, **request: object) -> Job:
        """Queue a job."""
        asked = ImageRequest(prompt="a lighthouse", **request)  # type: ignore[arg-type]
        return await self.service.submit(asked, backend=backend, max_wait_s=max_wait_s)

    async def run(self, runner: JobRunner | None = None, backend: str = "alpha") -> Ran:
        """Run the next job, which must be there, once."""
        outcome = await (runner or self.runner()).run_next(backend)
        assert isinstance(outcome, Ran), outcome
        return outcome

    async def run_to_end(self, job: Job, *, runner: JobRunner | None = None) -> Job:
        """Run it again and again, waiting as told in between, until it has ended."""
        runner = runner or self.runner()
        while not (job := await self.jobs.get(job.id)).status.terminal:
            match await runner.run_next(job.backend):
                case Ran(again_in_s=again) if again is not None:
                    await asyncio.sleep(again)
                case Held(delay_s=delay):
                    await asyncio.sleep(delay)
                case Idle():
                    await asyncio.sleep(1.0)
        return job

    async def claim_and_die(self, times: int = 1, *, calling: bool = False) -> Job:
        """Claim the next job as a worker that is never heard of again, and wait until its lease has run out.

        `calling`: it died with a call under way, else before it began one.
        """
        job = await self.jobs.claim_next("alpha", worker="dead", token=new_token(), lease_s=self.limits.lease_s)
        assert job is not None
        if calling:
            await self.jobs.save(job.intending(0, new_token()))
        await asyncio.sleep(self.limits.lease_s)
        return await (self.claim_and_die(times - 1, calling=calling) if times > 1 else self.jobs.get(job.id))

    async def told(self) -> list[JobEvent]:
        """The events since the last time this was asked."""
        found = []
        while True:
            try:
                async with asyncio.timeout(0):
                    found.append(await anext(self._since))
            except TimeoutError:
                return found

    async def kinds(self) -> list[EventKind]:
        """The kinds of the events since the last time."""
        return [event.kind for event in await self.told()]


def a_call(job: Job, index: int = 0, images: int = 1) -> GenerationCall:
    """A call of that job, as a worker would have made it."""
    seed = (job.request.seed or 0) + index * images
    return GenerationCall(job_id=job.id, request=job.request, index=index, images=images, seed=seed, task_id="earlier")


async def under_way(world: World, act: Hanging | Stubborn, runner: JobRunner) -> "asyncio.Task[Ran]":
    """A run of the next job, begun with its call."""
    running = asyncio.create_task(world.run(runner))
    await act.begun.wait()
    return running


async def settled() -> None:
    """Return when everything that is ready has been done."""
    for _ in range(100):
        await asyncio.sleep(0)


async def finished(world: World, *jobs: Job, within_s: float = 60.0) -> float:
    """Wait for the end of all the jobs; when that was."""
    async with asyncio.timeout(within_s):
        views = [[view async for view in world.service.watch(job.id)] for job in jobs]
    assert {seen[-1].job.status for seen in views} == {JobStatus.FINISHED}
    ended = [seen[-1].job.finished_at for seen in views]
    created = jobs[0].created_at
    return max((end - created).total_seconds() for end in ended if end)
