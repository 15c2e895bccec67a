"""One reading of the event log per process, told to every stream and every long wait; imports stdlib and the core."""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from entrypoints.api.closing import Closing
from entrypoints.api.event_frames import PROGRESS, Frame, frame_of, gone
from entrypoints.api.event_listener import Listener
from entrypoints.api.open_jobs import OpenJobs
from entrypoints.api.problems import Problem
from imaging_core.errors import ImagingError, JobDeleted, JobNotFound, Unavailable, UnknownCursor, UnreadableJob
from imaging_core.events import JobEvent
from imaging_core.faults import log_fault
from imaging_core.service import ImagingService, JobView
from imaging_core.watching import subscribed

log = logging.getLogger("imaging.api")

#: Streams and long looks of one key at a time, in one process: plenty for a page, and a bound for a client that leaks them.
MOST_PER_KEY = 200
#: Events remembered for readers that come back soon, which then cost the log nothing.
_REMEMBERED = 1024
#: Missed events that are told one by one; who missed more begins with a look at how things are.
MOST_MISSED = 2000
#: Longest time to find out what a reader missed, in s.
_CATCH_UP_S = 5.0
#: Wait before the log is asked again after it did not answer, in s.
_AGAIN_S = 0.5
#: Longest cursor that is worth asking the log about, in characters.
_LONGEST_CURSOR = 64


