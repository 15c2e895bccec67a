"""One writer per data folder, and everybody else is told who it is; imports stdlib and imaging_core."""

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from imaging_core.errors import Unavailable

#: The lock's file within the data folder; it stays there, and means nothing unless somebody holds it.
LOCK_FILE = "imaging.lock"


class FolderInUse(Unavailable):
    """Another process has the folder; the sentence names it."""


class FolderLock:
    """Held from construction until `release`, or until the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises FolderInUse that names the holder, OSError when the file cannot be used."""
        self._fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                # flock, not lockf: the kernel drops it with the last descriptor, and a second one in this process waits too.
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _describe(os.pread(self._fd, 4096, 0))
                raise FolderInUse(
                    f"The data folder {folder} is in use by {holder}. Stop that one first, or give this one a data "
                    "folder of its own."
                ) from None
            self._write(
                {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(" ", "seconds")}
            )
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Let the next one in."""
        with suppress(OSError):
            # A name left behind would only mislead; the lock itself goes with the descriptor.
            os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def _write(self, holder: dict[str, object]) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(holder).encode(), 0)


def _describe(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on host {holder['host']} since {holder['since']}"
    except (ValueError, TypeError, KeyError):
        return "another process"
