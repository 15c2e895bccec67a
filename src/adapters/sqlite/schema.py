"""The database's tables, and how an older file becomes a newer one; imports stdlib and imaging_core.

`PRAGMA user_version` is how many of the migrations a file has had. Never change one that was released: add another.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from adapters.sqlite.job_pages import search_terms
from adapters.sqlite.key_tables import KEY_TABLES
from imaging_core.errors import Unavailable

#: Jobs are JSON records; the columns beside them are what they are found by. Moments are microseconds since 1970.
#: `claimable_at` is the submit of a queued job and the end of a started one's lease, beats included: it overrides the
#: record's. The partial indexes hold open jobs only, so that ended ones cost a claim
#: nothing; they name the status again, because SQLite else reads it from the row.
_JOBS = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    backend TEXT NOT NULL,
    owner TEXT,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    claimable_at INTEGER,
    overdue_at INTEGER,
    lease_token TEXT,
    lease_reason TEXT,
    cancel_requested INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX jobs_queue ON jobs (backend, status, priority DESC, seq, claimable_at) WHERE status = 'queued';
CREATE INDEX jobs_queue_by_owner ON jobs (backend, status, owner) WHERE status = 'queued';
CREATE INDEX jobs_leased ON jobs (backend, status, claimable_at, priority, seq) WHERE status = 'started';
CREATE INDEX jobs_overdue ON jobs (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX jobs_run_times ON jobs (backend, status, finished_at DESC, started_at) WHERE status = 'finished';
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE INDEX jobs_by_backend ON jobs (backend, status, seq);
CREATE INDEX jobs_by_owner ON jobs (owner, status, seq, backend) WHERE owner IS NOT NULL;
CREATE TABLE deleted_jobs (id TEXT PRIMARY KEY, deleted_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    job_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
"""

#: The log's id is in every cursor, so that a cursor of another folder's log is not mistaken for one of this.
_EVENTS = """
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX events_by_job ON events (job_id, seq);
CREATE TABLE log (id TEXT NOT NULL);
INSERT INTO log VALUES (lower(hex(randomblob(4))));
"""

#: An ended job that says itself how long it is kept has a moment of its own; others expire by the service's setting.
_EXPIRY = """
ALTER TABLE jobs ADD COLUMN expires_at INTEGER;
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL AND expires_at IS NULL;
"""

#: A message to a webhook goes with its job. `due_at` is null unless it is to be sent; a claim moves it on by its lease.
_DELIVERIES = """
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    host TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER,
    tries INTEGER NOT NULL,
    token TEXT,
    attempts TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_by_job ON deliveries (job_id);
CREATE INDEX deliveries_due ON deliveries (due_at, job_id, host) WHERE due_at IS NOT NULL;
CREATE TABLE webhook_secrets (
    owner TEXT PRIMARY KEY,
    current TEXT NOT NULL,
    previous TEXT,
    previous_until INTEGER
) WITHOUT ROWID;
"""

#: Within a priority jobs are claimed by turn; those that were there before all have the turn 0, and go by age.
#: `owner` is empty for the latest turn that was claimed, else + and the owner, or - for none.
_TURNS = """
ALTER TABLE jobs ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
DROP INDEX jobs_queue;
CREATE INDEX jobs_queue ON jobs (backend, status, priority DESC, turn, seq, claimable_at) WHERE status = 'queued';
CREATE TABLE turns (
    backend TEXT NOT NULL,
    priority INTEGER NOT NULL,
    owner TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (backend, priority, owner)
) WITHOUT ROWID;
"""

#: Nobody but its owner is told that a job was there.
_DELETED_OWNERS = "ALTER TABLE deleted_jobs ADD COLUMN owner TEXT;"

#: Marks are few among many jobs, so they have an index of their own.
_FAVOURITES = """
ALTER TABLE jobs ADD COLUMN favourite INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_favourite ON jobs (favourite, seq, owner, backend, status) WHERE favourite = 1;
"""

#: When a key was last used.
_KEY_USES = "ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;"

