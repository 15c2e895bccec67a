"""The events port over the SQLite log: what is stored is told at once, what was missed is read; imports stdlib and imaging_core."""

from collections.abc import AsyncIterator
from functools import partial

from adapters.sqlite.database import SqliteDatabase
from imaging_core.events import JobEvent, JobProgress

#: Events that are read from the log at once.
_READ_AT_ONCE = 256


class SqliteJobEvents:
    """Events of the one process that has the database open; progress is kept in memory."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> AsyncIterator[JobEvent]:
        """Events from now on, which is the call and not the first step of the iteration, or from after a cursor.

        Iterating raises UnknownCursor, also when the reader was so slow that the log no longer has what it missed,
        and Unavailable once the database is closed.
        """
        start = None if after is not None else self._database.last_event
        return self._follow(job_id, after, start)

    async def _follow(self, job_id: str | None, after: str | None, start: int | None) -> AsyncIterator[JobEvent]:
        database = self._database
        place = database.log.place(after) if after is not None else start or 0
        with database.subscribers.subscribed(job_id) as subscriber:
            subscriber.behind = True
            while True:
                # First of all, so that nobody who wakes us from here on is missed.
                subscriber.woken.clear()
                log = database.log
                if subscriber.behind:
                    # Whatever is committed from here on is in the mailbox; whatever was before, in the log.
                    subscriber.caught_up()
                    more = True
                    while more:
                        events, place = await database.read(partial(log.read, place, job_id, _READ_AT_ONCE))
                        more = len(events) == _READ_AT_ONCE
                        for event in events:
                            yield event
                while subscriber.unread:
                    event = subscriber.unread.popleft()
                    if (seq := log.place(event.cursor)) > place:
                        place = seq
                        yield event
                await subscriber.woken.wait()

    async def cursor(self) -> str:
        """Where the log ends now."""
        return self._database.log.cursor(self._database.last_event)

    async def publish(self, progress: JobProgress) -> None:
        """Remember how far a job has come, until it ends or the process does."""
        self._database.subscribers.publish(progress)

    async def progress(self, job_id: str) -> JobProgress | None:
        """How far a job had come when last told."""
        return self._database.subscribers.progress(job_id)
