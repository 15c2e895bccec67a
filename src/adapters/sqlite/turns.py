"""Whose turn it is among the owners of waiting jobs, as rows; imports stdlib and imaging_core. Everything here blocks."""

import sqlite3
from collections.abc import Sequence

from imaging_core.jobs import Job

_SERVED = ""
_LAST = "SELECT turn FROM turns WHERE backend = ? AND priority = ? AND owner = ?"
_RAISE = """
INSERT INTO turns (backend, priority, owner, turn) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET turn = excluded.turn
"""
#: The turn after the latest that was claimed, but while jobs of the owner wait, not before the one after the owner's last.
NEXT = f"""
SELECT 1 + max(
    coalesce((SELECT turn FROM turns WHERE backend = :backend AND priority = :priority AND owner = '{_SERVED}'), 0),
    CASE WHEN EXISTS (
        SELECT 1 FROM jobs INDEXED BY jobs_queue_by_owner WHERE backend = :backend AND status = 'queued' AND owner IS :owner
    ) THEN coalesce((SELECT turn FROM turns WHERE backend = :backend AND priority = :priority AND owner = :own), 0) ELSE 0 END
)
"""  # noqa: S608  # a constant


def give_turns(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[int]:
    """The turn of each job that is about to be added."""
    last: dict[tuple[str, int, str], int] = {}
    turns: list[int] = []
    for job in jobs:
        own = "-" if job.owner is None else f"+{job.owner}"
        line = job.backend, job.priority, own
        if line in last:
            # The one before waits: its owner's next turn is the one after it.
            last[line] += 1
        else:
            facts = {"backend": job.backend, "priority": job.priority, "owner": job.owner, "own": own}
            last[line] = connection.execute(NEXT, facts).fetchone()[0]
        turns.append(last[line])
    for line, turn in last.items():
        connection.execute(_RAISE, (*line, turn))
    return turns


def serve(connection: sqlite3.Connection, backend: str, priority: int, turn: int) -> None:
    """Note that a job with that turn is claimed."""
    if turn > _last(connection, backend, priority, _SERVED):
        connection.execute(_RAISE, (backend, priority, _SERVED, turn))


def _last(connection: sqlite3.Connection, backend: str, priority: int, owner: str) -> int:
    row = connection.execute(_LAST, (backend, priority, owner)).fetchone()
    return 0 if row is None else int(row[0])