#: What a job is found by besides its row: the parts of its prompt's words, its owner, backend and checkpoint. The index
#: holds no text and no positions; its rows go by `jobs.seq`. `search_terms` is the program's own.
_SEARCH = """
CREATE VIRTUAL TABLE job_search USING fts5(terms, content='', columnsize=0, detail=none, tokenize='ascii');
INSERT INTO job_search (rowid, terms) SELECT seq, search_terms(record) FROM jobs ORDER BY seq;
CREATE INDEX jobs_by_creation ON jobs (created_at);
"""

#: Backends that an operator has stopped.
_PAUSES = """
CREATE TABLE pauses (backend TEXT PRIMARY KEY, since INTEGER NOT NULL, reason TEXT NOT NULL, operator TEXT) WITHOUT ROWID;
"""

#: What an open job is to be made with, and how often it was passed over for a checkpoint that was loaded.
_CHECKPOINTS = """
ALTER TABLE jobs ADD COLUMN checkpoint TEXT;
ALTER TABLE jobs ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET checkpoint = json_extract(record, '$.request.checkpoint') WHERE status IN ('queued', 'started');
DROP INDEX jobs_queue;
CREATE INDEX jobs_queue ON jobs (backend, status, priority DESC, turn, seq, claimable_at, checkpoint)
    WHERE status = 'queued';
CREATE INDEX jobs_queue_by_checkpoint ON jobs (backend, status, checkpoint, priority DESC, turn, seq)
    WHERE status = 'queued';
"""

#: How busy the backends were; a minute is its number since 1970.
_HISTORY = """
CREATE TABLE queue_minutes (
    backend TEXT NOT NULL,
    minute INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    started INTEGER NOT NULL,
    longest_wait INTEGER NOT NULL,
    PRIMARY KEY (backend, minute)
) WITHOUT ROWID;
"""

#: Open jobs that may go to another backend: 1, or 2 for one that waits for nothing else.
_MOVABLE = """
ALTER TABLE jobs ADD COLUMN movable INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_movable ON jobs (backend, movable DESC, priority DESC, turn, seq) WHERE movable > 0;
"""

#: Claims of a message of which nobody knows what came, and those of a version that could not read it.
_LOST_CLAIMS = """
ALTER TABLE deliveries ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
"""

#: SQL scripts, each one step from one version to the next.
MIGRATIONS: Sequence[str] = (
    _JOBS + _EVENTS,
    _EXPIRY,
    _DELIVERIES,
    KEY_TABLES,
    _TURNS,
    _DELETED_OWNERS,
    _FAVOURITES,
    _KEY_USES,
    _SEARCH,
    _PAUSES,
    _CHECKPOINTS,
    _HISTORY,
    _MOVABLE,
    _LOST_CLAIMS,
)


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file up to date, after a copy of an older one was made beside it (`imaging.db.v1.bak`).

    Raises Unavailable for a file that a newer version wrote, and for a Python whose SQLite cannot search.
    """
    if connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is None:
        raise Unavailable(
            f"The SQLite {sqlite3.sqlite_version} of this Python was built without FTS5, by which jobs are searched. Use a "
            "Python that has it: Debian's, python.org's and uv's do."
        )
    connection.create_function("search_terms", 1, search_terms, deterministic=True)
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise Unavailable(
            f"The database {path} was written by a newer version (schema {version}; this one reads up to "
            f"{len(migrations)}). Upgrade this one, or put back the copy {path.name}.v{len(migrations)}.bak if there is one."
        )
    if 0 < version < len(migrations):
        _copy(connection, path.with_name(f"{path.name}.v{version}.bak"))
    for number, script in enumerate(migrations[version:], start=version + 1):
        # executescript() commits what is open and then runs the script as it is: the transaction must be in the script.
        step = f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
        try:
            connection.executescript(step)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """A whole, durable copy under that name, or none."""
    temporary = target.with_name(f"{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    with closing(sqlite3.connect(temporary)) as copy:
        connection.backup(copy)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
