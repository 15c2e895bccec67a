"""Which backends an operator has stopped, as rows; imports stdlib and imaging_core. Everything here blocks."""

import sqlite3
from datetime import datetime

from adapters.sqlite.clock import from_micros, to_micros
from imaging_core.repository import Pause

_FIND = "SELECT since, reason, operator FROM pauses WHERE backend = ?"
_STORE = """
INSERT INTO pauses (backend, since, reason, operator) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET reason = excluded.reason, operator = excluded.operator
"""


def pause_of(connection: sqlite3.Connection, backend: str) -> Pause | None:
    """Why and since when nothing of that backend is begun; None while it is not paused."""
    row = connection.execute(_FIND, (backend,)).fetchone()
    return None if row is None else Pause(since=from_micros(row[0]), reason=row[1], by=row[2])


def pause(connection: sqlite3.Connection, backend: str, reason: str, by: str | None, now: datetime) -> Pause:
    """Stop it, or give another reason for that."""
    connection.execute(_STORE, (backend, to_micros(now), reason, by))
    stored = pause_of(connection, backend)
    assert stored is not None  # noqa: S101  # narrows for the type checker; it has just been stored
    return stored


def resume(connection: sqlite3.Connection, backend: str) -> None:
    """Let it go on."""
    connection.execute("DELETE FROM pauses WHERE backend = ?", (backend,))
