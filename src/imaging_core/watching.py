"""Follows one job by its events, looking only at what no event tells; imports stdlib, attrs and this package's values."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

from imaging_core.errors import UnknownCursor
from imaging_core.events import JobEvent
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobEvents
from imaging_core.views import JobView

#: How often a started job's progress is looked at, in s.
PROGRESS_EVERY_S = 0.4
#: How often a queued job's place is looked at, in s.
PLACE_EVERY_S = 2.0


async def watched(events: JobEvents, job_id: str, view: Callable[[], Awaitable[JobView]]) -> AsyncIterator[JobView]:
    """What `view` gives, now and whenever it changes, until the job has ended. Raises what `view` raises."""
    last: JobView | None = None
    while last is None or not last.job.status.terminal:
        # A place in the log from before the first look: what happens from here on is told.
        after = await events.cursor()
        async with subscribed(events, job_id=job_id, after=after) as stream:
            following = _Following(events, stream, job_id, view)
            try:
                async for seen in following.views():
                    if seen != last:
                        last = seen
                        yield seen
            except UnknownCursor:
                # The log went on without us: how things are is looked at anew.
                continue
            finally:
                await following.aclose()


class _Following:
    """One subscription and the looks beside it."""

    def __init__(
        self,
        events: JobEvents,
        stream: AsyncIterator[JobEvent],
        job_id: str,
        view: Callable[[], Awaitable[JobView]],
    ) -> None:
        self._events = events
        self._stream = stream
        self._job_id = job_id
        self._view = view
        self._next: asyncio.Task[JobEvent] | None = None

    async def views(self) -> AsyncIterator[JobView]:
        """How the job is seen, over and over, until it has ended. Raises UnknownCursor when the log was too fast."""
        view = await self._view()
        yield view
        while not view.job.status.terminal:
            started = view.job.status is JobStatus.STARTED
            if await self._something_happened(PROGRESS_EVERY_S if started else PLACE_EVERY_S) or not started:
                view = await self._view()
            elif (progress := await self._events.progress(self._job_id)) is not None:
                view = attrs.evolve(view, progress=progress, eta_s=progress.eta_s)
            yield view

    async def _something_happened(self, within_s: float) -> bool:
        if self._next is None:
            self._next = asyncio.ensure_future(self._read())
        await asyncio.wait({self._next}, timeout=within_s)
        if not self._next.done():
            # Left as it is: cancelling a read would end the subscription.
            return False
        event, self._next = self._next, None
        event.result()
        return True

    async def _read(self) -> JobEvent:
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            raise UnknownCursor("The event log told no more. Read the job and subscribe anew.") from None

    async def aclose(self) -> None:
        """Stop reading."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


@asynccontextmanager
async def subscribed(
    events: JobEvents, *, job_id: str | None = None, after: str | None = None
) -> AsyncIterator[AsyncIterator[JobEvent]]:
    """Events of one job or of all, the subscription closed in the end if there is something to close."""
    stream = events.subscribe(job_id=job_id, after=after)
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
