"""Gives back to the disk what deletes have freed within a database at rest; imports stdlib and imaging_core. Blocks."""

import os
import sqlite3
import stat
from contextlib import ExitStack, closing
from pathlib import Path

from adapters.new_folders import sync
from adapters.sqlite.database import DATABASE_FILE
from adapters.sqlite.failures import translated
from adapters.sqlite.lock import FolderLock
from imaging_core.errors import Unavailable

#: How long a statement waits for a lock that a stranger's program holds, in s.
_BUSY_S = 5.0
_SEARCHED = "SELECT 1 FROM sqlite_master WHERE name = 'job_search'"


def compact(folder: Path) -> tuple[int, int]:
    """Write the database of a data folder anew without what is free in it; its bytes before and after.

    Needs room for the new one beside the old one, which is replaced at the end: a crash leaves one of them, whole. Owner and
    mode stay, and a link to the file stays one. Raises FolderInUse that names the service, Unavailable when another program
    reads the file, its owner cannot be kept or the new one is damaged, and StorageFull.
    """
    path = (folder / DATABASE_FILE).resolve()
    fresh = path.with_name(f"{path.name}.compacting")
    with translated(folder), ExitStack() as stack:
        stack.callback(FolderLock(folder).release)
        before = path.stat().st_size
        stack.callback(fresh.unlink, missing_ok=True)
        with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as connection:
            # What is in the log goes into the file, and nobody else may have it open. The next start turns the log on again.
            connection.execute("PRAGMA journal_mode = DELETE")
            before = max(before, path.stat().st_size)
            if connection.execute(_SEARCHED).fetchone() is not None:
                # Marks of deleted jobs take room in the index until its parts are merged.
                connection.execute("INSERT INTO job_search (job_search) VALUES ('optimize')")
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            connection.execute("VACUUM INTO ?", (str(fresh),))
        _hand_over(fresh, like=path.stat())
        _check(fresh)
        after = fresh.stat().st_size
        fresh.replace(path)
        sync(path.parent)
    return before, after


def _hand_over(fresh: Path, *, like: os.stat_result) -> None:
    made = fresh.stat()
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
        # Root may do this for the user that the service runs as; for others the group may be another by the folder's bit.
        try:
            os.chown(fresh, like.st_uid, like.st_gid)
        except PermissionError:
            raise Unavailable(
                f"The database belongs to user id {like.st_uid} and group id {like.st_gid}, and this one may not make a file "
                "of theirs. Run this as that user or as root."
            ) from None
    fresh.chmod(stat.S_IMODE(like.st_mode))


def _check(fresh: Path) -> None:
    with closing(sqlite3.connect(fresh)) as copy:
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise Unavailable(
            f"The database that was written anew is damaged ({found}); the old one stays. Check the disk."
        )
    sync(fresh)
