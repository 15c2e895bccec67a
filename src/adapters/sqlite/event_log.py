"""The stored events as rows, and their cursors; imports stdlib, attrs and imaging_core. Everything here blocks."""

import json
import re
import sqlite3
from collections.abc import Sequence

import attrs

from adapters.sqlite.inserting import Insert
from adapters.sqlite.writer import Transaction
from imaging_core.errors import UnknownCursor
from imaging_core.events import JobEvent
from imaging_core.records import event_from_record, event_to_record

_CURSOR = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})", re.ASCII)

_INSERT = Insert("events", ("job_id", "record"))
_OF_ALL = "SELECT seq, record FROM events WHERE seq > :after ORDER BY seq LIMIT :most"
_OF_JOB = "SELECT seq, record FROM events WHERE job_id = :job_id AND seq > :after ORDER BY seq LIMIT :most"


@attrs.frozen(kw_only=True)
class EventLog:
    """One folder's log: which it is, and how much of it is kept."""

    id: str
    #: At least this many of the newest events are kept.
    keep: int

    @property
    def trim_every(self) -> int:
        """After so many events the oldest are removed, so at most `keep` plus this many are there."""
        return max(1, min(256, self.keep // 4))

    def cursor(self, seq: int) -> str:
        """The place after that event."""
        return f"{self.id}-{seq}"

    def place(self, cursor: str) -> int:
        """The event that a cursor stands behind. Raises UnknownCursor for one of another log, or of none."""
        match = _CURSOR.fullmatch(cursor)
        if match is None or match[1] != self.id:
            raise UnknownCursor("The event log does not know that place. Read the job and subscribe anew.")
        return int(match[2])

    def append(self, transaction: Transaction, events: Sequence[JobEvent]) -> None:
        """Store events, in order; drop the oldest now and then."""
        if not events:
            return
        connection = transaction.connection
        last = _INSERT.run(connection, [(event.job_id, json.dumps(event_to_record(event))) for event in events])
        first = last - len(events) + 1
        for seq, event in enumerate(events, start=first):
            transaction.events.append(attrs.evolve(event, cursor=self.cursor(seq)))
        if last // self.trim_every != (first - 1) // self.trim_every:
            connection.execute("DELETE FROM events WHERE seq <= ?", (last - self.keep,))

    def read(
        self, after: int, job_id: str | None, most: int, connection: sqlite3.Connection
    ) -> tuple[list[JobEvent], int]:
        """The next events after that place, and the place after them: the log's end when there are fewer than `most`.

        Raises UnknownCursor when the log no longer reaches back that far, or not yet.
        """
        end = last_event(connection)
        first: int | None = connection.execute("SELECT min(seq) FROM events").fetchone()[0]
        if after > end or after < (end if first is None else first - 1):
            raise UnknownCursor("The event log does not reach back that far. Read the job and subscribe anew.")
        facts = {"after": after, "most": most, "job_id": job_id}
        rows = connection.execute(_OF_ALL if job_id is None else _OF_JOB, facts).fetchall()
        events = [event_from_record(json.loads(record), cursor=self.cursor(seq)) for seq, record in rows]
        return events, rows[-1][0] if len(rows) == most else end


def log_id(connection: sqlite3.Connection) -> str:
    """Which log this is; drawn when the file was made."""
    return str(connection.execute("SELECT id FROM log").fetchone()[0])


def last_event(connection: sqlite3.Connection) -> int:
    """The number of the newest event there ever was, 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return 0 if row is None else int(row[0])
