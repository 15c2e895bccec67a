"""One reader of the event feed: what waits for it, within bounds; imports Starlette's types and this package."""

import asyncio
from collections import deque

from starlette.types import Receive

from entrypoints.api.event_frames import Frame

#: Events that may wait for one reader; one that falls further behind is sent away and resumes from the log.
ROOM = 256


class Listener:
    """A mailbox. Lives on the event loop; nobody who fills it ever waits."""

    __slots__ = ("__weakref__", "_lossy", "_seen", "_sees", "_waiting", "_woken", "closed", "job_id", "key")

    def __init__(self, *, job_id: str | None, sees: str | None, key: str | None = None) -> None:
        self.job_id = job_id
        #: The key that it counts for, if any.
        self.key = key
        self._sees = sees
        self._waiting: deque[Frame] = deque()
        #: The newest progress of each job; told after what waits.
        self._lossy: dict[str, Frame] = {}
        #: Versions that the reader knows already from a first look of its own.
        self._seen: dict[str, int] = {}
        self._woken = asyncio.Event()
        #: Whether it is given nothing more.
        self.closed = False

    def wants(self, job_id: str, owner: str | None) -> bool:
        """Whether an event of that job is for this reader."""
        return self.job_id in (None, job_id) and self._sees in (None, owner)

    def knows(self, job_id: str, version: int) -> None:
        """The reader has seen that version: it is told of nothing before it, or status would seem to go back."""
        self._seen[job_id] = max(version, self._seen.get(job_id, 0))
        stale = [frame for frame in self._waiting if frame.job_id == job_id and frame.version < version]
        for frame in stale:
            self._waiting.remove(frame)
        if (progress := self._lossy.get(job_id)) is not None and progress.version < version:
            del self._lossy[job_id]

    def tell(self, frame: Frame) -> None:
        """Hand it one more event; never waits."""
        if self.closed or frame.version < self._seen.get(frame.job_id, 0):
            return
        if frame.lossy:
            self._lossy[frame.job_id] = frame
        elif len(self._waiting) < ROOM:
            self._waiting.append(frame)
            self._lossy.pop(frame.job_id, None)
            if frame.terminal:
                self._seen.pop(frame.job_id, None)
        else:
            self.close()
        self._woken.set()

    def close(self) -> None:
        """Hand it nothing more; what waits can still be taken."""
        self.closed = True
        self._woken.set()

    async def close_with(self, receive: Receive) -> None:
        """Close it once the client has gone away; what else it sends is thrown away."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.close()

    async def take(self, within_s: float) -> list[Frame]:
        """What waits, in order, as soon as there is something; nothing when the time is over or the mailbox is closed."""
        if not self._waiting and not self._lossy and not self.closed:
            self._woken.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._woken.wait()
            except TimeoutError:
                return []
        frames = [*self._waiting, *self._lossy.values()]
        self._waiting.clear()
        self._lossy.clear()
        return frames
