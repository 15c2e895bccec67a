"""The whole service inside the caller's own process, on in-memory adapters unless given others; imports this package.

async with open_imaging(MyGenerator()) as imaging:
    job = await imaging.submit(ImageRequest(prompt="a lighthouse"), backend="mine")
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from imaging_core.dispatcher import Dispatcher
from imaging_core.memory import (
    MemoryGate,
    MemoryImageStore,
    MemoryJobEvents,
    MemoryJobQueue,
    MemoryJobRepository,
    MemoryQueueHistory,
    MemoryWorkerBook,
)
from imaging_core.moving import Mover
from imaging_core.observing import QueueHistory, WorkerBook
from imaging_core.policies import GateLimits, RetryPolicy, RunLimits
from imaging_core.ports import ImageGenerator, ImageStore, JobQueue
from imaging_core.pulse import Pulse
from imaging_core.routing import AutoPolicy
from imaging_core.runner import JobRunner
from imaging_core.runner_parts import Mark, RunnerParts
from imaging_core.service import ImagingService
from imaging_core.sweep import Sweeper


@asynccontextmanager
async def open_imaging(
    *generators: ImageGenerator,
    store: ImageStore | None = None,
    slots: Mapping[str, int] | None = None,
    limits: RunLimits | None = None,
    retry: RetryPolicy | None = None,
    grace_s: float = 5.0,
    mark: Mark | None = None,
    auto: AutoPolicy | None = None,
) -> AsyncIterator[ImagingService]:
    """A service over these generators, with its jobs in memory and, unless told otherwise, its pictures too.

    `slots` says how many calls at a time each backend takes (1 unless named). On leaving, running jobs get `grace_s`.
    `auto` says what counts in the choice for requests to the backend "auto"; by default the generators in their order.
    With a `provenance.Marker` as `mark`, every picture says how it was made.
    Raises ValueError when two generators go by one name.
    """
    by_name = _by_name(generators)
    slots = {name: (slots or {}).get(name, 1) for name in by_name}
    limits = limits or RunLimits()
    events, queue = MemoryJobEvents(), MemoryJobQueue()
    parts = RunnerParts(
        jobs=MemoryJobRepository(events),
        store=store or MemoryImageStore(),
        gate=MemoryGate({name: GateLimits(slots=count) for name, count in slots.items()}),
        events=events,
        generators=by_name,
        worker="embedded",
        limits=limits,
        retry=retry or RetryPolicy(),
        mark=mark,
    )
    workers, history = MemoryWorkerBook(), MemoryQueueHistory()
    service = _service(parts, queue, auto or AutoPolicy(order=tuple(by_name)), workers, history)
    sweeper, pulse = Sweeper(parts.jobs, parts.store, limits), Pulse(parts.jobs, workers, history)
    dispatcher = Dispatcher(JobRunner(parts), sweeper, events, slots, sweep_s=limits.sweep_s)
    stop_listening = queue.listen(dispatcher.ring)
    living = pulse.live(parts.worker, "", dispatcher.slots, lambda: dispatcher.free)
    moving = Mover(service).run(every_s=limits.sweep_s)
    async with _beside(dispatcher.run(), moving, pulse.watch(tuple(by_name)), living):
        try:
            yield service
        finally:
            stop_listening()
            await service.close()
            await dispatcher.drain(grace_s)


def _by_name(generators: Sequence[ImageGenerator]) -> dict[str, ImageGenerator]:
    by_name = {generator.backend: generator for generator in generators}
    if len(by_name) < len(generators):
        raise ValueError(f"Two generators go by one name: {', '.join(sorted(g.backend for g in generators))}.")
    return by_name


def _service(
    parts: RunnerParts, queue: JobQueue, auto: AutoPolicy, workers: WorkerBook, history: QueueHistory
) -> ImagingService:
    """Over the same ports as the runner."""
    return ImagingService(
        jobs=parts.jobs,
        queue=queue,
        events=parts.events,
        store=parts.store,
        gate=parts.gate,
        generators=parts.generators,
        limits=parts.limits,
        auto=auto,
        workers=workers,
        history=history,
    )


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have all of that done beside what is within, and cancel it after."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