class EventFeed:
    """Follows the log from the first reader on, and ends when the API stops.

    Each event's job is read once, and only if somebody listens; what goes out is encoded once. An event that its job
    has already left behind is passed over, since the one that moved the job follows: so an event's kind and the status
    beside it agree, and each ending is told once.
    """

    def __init__(self, service: ImagingService, closing: Closing, *, most_per_key: int = MOST_PER_KEY) -> None:
        """`most_per_key` is how many may listen with one key."""
        self._most_per_key = most_per_key
        self._of_key: Counter[str] = Counter()
        self._service = service
        self._closing = closing
        self._of_all: set[Listener] = set()
        self._of_job: dict[str, set[Listener]] = {}
        #: Up to where the log was told; empty before the start.
        self._position = ""
        self._moved = asyncio.Event()
        self._remembered: OrderedDict[str, JobEvent] = OrderedDict()
        self._open = OpenJobs(service, wanted=self._wanted, changed=self._progressed)
        self._running: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._of_all) + sum(map(len, self._of_job.values()))

    async def start(self) -> None:
        """Follow the log from now on, if it is not followed yet.

        Raises Unavailable when the log does not answer, or the API stops.
        """
        async with self._starting:
            if self._closing.begun:
                raise Unavailable("The service is being stopped. Ask again in a moment.")
            if self._running is None or self._running.done():
                self._position = await self._service.events.cursor()
                self._running = asyncio.create_task(self._run(), name="imaging-event-feed")

    # --- listening ---------------------------------------------------------------------------------------

    @contextmanager
    def listening(self, *, job_id: str | None = None, key: str | None = None) -> Iterator[Listener]:
        """A mailbox for what comes from now on, while inside. Raises Problem (429) as `join` does."""
        listener = self.join(job_id=job_id, key=key)
        try:
            yield listener
        finally:
            self.leave(listener)

    def join(self, *, job_id: str | None = None, sees: str | None = None, key: str | None = None) -> Listener:
        """A mailbox for what comes from now on, until it is left.

        Raises Problem (429) when too many listen with that key already.
        """
        if key is not None:
            if self._of_key[key] >= self._most_per_key:
                detail = f"Streams and waits of one key may be {self._most_per_key} at a time. End one of them first."
                raise Problem("too-many-requests", 429, detail, headers={"retry-after": "5"})
            self._of_key[key] += 1
        listener = Listener(job_id=job_id, sees=sees, key=key)
        (self._of_all if job_id is None else self._of_job.setdefault(job_id, set())).add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more; leaving again does nothing."""
        listener.close()
        if listener.key is not None:
            self._of_key[listener.key] -= 1
            # Counted once, however often it is left.
            self._of_key, listener.key = +self._of_key, None
        self._of_all.discard(listener)
        group = self._of_job.get(listener.job_id or "")
        if group is not None:
            group.discard(listener)
            if not group:
                self._of_job.pop(listener.job_id or "", None)

    def note(self, view: JobView) -> None:
        """A reader was told this by a look of its own: from here on it is told what changes without an event."""
        self._open.note(view)

    @property
    def position(self) -> str:
        """Up to where the log was told."""
        return self._position

    # --- coming back -------------------------------------------------------------------------------------

    async def abreast(self) -> None:
        """Return once everything is told that is in the log now, or it takes too long."""
        end = await self._service.events.cursor()
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                while end != self._position and end not in self._remembered:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            log.debug("The feed is behind the log.")

    async def missed(self, after: str) -> Sequence[JobEvent] | None:
        """Everybody's events from after that place up to where the feed is now.

        None for a place that the log does not hold, or so far back that looking at how things are is cheaper.
        """
        until = self._position
        if after == until:
            return []
        if after in self._remembered:
            cursors = list(self._remembered)
            later = cursors[cursors.index(after) + 1 :]
            return [self._remembered[cursor] for cursor in later]
        if len(after) > _LONGEST_CURSOR:
            return None
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                return await self._from_log(after, until)
        except (UnknownCursor, TimeoutError):
            return None

    async def _from_log(self, after: str, until: str) -> list[JobEvent] | None:
        events: list[JobEvent] = []
        async with subscribed(self._service.events, after=after) as stream:
            async for event in stream:
                events.append(event)
                if event.cursor == until:
                    return events
                if len(events) >= MOST_MISSED:
                    break
        return None

    async def frames(self, events: Iterable[JobEvent]) -> list[tuple[JobEvent, Frame]]:
        """Those of these events that are still worth telling, each job being read once."""
        views: dict[str, JobView | None] = {}
        told = []
        for event in events:
            if event.job_id not in views:
                views[event.job_id] = await self._view(event.job_id)
            if (frame := _frame(event, views[event.job_id])) is not None:
                told.append((event, frame))
        return told

    # --- following ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # narrows for the type checker; this runs as a task
        with self._closing.telling(partial(_cancel, task)):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._open.watch())

    async def _follow(self) -> None:
        while True:
            try:
                async with subscribed(self._service.events, after=self._position) as stream:
                    async for event in stream:
                        await self._tell(event)
            except UnknownCursor:
                await self._begin_anew()
            except ImagingError as error:
                log.warning("Event streams are late: %s", error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task, and every stream hangs on it
                log_fault(log, "The event feed failed.", error, {})
                await self._begin_anew()
            await asyncio.sleep(_AGAIN_S)

    async def _begin_anew(self) -> None:
        """The log went on without us: every reader comes back and is told how things are."""
        try:
            self._position = await self._service.events.cursor()
        except Unavailable as error:
            log.warning("Event streams are late: %s", error)
            return
        self._remembered.clear()
        for listener in self._everybody():
            listener.close()

    async def _tell(self, event: JobEvent) -> None:
        self._open.happened(event.backend)
        frame = None
        if self._wanted(event.job_id, event.owner):
            view = await self._view(event.job_id)
            frame = _frame(event, view)
            if view is None:
                self._open.forget(event.job_id)
            else:
                self._open.note(view)
        self._position = event.cursor
        self._remembered[event.cursor] = event
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        self._moved.set()
        if frame is not None:
            self._hand_out(frame)

    async def _view(self, job_id: str) -> JobView | None:
        """The job as it stands; None once it is gone, or when a newer version wrote it. Raises Unavailable."""
        try:
            return await self._service.view(job_id)
        except (JobNotFound, JobDeleted, UnreadableJob):
            return None

    def _progressed(self, view: JobView) -> None:
        self._hand_out(frame_of(view, PROGRESS))

    def _hand_out(self, frame: Frame) -> None:
        for listener in self._readers_of(frame.job_id):
            if listener.wants(frame.job_id, frame.owner):
                listener.tell(frame)

    def _wanted(self, job_id: str, owner: str | None) -> bool:
        return any(listener.wants(job_id, owner) for listener in self._readers_of(job_id))

    def _readers_of(self, job_id: str) -> tuple[Listener, ...]:
        return (*self._of_all, *self._of_job.get(job_id, ()))

    def _everybody(self) -> tuple[Listener, ...]:
        return (*self._of_all, *(listener for group in self._of_job.values() for listener in group))


def _frame(event: JobEvent, view: JobView | None) -> Frame | None:
    """What is told of an event; None when the job has moved on, so that a later event tells it."""
    if view is None:
        return gone(event) if event.terminal else None
    return frame_of(view, event.kind.value, cursor=event.cursor) if view.job.status is event.status else None


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
