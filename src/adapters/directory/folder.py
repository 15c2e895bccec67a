"""One open directory and what may be done in it without ever leaving it; imports stdlib and its neighbours.

Everything here blocks, and raises OSError. All names are single path components, resolved against an open descriptor,
and no symbolic link is followed below the root: a name can therefore open nothing outside, whatever the tree becomes.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Self

from adapters.directory.draft import Draft, write_draft
from adapters.new_folders import make_durable

_NOT_EMPTY_OR_GONE = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR})
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Read only what is in the kernel's memory. Linux alone has it.
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class Folder:
    """An open directory, to be closed; its files are reached by name only."""

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor

    @classmethod
    def root(cls, path: str) -> Self:
        """The directory at that path, which may be a link: it is the operator's choice."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    @classmethod
    def made(cls, path: str) -> Self:
        """The directory at that path; if need be it and those that lead to it are made, and their names durable."""
        make_durable(Path(path))
        return cls.root(path)

    @classmethod
    def below(cls, path: str, name: str) -> Self:
        """The directory of that name in the one at that path; a link or a file in its place is an error."""
        return cls(os.open(f"{path}/{name}", _OPEN_FOLDER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def enter(self, name: str) -> "Folder":
        """The directory of that name; a link or a file in its place is an error."""
        return Folder(os.open(name, _OPEN_FOLDER, dir_fd=self._fd))

    def make(self, name: str) -> bool:
        """Whether there was no such directory, so that a new one was made, which its maker has to sync."""
        try:
            os.mkdir(name, 0o700, dir_fd=self._fd)
        except FileExistsError:
            return False
        return True

    def names(self) -> list[str]:
        """Everything in it, sorted."""
        return sorted(os.listdir(self._fd))  # noqa: PTH208  # by descriptor

    def age_s(self, name: str, *, now: float) -> float:
        """Seconds since the file was last written."""
        return now - os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime

    def size(self, name: str) -> int:
        """Length of the file in bytes; 0 for what is no file."""
        status = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def read(self, name: str, *, most: int, offset: int = 0) -> tuple[bytes, int]:
        """Up to `most` bytes of a regular file from there, and the length of the whole file."""
        descriptor = os.open(name, _OPEN_FILE, dir_fd=self._fd)
        try:
            size = _regular(os.fstat(descriptor))
            # Not more than there is: Python makes room for all that is asked for, and mapping that room anew for each
            # picture costs ten times what the copying does.
            most = max(0, min(most, size - offset))
            parts: list[bytes] = []
            while most and (part := os.pread(descriptor, most, offset)):
                parts.append(part)
                offset, most = offset + len(part), most - len(part)
            return b"".join(parts), size
        finally:
            os.close(descriptor)

    def read_from_memory(self, name: str, room: memoryview) -> bool:
        """Read a whole regular file; False unless it is as long as its room and the kernel has all of it in memory.

        Raises OSError: ENOTSUP where the file system cannot tell, as one on a network, EAGAIN where its beginning is not there.
        """
        if _NOWAIT is None:
            raise OSError(errno.ENOTSUP, "no reads without waiting here")
        descriptor = os.open(name, _OPEN_FILE, dir_fd=self._fd)
        try:
            return _regular(os.fstat(descriptor)) == len(room) == os.preadv(descriptor, [room], 0, _NOWAIT)
        finally:
            os.close(descriptor)

    def draft(self, data: bytes) -> Draft:
        """A new file with these bytes, not durable yet, that awaits its name.

        Raises OSError and leaves nothing when they did not all get there.
        """
        return write_draft(self._fd, data)

    def remove(self, name: str) -> bool:
        """Whether there was such a file to remove."""
        try:
            os.unlink(name, dir_fd=self._fd)  # by descriptor
        except FileNotFoundError:
            return False
        return True

    def remove_folder(self, name: str) -> None:
        """Remove an empty directory; one that is gone, or in use again, stays as it is."""
        try:
            os.rmdir(name, dir_fd=self._fd)  # by descriptor
        except OSError as error:
            if error.errno not in _NOT_EMPTY_OR_GONE:
                raise

    def sync(self) -> None:
        """Make names that were given or taken durable."""
        os.fsync(self._fd)

    def free(self) -> int:
        """Bytes that can still be written by this user."""
        room = os.fstatvfs(self._fd)
        return room.f_bavail * room.f_frsize


def _regular(status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file")
    return status.st_size
