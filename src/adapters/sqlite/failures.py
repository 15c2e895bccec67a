"""The one place where an error of SQLite or of the data folder becomes one of the core's; imports stdlib and imaging_core."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaging_core.errors import StorageFull, Unavailable

_FULL = "The disk that holds {folder} is full. Free disk space; what was stored before is safe."
_CLOSE_IT = "Another program holds the database in {folder} locked. Close it (a database browser?)."
_NOT_WRITABLE = (
    "The database in {folder} cannot be written ({error}). Make the folder and every file in it writable for user id "
    "{user}."
)
_DAMAGED = (
    "The database in {folder} is damaged or no database ({error}). Put a copy in its place (imaging.db.*.bak are copies "
    "made before upgrades), or move it away to begin anew."
)
_SENTENCES = {
    sqlite3.SQLITE_BUSY: _CLOSE_IT,
    sqlite3.SQLITE_LOCKED: _CLOSE_IT,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_IOERR: "The disk that holds {folder} fails ({error}). Check its free space, quotas and health.",
}
_OTHER = "The database in {folder} does not work ({error})."
_FOLDER = (
    "The data folder {folder} cannot be used ({error}). Make it a folder that user id {user} may write to, or choose "
    "another one."
)


def unavailable(error: sqlite3.Error | OSError, folder: Path) -> Unavailable:
    """What is wrong, in a sentence that names the data folder and says what to do."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return StorageFull(_FULL.format(folder=folder))
        reason = os.strerror(error.errno) if error.errno else str(error)
        return Unavailable(_FOLDER.format(folder=folder, error=reason, user=os.geteuid()))
    # The low byte of an extended result code is the primary one.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(_FULL.format(folder=folder))
    return Unavailable(_SENTENCES.get(code, _OTHER).format(folder=folder, error=error, user=os.geteuid()))


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise Unavailable or StorageFull for every error of SQLite or of the file system inside."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise unavailable(error, folder) from error
