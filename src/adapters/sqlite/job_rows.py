"""Jobs as rows: the SQL of the repository, one function per statement; imports stdlib, attrs and imaging_core.

Everything here blocks. Every statement is answered from an index, whatever has ended before: a test asks SQLite.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from adapters.sqlite import job_pages
from adapters.sqlite.clock import from_micros, to_micros
from adapters.sqlite.inserting import Insert
from adapters.sqlite.pauses import pause_of
from adapters.sqlite.turns import give_turns
from imaging_core.errors import JobDeleted, JobNotFound
from imaging_core.jobs import SCHEMA, Job, JobStatus
from imaging_core.ports import JobQuery, QueueState
from imaging_core.records import job_from_record, job_to_stored, time_to_text
from imaging_core.searching import Candidates

_COLUMNS = (
    "id",
    "version",
    "schema",
    "backend",
    "owner",
    "status",
    "priority",
    "created_at",
    "started_at",
    "finished_at",
    "claimable_at",
    "overdue_at",
    "expires_at",
    "lease_token",
    "lease_reason",
    "cancel_requested",
    "favourite",
    "checkpoint",
    "movable",
    "record",
)
#: json.dumps would make an encoder for each.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
#: How many of the last finished jobs tell how long one takes.
_RECENT = 50

INSERT = Insert("jobs", (*_COLUMNS, "turn"))
UPDATE = f"UPDATE jobs SET {', '.join(f'{c} = :{c}' for c in _COLUMNS if c != 'id')} WHERE id = :id"  # noqa: S608
BY_ID = "SELECT record, claimable_at FROM jobs WHERE id = ?"
HELD = "SELECT seq, version, status, priority, turn, claimable_at, lease_token, favourite FROM jobs WHERE id = ?"
TAKEN = """
SELECT id FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))
UNION ALL SELECT id FROM deleted_jobs WHERE id IN (SELECT value FROM json_each(:ids))
"""
BEAT = """
UPDATE jobs SET claimable_at = max(claimable_at, :until) WHERE id = :id AND lease_token = :token AND status = 'started'
RETURNING cancel_requested
"""
OVERDUE = """
SELECT record, claimable_at FROM jobs WHERE overdue_at <= :now AND schema <= :schema ORDER BY overdue_at, seq LIMIT :limit
"""
EXPIRED = """
SELECT record, claimable_at FROM jobs INDEXED BY jobs_expiring
WHERE expires_at <= :now AND schema <= :schema ORDER BY expires_at LIMIT :limit
"""
ENDED = """
SELECT record, claimable_at FROM jobs INDEXED BY jobs_ended
WHERE finished_at <= :before AND expires_at IS NULL AND schema <= :schema ORDER BY finished_at LIMIT :limit
"""
MARK = "UPDATE jobs SET favourite = :favourite, record = :record WHERE id = :id"
DELETE = "DELETE FROM jobs WHERE id = ?"
QUEUED = "SELECT count(*), min(claimable_at) FROM jobs INDEXED BY jobs_queue WHERE backend = ? AND status = 'queued'"
QUEUED_OF_OWNER = (
    "SELECT count(*) FROM jobs INDEXED BY jobs_queue_by_owner WHERE backend = ? AND status = 'queued' AND owner IS ?"
)
RUN_OUT = """
SELECT count(*), min(claimable_at) FROM jobs INDEXED BY jobs_leased
WHERE backend = ? AND status = 'started' AND claimable_at <= ?
"""
STARTED = """
SELECT count(*) FROM jobs INDEXED BY jobs_leased WHERE backend = ? AND status = 'started' AND claimable_at > ?
"""
RUN_TIME = f"""
SELECT avg(finished_at - started_at) FROM (
    SELECT finished_at, started_at FROM jobs INDEXED BY jobs_run_times WHERE backend = ? AND status = 'finished'
    ORDER BY finished_at DESC LIMIT {_RECENT}
)
"""  # noqa: S608  # a constant
AHEAD = """
SELECT
    (SELECT count(*) FROM jobs INDEXED BY jobs_queue
        WHERE backend = :backend AND status = 'queued' AND priority > :priority)
    + (SELECT count(*) FROM jobs INDEXED BY jobs_queue
        WHERE backend = :backend AND status = 'queued' AND priority = :priority AND (turn, seq) < (:turn, :seq))
    + (SELECT count(*) FROM jobs INDEXED BY jobs_leased
        WHERE backend = :backend AND status = 'started' AND claimable_at <= :now
        AND (priority > :priority OR (priority = :priority AND (turn, seq) < (:turn, :seq))))
