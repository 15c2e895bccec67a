"""The one thread that writes: operations that wait together are acknowledged by one commit; imports stdlib and imaging_core.

A commit costs one fsync (about a millisecond) and a change of thread there and back, however much it holds, so under load
many submits share one.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import attrs

from imaging_core.errors import Unavailable
from imaging_core.events import JobEvent
from imaging_core.jobs import Job

Item = TypeVar("Item")
T = TypeVar("T")

#: About so many operations are in one commit at most.
MOST_TOGETHER = 256
#: After that long no more are done in a commit, in s: heartbeats must not wait behind many that take long.
MOST_S = 0.2
#: Most items that are done at once.
MOST_ALIKE = 32


class Transaction:
    """What one operation works in: its writes and its events count together or not at all."""

    def __init__(self, connection: sqlite3.Connection, touch: Callable[[str], None]) -> None:
        self.connection = connection
        self._touch = touch
        #: The jobs that this operation has touched, as it leaves them; None for one of which it does not say that.
        self.jobs: dict[str, Job | None] = {}
        #: Stored by this operation, with their cursors; told to subscribers after the commit.
        self.events: list[JobEvent] = []

    def touch(self, job_id: str) -> None:
        """To be told of each job that is changed, before it is."""
        self._touch(job_id)
        self.jobs[job_id] = None

    def leaves(self, job: Job) -> Job:
        """To be told of a touched job as it is stored now: no read could tell otherwise. Gives it back."""
        self.jobs[job.id] = job
        return job


@attrs.frozen(kw_only=True)
class _Operation:
    #: Runs in the writer's thread, and again if its first transaction fails: without effect but on the database. Gives an
    #: answer for each item.
    work: Callable[[Transaction, Sequence[Any]], Sequence[Any]]
    item: Any
    answer: "asyncio.Future[Any]"


@attrs.frozen(kw_only=True)
class _Outcome:
    operation: _Operation
    result: Any = None
    error: Exception | None = None
    events: Sequence[JobEvent] = ()


class _HalfDone(Exception):
    """An operation that failed has written before, so that what is in the transaction counts for nothing."""


class GroupWriter:
    """Runs operations in the order they came, and answers after the commit; one that fails takes no other with it.

    Savepoints would make that certain, but each makes FTS5 write out what was entered before it, which costs as much as all
    else that a submit writes. So they are used only where they are needed: when an operation fails that has written
    something, everything is taken back and done again, each operation in a savepoint of its own.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        loop: asyncio.AbstractEventLoop,
        translate: Callable[[sqlite3.Error], Unavailable],
        touched: Callable[[str], None],
        taken_back: Callable[[], None],
        committed: Callable[[Sequence[JobEvent], Sequence[str], Mapping[str, Job | None]], None],
    ) -> None:
        """`touched` is called in the writer's thread with the id of a job before its change is committed.

        `taken_back` is called there too, when everything of a transaction counts for nothing.
        `committed` is called on the loop with the events and those ids of each commit, before its operations are answered,
        and with the jobs as they are now where that is known.
        """
        self._connection = connection
        self._loop = loop
        self._translate = translate
        self._touched = touched
        self._taken_back = taken_back
        self._committed = committed
        #: Ids of the jobs that the batch at hand has touched.
        self._touches: list[str] = []
        #: Those jobs as the batch leaves them.
        self._jobs: dict[str, Job | None] = {}
        #: What this turn of the loop wants written.
        self._gathered: list[_Operation] = []
        self._waiting: queue.SimpleQueue[list[_Operation] | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="imaging-sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` gives, once it is on the disk. Raises what it raises, or Unavailable."""
        return await self.write_alike(lambda transaction, _: (work(transaction),), None)

    async def write_alike(self, work: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item) -> T:
        """The same for this item, of which several that follow one another are given to the same `work` at once.

        Where it raises, each is given to it alone, so that what is wrong with one is told to nobody else.
        """
        operation = _Operation(work=work, item=item, answer=self._loop.create_future())
        if not self._gathered:
            # Once per turn of the loop: the first of many would wake the thread, which would commit it alone while the others
            # come, and each of them would have the loop wait for the interpreter.
            self._loop.call_soon(self.hand_over)
        self._gathered.append(operation)
        result: T = await operation.answer
        return result

    def hand_over(self) -> None:
        """Begin what was asked for until now; on the loop, and once more before `stop`."""
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._waiting.put(gathered)

    def stop(self) -> None:
        """Do what still waits, then end the thread; blocks until it has ended."""
        self._waiting.put(None)
        self._thread.join()

    # --- in the writer's thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            batch = self._take(wait=True)
            while batch:
                outcomes = self._commit(batch)
                touches, self._touches = self._touches, []
                jobs, self._jobs = self._jobs, {}
                # The loop may be closed already when its program ends without closing us; then nobody waits.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._answer, outcomes, touches, jobs)
                batch = [operation for operation in batch[len(outcomes) :] if not operation.answer.cancelled()]

    def _take(self, *, wait: bool) -> list[_Operation]:
        """What waits now, and whether to stop after it; blocks until there is something, if it is to `wait`."""
        batch: list[_Operation] = []
        with suppress(queue.Empty):
            gathered = self._waiting.get(block=wait)
            while gathered is not None:
                # A caller that gave up before its turn gets nothing written.
                batch += (operation for operation in gathered if not operation.answer.cancelled())
                if len(batch) >= MOST_TOGETHER:
                    return batch
                gathered = self._waiting.get_nowait()
            self._stopping = True
        return batch

    def _commit(self, batch: list[_Operation], *, apart: bool = False) -> list[_Outcome]:
        """What became of the first of them: of all unless they are many or take long; `apart` is in a savepoint each.

        What comes meanwhile is put behind them and shares their commit, unless it is `apart`.
        """
        ends = time.monotonic() + MOST_S
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return self._all_failed(batch, error)
        try:
            outcomes: list[_Outcome] = []
            while len(outcomes) < len(batch):
                begins = len(outcomes)
                outcomes += self._apply(batch[begins : begins + 1] if apart else _alike(batch, begins), apart=apart)
                if len(outcomes) >= MOST_TOGETHER or time.monotonic() >= ends:
                    break
                if len(outcomes) == len(batch) and not apart:
                    batch += self._take(wait=False)
            self._connection.execute("COMMIT")
        except _HalfDone:
            self._take_back()
            return self._commit(batch, apart=True)
        except sqlite3.Error as error:
            self._take_back()
            if len(batch) == 1:
                return self._all_failed(batch, error)
            # One that finds no room must not take the others with it: each gets a commit of its own.
            return [outcome for operation in batch for outcome in self._commit([operation], apart=True)]
        return outcomes

    def _take_back(self) -> None:
        self._jobs.clear()
        self._taken_back()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _apply(self, operations: Sequence[_Operation], *, apart: bool) -> list[_Outcome]:
        """What became of operations of the same work."""
        transaction = Transaction(self._connection, self._touch)
        if apart:
            self._connection.execute("SAVEPOINT operation")
        written = self._connection.total_changes
        try:
            results = operations[0].work(transaction, [operation.item for operation in operations])
        except Exception as error:
            # Whatever it is, it is the caller's answer and no reason for the thread to stop.
            if isinstance(error, sqlite3.Error):
                # A full disk makes SQLite roll back the whole transaction, whether or not there is a savepoint.
                if not self._connection.in_transaction:
                    raise
                error = self._translated(error)
            if apart:
                self._connection.execute("ROLLBACK TO operation")
                self._connection.execute("RELEASE operation")
            elif self._connection.total_changes != written:
                # It counts what FTS5 writes out meanwhile too, so now and then this is done for nothing.
                raise _HalfDone from error
            elif len(operations) > 1:
                return [outcome for operation in operations for outcome in self._apply([operation], apart=False)]
            return [_Outcome(operation=operations[0], error=error)]
        if apart:
            self._connection.execute("RELEASE operation")
        self._jobs.update(transaction.jobs)
        # Nobody knows which events are whose: the first has those of all.
        first, *others = zip(operations, results, strict=True)
        return [
            _Outcome(operation=first[0], result=first[1], events=transaction.events),
            *(_Outcome(operation=operation, result=result) for operation, result in others),
        ]

    def _touch(self, job_id: str) -> None:
        self._touches.append(job_id)
        self._touched(job_id)

    def _all_failed(self, batch: Sequence[_Operation], error: sqlite3.Error) -> list[_Outcome]:
        return [_Outcome(operation=operation, error=self._translated(error)) for operation in batch]

    def _translated(self, error: sqlite3.Error) -> Unavailable:
        translated = self._translate(error)
        translated.__cause__ = error
        return translated

    # --- on the loop -------------------------------------------------------------------------------------

    def _answer(self, outcomes: Sequence[_Outcome], touches: Sequence[str], jobs: Mapping[str, Job | None]) -> None:
        self._committed([event for outcome in outcomes for event in outcome.events], touches, jobs)
        for outcome in outcomes:
            if outcome.operation.answer.done():
                continue
            if outcome.error is None:
                outcome.operation.answer.set_result(outcome.result)
            else:
                outcome.operation.answer.set_exception(outcome.error)


def _alike(batch: Sequence[_Operation], begins: int) -> Sequence[_Operation]:
    """The operations from that place on that are of the same work."""
    ends = begins + 1
    while ends < min(len(batch), begins + MOST_ALIKE) and batch[ends].work == batch[begins].work:
        ends += 1
    return batch[begins:ends]
