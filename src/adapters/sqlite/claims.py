"""Which job a claim gets, as statements over the rows; imports stdlib and imaging_core. Everything here blocks."""

import json
import sqlite3
from datetime import datetime

import attrs

from adapters.sqlite.clock import to_micros
from adapters.sqlite.job_rows import job_of
from adapters.sqlite.pauses import pause_of
from adapters.sqlite.turns import serve
from imaging_core.jobs import SCHEMA, Job
from imaging_core.ports import Preference

_FOUND = "id, record, claimable_at, priority, turn, seq, checkpoint, passed"
_SUITS = """(checkpoint IS NULL OR (
    (:only IS NULL OR checkpoint IN (SELECT value FROM json_each(:only)))
    AND checkpoint NOT IN (SELECT value FROM json_each(:never))
))"""
#: Two looks, each at the first entries of an index, instead of one that would have to sort everything that is open.
FIRST_QUEUED = f"""
SELECT {_FOUND} FROM jobs INDEXED BY jobs_queue
WHERE backend = :backend AND status = 'queued' AND {_SUITS} AND schema <= :schema
ORDER BY priority DESC, turn, seq LIMIT 1
"""  # noqa: S608  # constants
FIRST_RUN_OUT = f"""
SELECT {_FOUND} FROM jobs INDEXED BY jobs_leased
WHERE backend = :backend AND status = 'started' AND claimable_at <= :now AND {_SUITS} AND schema <= :schema
ORDER BY priority DESC, turn, seq LIMIT 1
"""  # noqa: S608
LOADED_QUEUED = f"""
SELECT {_FOUND} FROM jobs INDEXED BY jobs_queue_by_checkpoint
WHERE backend = :backend AND status = 'queued' AND checkpoint = :loaded AND priority = :priority AND schema <= :schema
ORDER BY turn, seq LIMIT 1
"""  # noqa: S608
LOADED_RUN_OUT = f"""
SELECT {_FOUND} FROM jobs INDEXED BY jobs_leased
WHERE backend = :backend AND status = 'started' AND claimable_at <= :now AND checkpoint = :loaded
AND priority = :priority AND schema <= :schema
ORDER BY turn, seq LIMIT 1
"""  # noqa: S608
PASS_OVER = "UPDATE jobs SET passed = passed + 1 WHERE id = ?"  # noqa: S105


@attrs.frozen
class _Found:
    id: str
    record: str
    claimable_at: int | None
    priority: int
    turn: int
    seq: int
    checkpoint: str | None
    passed: int


def first_claimable(connection: sqlite3.Connection, backend: str, now: datetime, preference: Preference) -> Job | None:
    """The job that is to be claimed next, for one who prefers some; for use within a write. None while its backend is paused."""
    if pause_of(connection, backend) is not None:
        return None
    facts = {
        "backend": backend,
        "now": to_micros(now),
        "schema": SCHEMA,
        "only": None if preference.only is None else json.dumps(sorted(preference.only)),
        "never": json.dumps(sorted(preference.never)),
        "loaded": preference.loaded,
    }
    first = _first(connection, (FIRST_QUEUED, FIRST_RUN_OUT), facts)
    if first is None:
        return None
    if preference.passes_over(first.checkpoint, first.passed):
        loaded = _first(connection, (LOADED_QUEUED, LOADED_RUN_OUT), {**facts, "priority": first.priority})
        if loaded is not None:
            connection.execute(PASS_OVER, (first.id,))
            return job_of(loaded.record, loaded.claimable_at)
    serve(connection, backend, first.priority, first.turn)
    return job_of(first.record, first.claimable_at)


def _first(connection: sqlite3.Connection, looks: tuple[str, ...], facts: dict[str, object]) -> _Found | None:
    found = [_Found(*row) for sql in looks if (row := connection.execute(sql, facts).fetchone())]
    return min(found, key=lambda row: (-row.priority, row.turn, row.seq), default=None)
