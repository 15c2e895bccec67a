"""How busy the backends of a data folder were, as rows; imports stdlib and imaging_core."""

from collections.abc import Sequence

from adapters.sqlite.clock import from_micros, to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.writer import Transaction
from imaging_core.observing import KEPT_MINUTES, QueueMinute

#: A note that is no news writes nothing.
_NOTE = """
INSERT INTO queue_minutes (backend, minute, waiting, started, longest_wait) VALUES (:backend, :minute, :waiting, :started, :wait)
ON CONFLICT DO UPDATE SET
    waiting = max(waiting, excluded.waiting), started = max(started, excluded.started),
    longest_wait = max(longest_wait, excluded.longest_wait)
WHERE excluded.waiting > waiting OR excluded.started > started OR excluded.longest_wait > longest_wait
"""
_FORGET = "DELETE FROM queue_minutes WHERE backend = :backend AND minute <= :minute - :kept"
_READ = """
SELECT minute, waiting, started, longest_wait FROM queue_minutes WHERE backend = ? AND minute > ? ORDER BY minute
"""


class SqliteQueueHistory:
    """The history of one data folder; `minute_s` is how long a minute is."""

    def __init__(self, database: SqliteDatabase, *, minute_s: float = 60.0) -> None:
        self._database = database
        self._minute = round(minute_s * 1e6)

    async def note(self, backend: str, *, waiting: int, started: int, longest_wait_s: float) -> None:
        """Say how busy a backend is now."""
        if not waiting and not started:
            return

        def work(transaction: Transaction) -> None:
            facts = {
                "backend": backend,
                "minute": self._number(),
                "waiting": waiting,
                "started": started,
                "wait": round(longest_wait_s * 1e6),
                "kept": KEPT_MINUTES,
            }
            transaction.connection.execute(_NOTE, facts)
            transaction.connection.execute(_FORGET, facts)

        await self._database.write(work)

    async def minutes(self, backend: str, *, last: int) -> Sequence[QueueMinute]:
        """How busy it was."""
        first = self._number() - last
        rows = await self._database.read(lambda connection: connection.execute(_READ, (backend, first)).fetchall())
        return [
            QueueMinute(
                at=from_micros(number * self._minute), waiting=waiting, started=started, longest_wait_s=wait / 1e6
            )
            for number, waiting, started, wait in rows
        ]

    def _number(self) -> int:
        return to_micros(self._database.now()) // self._minute
