"""Idempotency keys as rows: which submit each stands for, and until when; imports stdlib and imaging_core.

Everything here blocks.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.sqlite import job_rows
from adapters.sqlite.clock import to_micros
from imaging_core.errors import IdempotencyMismatch
from imaging_core.jobs import Job
from imaging_core.ports import Idempotency


def forget_old(connection: sqlite3.Connection, now: datetime) -> None:
    """Remove the keys whose time is over."""
    connection.execute("DELETE FROM idempotency WHERE expires_at <= ?", (to_micros(now),))


def find_jobs(connection: sqlite3.Connection, idempotency: Idempotency, now: datetime) -> tuple[Job, ...]:
    """The jobs that a key stands for, none for an unknown one. Raises IdempotencyMismatch, JobDeleted."""
    row = connection.execute(
        "SELECT fingerprint, job_id FROM idempotency WHERE key = ? AND expires_at > ?",
        (_digest(idempotency.key), to_micros(now)),
    ).fetchone()
    if row is None:
        return ()
    fingerprint, job_ids = row
    if fingerprint != idempotency.fingerprint:
        raise IdempotencyMismatch
    return tuple(job_rows.existing(connection, job_id) for job_id in job_ids.split(","))


def remember(connection: sqlite3.Connection, idempotency: Idempotency, job_ids: Sequence[str], now: datetime) -> None:
    """Let a key stand for those jobs, in that order."""
    until = to_micros(now + timedelta(seconds=idempotency.ttl_s))
    connection.execute(
        "INSERT INTO idempotency (key, fingerprint, job_id, expires_at) VALUES (?, ?, ?, ?)",
        (_digest(idempotency.key), idempotency.fingerprint, ",".join(job_ids), until),
    )


def _digest(key: str) -> bytes:
    # A caller's own words may be anything, of any length; what is kept of them need only be the same for the same words.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
