"""The open database: its folder's lock, its writer thread, its reader thread and its clock; imports stdlib and imaging_core."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from adapters.new_folders import make_durable
from adapters.sqlite.clock import SteadyClock, wall_clock
from adapters.sqlite.event_log import EventLog, last_event, log_id
from adapters.sqlite.failures import translated, unavailable
from adapters.sqlite.lock import FolderLock
from adapters.sqlite.recent import AddedJobs, RecentJobs
from adapters.sqlite.room import Room
from adapters.sqlite.schema import migrate
from adapters.sqlite.subscribers import Subscribers
from adapters.sqlite.writer import GroupWriter, Transaction
from imaging_core.errors import Unavailable
from imaging_core.events import JobEvent
from imaging_core.jobs import Job

Item = TypeVar("Item")
T = TypeVar("T")

#: The database's file within the data folder.
DATABASE_FILE = "imaging.db"
#: How long a statement waits for a lock that a stranger's program holds, in ms.
_BUSY_TIMEOUT_MS = 5_000


@attrs.frozen(kw_only=True)
class _Parts:
    """What is there while the database is open."""

    writer: GroupWriter
    reader: sqlite3.Connection
    reading: ThreadPoolExecutor
    loop: asyncio.AbstractEventLoop
    #: Closes all of it, in order; blocks.
    resources: ExitStack


class SqliteDatabase:
    """One data folder's jobs and events. Does nothing before `open`; used on the loop that opened it."""

    def __init__(
        self, folder: str | Path, *, clock: Callable[[], datetime] = wall_clock, keep_events: int = 20_000
    ) -> None:
        """`clock` judges the leases; at least the newest `keep_events` events can be subscribed after."""
        self.folder = Path(folder).absolute()
        self.now = SteadyClock(clock)
        self.subscribers = Subscribers()
        self.recent, self.room = RecentJobs(), Room()
        #: The jobs that were added since this opening, as far as they are remembered.
        self.added = AddedJobs()
        self._parts: _Parts | None = None
        self._log = EventLog(id="", keep=keep_events)
        self._last_event = 0

    # --- opening and closing -----------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the folder if need be, lock it, bring the file up to date and start the threads.

        Raises Unavailable that says who else uses the folder, why it cannot be written, or that a newer version
        wrote it.
        """
        if self._parts is not None:
            raise RuntimeError("the database is open already")
        # Another process may have written since it was last open here.
        self.recent, self.room, self.added = RecentJobs(), Room(), AddedJobs()
        loop = asyncio.get_running_loop()
        opening = asyncio.ensure_future(asyncio.to_thread(self._open, loop))
        try:
            self._parts, self._log, self._last_event = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Shielded: being cancelled again must not leave the folder locked.
            await asyncio.shield(_close_opened(opening))
            raise

    async def close(self) -> None:
        """Write what still waits, end the threads and let go of the folder; again, if need be."""
        parts, self._parts = self._parts, None
        self.subscribers.wake_all()
        if parts is not None:
            parts.writer.hand_over()
            await asyncio.shield(asyncio.to_thread(parts.resources.close))

    def _open(self, loop: asyncio.AbstractEventLoop) -> tuple[_Parts, EventLog, int]:
        with ExitStack() as stack, translated(self.folder):
            make_durable(self.folder)
            stack.callback(FolderLock(self.folder).release)
            # Prompts are private. SQLite gives the files it makes beside this one the same mode.
            os.close(os.open(self.folder / DATABASE_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = self._connect(stack)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            migrate(connection, self.folder / DATABASE_FILE)
            reader = self._connect(stack)
            reader.execute("PRAGMA query_only = ON")
            log = attrs.evolve(self._log, id=log_id(connection))
            last = last_event(connection)
            reading = ThreadPoolExecutor(1, thread_name_prefix="imaging-sqlite-reader")
            stack.callback(reading.shutdown)
            writer = GroupWriter(
                connection,
                loop=loop,
                translate=lambda error: unavailable(error, self.folder),
                touched=self.recent.leave,
                taken_back=self.room.forget,
                # Bound to this memory: what an earlier opening still has to answer settles in its own.
                committed=partial(self._committed, self.recent),
            )
            stack.callback(writer.stop)
            resources = stack.pop_all()
        parts = _Parts(writer=writer, reader=reader, reading=reading, loop=loop, resources=resources)
        return parts, log, last

    def _connect(self, stack: ExitStack) -> sqlite3.Connection:
        # Opened in one thread, used in another, and by one at a time.
        connection = sqlite3.connect(
            self.folder / DATABASE_FILE, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        stack.callback(connection.close)
        return connection

    # --- using -------------------------------------------------------------------------------------------

    def must_be_open(self) -> _Parts:
        """Raises Unavailable while it is not."""
        if self._parts is None:
            raise Unavailable(f"The database in {self.folder} is not open.")
        return self._parts

    @property
    def log(self) -> EventLog:
        """The event log of the open database."""
        self.must_be_open()
        return self._log

    @property
    def last_event(self) -> int:
        """The number of the newest event that was told."""
        self.must_be_open()
        return self._last_event

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` gives, once its writes are on the disk; it runs in the writer's thread; all or nothing."""
        return await self.must_be_open().writer.write(work)

    async def write_alike(self, work: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item) -> T:
        """The same for work that does several items at once: those that wait together, of whoever asks."""
        return await self.must_be_open().writer.write_alike(work, item)

    def append(self, transaction: Transaction, events: Sequence[JobEvent]) -> None:
        """Store events with a write; for use within `write`, also while the database closes and still writes."""
        self._log.append(transaction, events)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds at one moment; it runs in the reader's thread and sees all that was acknowledged."""
        parts = self.must_be_open()

        def run() -> T:
            with translated(self.folder):
                parts.reader.execute("BEGIN")
                try:
                    return work(parts.reader)
                finally:
                    parts.reader.execute("ROLLBACK")

        return await parts.loop.run_in_executor(parts.reading, run)

    def _committed(
        self,
        recent: RecentJobs,
        events: Sequence[JobEvent],
        touched: Sequence[str],
        jobs: Mapping[str, Job | None],
    ) -> None:
        for job_id in touched:
            recent.settle(job_id, jobs.get(job_id))
        if events:
            self._last_event = self._log.place(events[-1].cursor)
            self.subscribers.tell(events)


async def _close_opened(opening: "asyncio.Future[tuple[_Parts, EventLog, int]]") -> None:
    """The thread that opens cannot be stopped: wait for what it opens, and close that."""
    with suppress(Unavailable):
        parts, _, _ = await opening
        await asyncio.to_thread(parts.resources.close)


@asynccontextmanager
async def open_database(
    folder: str | Path, *, clock: Callable[[], datetime] = wall_clock, keep_events: int = 20_000
) -> AsyncIterator[SqliteDatabase]:
    """The database of a data folder, open while inside."""
    database = SqliteDatabase(folder, clock=clock, keep_events=keep_events)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
