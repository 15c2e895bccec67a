"""Whose turn it is among the owners of waiting jobs, as rows; imports stdlib and imaging_core. Everything here blocks."""

import sqlite3

from imaging_core.jobs import Job

_SERVED = ""
_LAST = "SELECT turn FROM turns WHERE backend = ? AND priority = ? AND owner = ?"
_RAISE = """
INSERT INTO turns (backend, priority, owner, turn) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET turn = excluded.turn
"""
_WAITS = (
    "SELECT 1 FROM jobs INDEXED BY jobs_queue_by_owner WHERE backend = ? AND status = 'queued' AND owner IS ? LIMIT 1"
)


def give_turn(connection: sqlite3.Connection, job: Job) -> int:
    """The turn of a job that is about to be added."""
    own = "-" if job.owner is None else f"+{job.owner}"
    before = _last(connection, job.backend, job.priority, _SERVED)
    if connection.execute(_WAITS, (job.backend, job.owner)).fetchone() is not None:
        before = max(before, _last(connection, job.backend, job.priority, own))
    connection.execute(_RAISE, (job.backend, job.priority, own, before + 1))
    return before + 1


def serve(connection: sqlite3.Connection, backend: str, priority: int, turn: int) -> None:
    """Note that a job with that turn is claimed."""
    if turn > _last(connection, backend, priority, _SERVED):
        connection.execute(_RAISE, (backend, priority, _SERVED, turn))


def _last(connection: sqlite3.Connection, backend: str, priority: int, owner: str) -> int:
    row = connection.execute(_LAST, (backend, priority, owner)).fetchone()
    return 0 if row is None else int(row[0])
