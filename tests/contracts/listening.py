"""Reads event streams for as long as a promise needs them, and never longer.

May import the standard library and the core.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from imaging_core.events import JobEvent
from imaging_core.ports import JobEvents

#: Longest wait for an event that must come, in s.
PATIENCE_S = 10.0


@asynccontextmanager
async def subscribed(
    events: JobEvents, *, job_id: str | None = None, after: str | None = None
) -> AsyncIterator[AsyncIterator[JobEvent]]:
    """A subscription that is closed in the end, if there is something to close."""
    stream = events.subscribe(job_id=job_id, after=after)
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


async def take(stream: AsyncIterator[JobEvent], count: int) -> list[JobEvent]:
    """The next `count` events; TimeoutError when they do not come."""
    async with asyncio.timeout(PATIENCE_S):
        return [await anext(stream) for _ in range(count)]


async def told(events: JobEvents, *, after: str, count: int, job_id: str | None = None) -> list[JobEvent]:
    """The first `count` events after a place of the log."""
    async with subscribed(events, job_id=job_id, after=after) as stream:
        return await take(stream, count)