"""
TURN = "UPDATE jobs SET turn = ? WHERE id = ?"
MOVABLE = """
SELECT record, claimable_at FROM jobs INDEXED BY jobs_movable
WHERE backend = :backend AND movable > 0 AND schema <= :schema
ORDER BY movable DESC, priority DESC, turn, seq LIMIT :limit OFFSET :skip
"""
RELEASE = """
UPDATE jobs SET claimable_at = :now WHERE status = 'started' AND lease_reason = 'running' AND claimable_at > :now
RETURNING id
"""


@attrs.frozen(kw_only=True)
class Held:
    """What must be known of a stored job before it is written over."""

    seq: int
    version: int
    status: JobStatus
    priority: int
    turn: int
    claimable_at: datetime | None
    lease_token: str | None
    favourite: bool


def held(connection: sqlite3.Connection, job_id: str) -> Held | None:
    """What is stored under that id now, None for nothing."""
    row = connection.execute(HELD, (job_id,)).fetchone()
    if row is None:
        return None
    seq, version, status, priority, turn, claimable_at, token, favourite = row
    return Held(
        seq=seq,
        version=version,
        status=JobStatus(status),
        priority=priority,
        turn=turn,
        claimable_at=None if claimable_at is None else from_micros(claimable_at),
        lease_token=token,
        favourite=bool(favourite),
    )


def find(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """The job with that id; UnreadableJob when a newer version wrote it."""
    row = connection.execute(BY_ID, (job_id,)).fetchone()
    return None if row is None else job_of(*row)


def existing(connection: sqlite3.Connection, job_id: str) -> Job:
    """The job with that id. Raises JobNotFound, JobDeleted, UnreadableJob."""
    job = find(connection, job_id)
    if job is None:
        raise gone(connection, job_id)
    return job


def taken(connection: sqlite3.Connection, job_ids: Sequence[str]) -> str | None:
    """An id that two have, or under which there is or was a job; None when there is none."""
    if len(set(job_ids)) < len(job_ids):
        return next(job_id for job_id in job_ids if job_ids.count(job_id) > 1)
    row = connection.execute(TAKEN, {"ids": json.dumps(job_ids)}).fetchone()
    return None if row is None else str(row[0])


def gone(connection: sqlite3.Connection, job_id: str) -> JobDeleted | JobNotFound:
    """What to raise for an id under which nothing is stored."""
    row = connection.execute("SELECT owner FROM deleted_jobs WHERE id = ?", (job_id,)).fetchone()
    return JobNotFound() if row is None else JobDeleted(row[0])


def insert_all(connection: sqlite3.Connection, jobs: Sequence[Job], now: datetime, terms: Sequence[str]) -> None:
    """Store new jobs, each to be found by its terms; IntegrityError when an id is taken, and all is to be taken back."""
    if not jobs:
        return
    turns = give_turns(connection, jobs)
    last = INSERT.run(connection, [(*columns(job, now).values(), turn) for job, turn in zip(jobs, turns, strict=True)])
    # Places are given in a row, since nobody else adds meanwhile.
    connection.executemany(job_pages.INDEX, zip(range(last - len(jobs) + 1, last + 1), terms, strict=True))


def update(connection: sqlite3.Connection, job: Job, claimable_at: datetime) -> None:
    """Write a job over what is stored of it; `claimable_at` says since when, for one without a lease."""
    connection.execute(UPDATE, columns(job, claimable_at))


def move(connection: sqlite3.Connection, job: Job, place: Held, now: datetime, terms: tuple[str, str]) -> None:
    """Write a job that goes to another backend; `terms` are those it was found by, and those it is found by from now on."""
    before, after = terms
    (turn,) = give_turns(connection, [job])
    update(connection, job, place.claimable_at or now)
    connection.execute(TURN, (turn, job.id))
    connection.execute(job_pages.UNINDEX, (place.seq, before))
    connection.execute(job_pages.INDEX, (place.seq, after))


def movable(connection: sqlite3.Connection, backend: str, skip: int, limit: int) -> list[Job]:
    """Jobs that may go to another backend, the stranded ones first."""
    facts = {"backend": backend, "schema": SCHEMA, "skip": skip, "limit": limit}
    return [job_of(*row) for row in connection.execute(MOVABLE, facts).fetchall()]


def record_of(connection: sqlite3.Connection, job_id: str) -> str:
    """The stored text of a job. Raises JobNotFound, JobDeleted."""
    row = connection.execute(BY_ID, (job_id,)).fetchone()
    if row is None:
        raise gone(connection, job_id)
    text: str = row[0]
    return text


def delete(connection: sqlite3.Connection, seq: int, job_id: str, terms: str) -> None:
    """Remove a job and the terms that it was found by."""
    connection.execute(job_pages.UNINDEX, (seq, terms))
    connection.execute(DELETE, (job_id,))


def mark(connection: sqlite3.Connection, job_id: str, favourite: bool) -> Job:
    """Write the mark alone. Raises what `existing` raises."""
    job = attrs.evolve(existing(connection, job_id), favourite=favourite)
    connection.execute(MARK, {"id": job_id, "favourite": favourite, "record": _record(job)})
    return job


def beat(connection: sqlite3.Connection, job_id: str, token: str, until: datetime) -> bool | None:
    """Extend the lease under that token; whether a cancel is asked for, None when the lease is lost."""
    facts = {"id": job_id, "token": token, "until": to_micros(until)}
    rows = connection.execute(BEAT, facts).fetchall()
    return bool(rows[0][0]) if rows else None


def release(connection: sqlite3.Connection, now: datetime) -> list[str]:
    """End every running lease; whose they were."""
    return [job_id for (job_id,) in connection.execute(RELEASE, {"now": to_micros(now)})]


def queue_state(connection: sqlite3.Connection, backend: str, now: datetime) -> QueueState:
    """What is claimable, what is started, and how long jobs take."""
    moment = to_micros(now)
    queued, oldest_queued = connection.execute(QUEUED, (backend,)).fetchone()
    run_out, oldest_run_out = connection.execute(RUN_OUT, (backend, moment)).fetchone()
    started = connection.execute(STARTED, (backend, moment)).fetchone()[0]
    oldest = min((at for at in (oldest_queued, oldest_run_out) if at is not None), default=moment)
    return QueueState(
        claimable=queued + run_out,
        started=started,
        oldest_claimable_s=max(0, moment - oldest) / 1e6,
        mean_run_s=mean_run_s(connection, backend),
        paused=pause_of(connection, backend),
    )


def queued(connection: sqlite3.Connection, backend: str) -> int:
    """How many jobs are queued."""
    number: int = connection.execute(QUEUED, (backend,)).fetchone()[0]
    return number


def queued_of(connection: sqlite3.Connection, backend: str, owner: str | None) -> int:
    """How many of that owner's jobs are queued."""
    number: int = connection.execute(QUEUED_OF_OWNER, (backend, owner)).fetchone()[0]
    return number


