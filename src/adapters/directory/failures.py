"""The one place where an OSError becomes one of the core's errors; imports stdlib and imaging_core."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from imaging_core.errors import StorageFull, Unavailable

#: No space, over quota, and over the largest size a process may write.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def translated(root: str) -> Iterator[None]:
    """Raise StorageFull or Unavailable, with a sentence that names the folder, for every OSError inside."""
    try:
        yield
    except OSError as error:
        raise _translation(error, root) from error


def _translation(error: OSError, root: str) -> Unavailable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return StorageFull(
            f"There is no room for another picture in {root} ({reason}). Free disk space or delete old pictures."
        )
    if error.errno in _NOT_ALLOWED:
        return Unavailable(
            f"The picture folder {root} cannot be used ({reason}). Make it writable for user id {os.geteuid()}, or "
            "choose another folder."
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.ELOOP}:
        return Unavailable(f"The picture folder {root} holds something that is no folder ({reason}). Move it away.")
    if error.errno in {errno.ENOTSUP, errno.ENOSYS}:
        return Unavailable(
            f"The file system of the picture folder {root} has no hard links ({reason}), and without them two writers "
            "could overwrite each other. Choose a folder on another file system."
        )
    return Unavailable(f"The picture folder {root} cannot be used ({reason}). Check the disk and that it is mounted.")
