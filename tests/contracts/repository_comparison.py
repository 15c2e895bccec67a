"""How a repository and the one in memory are asked the same, and their answers compared, while both change.

May import Hypothesis, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

import attrs
from hypothesis.stateful import RuleBasedStateMachine

from contracts.samples import NOON, a_job
from imaging_core.errors import ImagingError, QueueFull
from imaging_core.jobs import Job
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.ports import JobEvents, JobQuery, JobRepository

T = TypeVar("T")

#: A job that nobody stored.
UNKNOWN = a_job(id="f" * 32, version=1)


@attrs.frozen
class Read:
    """One job as both repositories gave it."""

    model: Job
    real: Job


class RepositoryComparison(RuleBasedStateMachine):
    """The comparison. With `margin_s` of 0 both share one clock and every time must be equal to the microsecond.

    Otherwise `wait` really waits; times are not compared, nothing is done within the margin of a moment that matters,
    and an example in which the machine was too busy to keep to that is given up.
    """

    tick_s: ClassVar[float] = 10.0
    margin_s: ClassVar[float] = 0.0
    #: Answers compared so far, over all examples.
    compared: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.time = NOON
        self.runner = asyncio.Runner()
        self.model_events = MemoryJobEvents()
        self.model: JobRepository = MemoryJobRepository(self.model_events, lambda: self.time)
        self.real, self.real_events = self.runner.run(self.open())
        self.places = self.runner.run(self.ends())
        self.reads: list[Read] = []
        self.count = 0
        self.deleted = False
        self.given_up = False
        self.key_ends: list[datetime] = []

    async def open(self) -> tuple[JobRepository, JobEvents]:
        """The repository to compare, empty, with its events; on the clock `self.time` when `margin_s` is 0."""
        raise NotImplementedError("supply the repository to compare")

    async def close(self) -> None:
        """Close what `open` opened."""

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)

    def teardown(self) -> None:
        """Close the repository and its event loop."""
        try:
            self.runner.run(self.close())
        finally:
            self.runner.close()

    # --- how both are asked, and answers compared --------------------------------------------------------

    def compare(
        self,
        use: Callable[[JobRepository, Job], Awaitable[T]],
        read: Read | None = None,
        *,
        by: Callable[[T], object] = lambda answer: answer,
    ) -> tuple[T, T] | None:
        """What both answer, being equal; None when both refuse for the same reason, and once the example is given up."""
        either = read or Read(UNKNOWN, UNKNOWN)

        async def answers() -> tuple[T | str, T | str] | None:
            await self.settle()
            expected = await outcome(use(self.model, either.model))
            actual = await outcome(use(self.real, either.real))
            spent = await self.real.now() - self.time
            in_time = not self.margin_s or spent < timedelta(seconds=self.margin_s / 2)
            return (expected, actual) if in_time else None

        both = None if self.given_up else self.runner.run(answers())
        if both is None:
            self.given_up = True
            return None
        expected, actual = both
        type(self).compared += 1
        if isinstance(expected, str) or isinstance(actual, str):
            assert expected == actual
            return None
        assert by(expected) == by(actual)
        return expected, actual

    def compare_jobs(
        self, use: Callable[[JobRepository, Job], Awaitable[Job | None]], read: Read | None = None
    ) -> None:
        """Compare the jobs both answer with, and remember them."""
        model, real = self.compare(use, read, by=self.blurred) or (None, None)
        if model is not None and real is not None:
            self.reads.append(Read(model, real))

    async def settle(self) -> None:
        """Go on once no moment that matters is within the margin."""
        self.time = await self.real.now()
        margin = timedelta(seconds=self.margin_s)
        while margin and any(abs(moment - self.time) < margin for moment in await self.moments()):
            await asyncio.sleep(self.margin_s)
            self.time = await self.real.now()

    async def moments(self) -> list[datetime]:
        """When something happens by itself."""
        jobs = (await self.model.list(JobQuery(limit=1000))).jobs
        ends = [job.lease.until for job in jobs if job.lease]
        return [*ends, *(job.overdue_at for job in jobs if job.overdue_at), *self.key_ends]

    def blurred(self, job: Job | None) -> Job | None:
        """The job, without the times that two clocks cannot agree on."""
        if job is None or not self.margin_s:
            return job
        lease = job.lease and attrs.evolve(job.lease, since=NOON, until=NOON)
        return attrs.evolve(job, lease=lease, started_at=job.started_at and NOON)

    def pick(self, number: tuple[bool, int]) -> Read:
        """One of the jobs read, the newest reads first; one that is not stored while there is none."""
        if not self.reads:
            return Read(UNKNOWN, UNKNOWN)
        latest = {read.model.id: read for read in self.reads}
        fresh = [read for read in latest.values() if not read.model.status.terminal]
        reads = fresh if number[0] and fresh else self.reads
        return reads[-1 - number[1] % len(reads)]

    def token(self, read: Read, which: str) -> str | None:
        """The token to show: the job's own, none, or one it never had."""
        lease = read.model.lease
        return {"own": lease.token if lease else None, "": None}.get(which, which)

    async def ends(self) -> tuple[str, str]:
        """Where both logs end."""
        return await self.model_events.cursor(), await self.real_events.cursor()


async def outcome(answer: Awaitable[T]) -> T | str:
    """What is answered, or the name of the error that is raised."""
    try:
        return await answer
    except QueueFull as error:
        return f"QueueFull mine={error.mine}"
    except ImagingError as error:
        return type(error).__name__