def mean_run_s(connection: sqlite3.Connection, backend: str) -> float | None:
    """How long the jobs that finished last took, None when none has."""
    mean = connection.execute(RUN_TIME, (backend,)).fetchone()[0]
    return None if mean is None else mean / 1e6


def ahead(connection: sqlite3.Connection, backend: str, before: Held, now: datetime) -> int:
    """How many claimable jobs of the backend come before an open one."""
    facts = {
        "backend": backend,
        "now": to_micros(now),
        "priority": before.priority,
        "turn": before.turn,
        "seq": before.seq,
    }
    return int(connection.execute(AHEAD, facts).fetchone()[0])


def overdue(connection: sqlite3.Connection, now: datetime, limit: int) -> list[Job]:
    """Open jobs whose time is over, the longest overdue first."""
    rows = connection.execute(OVERDUE, {"now": to_micros(now), "schema": SCHEMA, "limit": limit})
    return [job_of(*row) for row in rows.fetchall()]


def expired(connection: sqlite3.Connection, now: datetime, keep_days: float | None, limit: int) -> list[Job]:
    """Ended jobs that are to be deleted, the longest expired first."""
    facts = {"now": to_micros(now), "schema": SCHEMA, "limit": limit}
    rows = connection.execute(EXPIRED, facts).fetchall()
    if keep_days is not None:
        before = to_micros(now - timedelta(days=keep_days))
        rows += connection.execute(ENDED, {**facts, "before": before}).fetchall()
    jobs = [job_of(*row) for row in rows]
    return sorted(jobs, key=lambda job: job.expires_at(keep_days) or now)[:limit]


def page(connection: sqlite3.Connection, query: JobQuery, *, before: int | None, most: int) -> Candidates:
    """Up to `most` jobs older than `before`, newest first, that fit all of the query but its text and checkpoint."""
    found = job_pages.page(connection, query, before=before, most=most)
    return Candidates([(seq, job_of(record, claimable_at)) for seq, record, claimable_at in found.rows], found.before)


def columns(job: Job, claimable_at: datetime) -> dict[str, Any]:
    """The values of a job's row, in the order of its columns."""
    lease = job.lease
    until = None if job.status.terminal else lease.until if lease else claimable_at
    return {
        "id": job.id,
        "version": job.version,
        "schema": job.schema,
        "backend": job.backend,
        "owner": job.owner,
        "status": job.status.value,
        "priority": job.priority,
        "created_at": to_micros(job.created_at),
        "started_at": _micros(job.started_at),
        "finished_at": _micros(job.finished_at),
        "claimable_at": _micros(until),
        "overdue_at": _micros(job.overdue_at),
        "expires_at": _micros(job.expires_at()),
        "lease_token": lease.token if lease else None,
        "lease_reason": lease.reason.value if lease else None,
        "cancel_requested": job.cancel_requested,
        "favourite": job.favourite,
        "checkpoint": job.request.checkpoint,
        "movable": int(job.movable) + int(job.stranded),
        "record": _record(job),
    }


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _record(job: Job) -> str:
    return _to_json(job_to_stored(job))


def job_of(record: str, claimable_at: int | None) -> Job:
    """The job that a row stands for."""
    fields = json.loads(record)
    if fields.get("lease") and claimable_at is not None:
        # Heartbeats write the column alone.
        fields["lease"]["until"] = time_to_text(from_micros(claimable_at))
    return job_from_record(fields)
