"""A whole copy of a database that may be in use, and what is in one; imports stdlib and imaging_core.

Everything here blocks. The copy is taken through a read-only connection, so the service that holds the folder's lock goes on
writing meanwhile.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from adapters.sqlite.database import DATABASE_FILE
from adapters.sqlite.failures import translated
from imaging_core.errors import Unavailable
from imaging_core.images import ImageRef
from imaging_core.records import job_from_record

#: How long a statement waits for a lock that a stranger's program holds, in s.
_BUSY_S = 5.0


def take_snapshot(folder: Path, target: Path) -> None:
    """The database of that data folder as it is at one moment, as one file.

    Raises Unavailable when it cannot be read, or when what was copied is damaged.
    """
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    address = f"file:{quote(str((folder / DATABASE_FILE).absolute()))}?mode=ro"
    with (
        translated(folder),
        closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        source.backup(copy)
        # A copy inherits the write-ahead log; without one it is a single file.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise Unavailable(f"The database in {folder} is damaged ({found}). Put a backup in its place.")


def job_ids(snapshot: Path) -> frozenset[str]:
    """Every job in a snapshot."""
    with translated(snapshot.parent), closing(sqlite3.connect(snapshot)) as connection:
        return frozenset(job_id for (job_id,) in connection.execute("SELECT id FROM jobs"))


def finished_pictures(snapshot: Path) -> Iterator[ImageRef]:
    """The pictures of every finished job in a snapshot."""
    with translated(snapshot.parent), closing(sqlite3.connect(snapshot)) as connection:
        for (record,) in connection.execute("SELECT record FROM jobs WHERE status = 'finished'"):
            yield from job_from_record(json.loads(record)).images
