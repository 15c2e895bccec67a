"""Who listens in this process, and how far each job has come; imports stdlib and imaging_core.

Lives on the event loop alone: every call is made there, so nothing here needs a lock.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imaging_core.events import JobEvent, JobProgress

#: Unread events that are held for one subscriber; one that falls behind further reads on from the log.
HELD = 1024
#: Jobs whose progress is remembered; far more than can run at a time.
PROGRESS_KEPT = 1024


class Subscriber:
    """The mailbox of one subscription."""

    def __init__(self) -> None:
        self.unread: deque[JobEvent] = deque()
        #: Whether events were dropped because too many were unread.
        self.behind = False
        self.woken = asyncio.Event()

    def tell(self, event: JobEvent) -> None:
        """Hand it one more event; never waits."""
        if len(self.unread) >= HELD:
            self.unread.clear()
            self.behind = True
        elif not self.behind:
            self.unread.append(event)
        self.woken.set()

    def caught_up(self) -> None:
        """From here on what it is handed is whole again: it reads everything before from the log."""
        self.unread.clear()
        self.behind = False


class Subscribers:
    """Hands out committed events, and remembers the newest progress."""

    def __init__(self) -> None:
        self._of_all: set[Subscriber] = set()
        self._of_job: dict[str, set[Subscriber]] = {}
        self._progress: OrderedDict[str, JobProgress] = OrderedDict()

    @contextmanager
    def subscribed(self, job_id: str | None) -> Iterator[Subscriber]:
        """A mailbox for the events of one job or of all, while inside."""
        subscriber = Subscriber()
        group = self._of_all if job_id is None else self._of_job.setdefault(job_id, set())
        group.add(subscriber)
        try:
            yield subscriber
        finally:
            group.discard(subscriber)
            if job_id is not None and not group:
                self._of_job.pop(job_id, None)

    def tell(self, events: Sequence[JobEvent]) -> None:
        """Hand out what was committed."""
        for event in events:
            if event.terminal:
                self._progress.pop(event.job_id, None)
            for subscriber in (*self._of_all, *self._of_job.get(event.job_id, ())):
                subscriber.tell(event)

    def wake_all(self) -> None:
        """Make everyone look again, because the database closes."""
        for group in (self._of_all, *self._of_job.values()):
            for subscriber in group:
                subscriber.woken.set()

    def publish(self, progress: JobProgress) -> None:
        """Remember how far a job has come; the jobs not heard of for longest are forgotten."""
        self._progress[progress.job_id] = progress
        self._progress.move_to_end(progress.job_id)
        if len(self._progress) > PROGRESS_KEPT:
            self._progress.popitem(last=False)

    def progress(self, job_id: str) -> JobProgress | None:
        """What was last told of a job."""
        return self._progress.get(job_id)
