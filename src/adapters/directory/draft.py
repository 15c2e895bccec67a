"""A file on its way to its name: without any until then where the file system can do that; imports stdlib only.

Everything here blocks, and raises OSError. What has no name is gone with the process that wrote it, so that a crash
leaves nothing half-written; elsewhere (NFS, macOS) it has a temporary name, which somebody must tidy up after a crash.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Protocol

#: What half-written files with a name are called, so that whoever tidies up knows them.
TEMPORARY = ".tmp-"

#: Where Linux shows open files as names that can be linked: linkat(2), AT_SYMLINK_FOLLOW.
_OPEN_FILES = "/proc/self/fd"
#: What open(2) says where there are no files without a name; EISDIR comes from kernels that do not know the flag.
_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
_WRITE_AT_ONCE = 1 << 20


class Draft(Protocol):
    """A file that awaits its name: sync it, publish or replace, and discard it in the end."""

    def sync(self) -> None:
        """Make its bytes durable."""
        ...

    def publish(self, name: str) -> bool:
        """Give it that name, unless another has it: whether it was the first."""
        ...

    def replace(self, name: str) -> None:
        """Give it that name, also when another has it."""
        ...

    def discard(self) -> None:
        """Let go of it; of a name that it was given it is not parted."""
        ...


def write_draft(folder: int, data: bytes) -> Draft:
    """A file in that open directory with these bytes, which are not durable yet.

    Raises OSError and leaves nothing when they did not all get there.
    """
    descriptor = _open_nameless(folder)
    draft: Draft
    if descriptor is not None:
        draft = NamelessDraft(folder, descriptor)
    else:
        name = temporary_name()
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        draft = NamedDraft(folder, descriptor, name)
    try:
        _write_all(descriptor, data)
    except BaseException:
        draft.discard()
        raise
    return draft


class _OpenFile:
    """A file that was written and is still open."""

    def __init__(self, descriptor: int) -> None:
        self._fd: int | None = descriptor

    def sync(self) -> None:
        """Make its bytes durable."""
        assert self._fd is not None  # noqa: S101  # whoever discards it does so last
        os.fsync(self._fd)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class NamelessDraft(_OpenFile):
    """An open file without a name, gone when it is closed."""

    def __init__(self, folder: int, descriptor: int) -> None:
        super().__init__(descriptor)
        self._folder = folder

    def publish(self, name: str) -> bool:
        """Give it that name, unless another has it: whether it was the first."""
        try:
            self._link(name)
        except FileExistsError:
            return False
        return True

    def replace(self, name: str) -> None:
        """Give it that name, also when another has it."""
        try:
            self._link(name)
        except FileExistsError:
            # A name can only be taken over by a file that has one.
            other = temporary_name()
            self._link(other)
            _take_over(self._folder, other, name)

    def discard(self) -> None:
        """Close it."""
        self._close()

    def _link(self, name: str) -> None:
        with _without_links():
            os.link(f"{_OPEN_FILES}/{self._fd}", name, dst_dir_fd=self._folder, follow_symlinks=True)


class NamedDraft(_OpenFile):
    """A file under a temporary name."""

    def __init__(self, folder: int, descriptor: int, name: str) -> None:
        super().__init__(descriptor)
        self._folder = folder
        self._name = name

    def publish(self, name: str) -> bool:
        """Give it that name, unless another has it: whether it was the first."""
        try:
            with _without_links():
                os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except FileExistsError:
            # NFS repeats a request whose reply was lost, and then says that the name exists: two names are proof.
            return os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_nlink > 1
        return True

    def replace(self, name: str) -> None:
        """Give it that name, also when another has it."""
        _take_over(self._folder, self._name, name)

    def discard(self) -> None:
        """Close it, and remove the temporary name if it is still there."""
        self._close()
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)  # by descriptor


def _take_over(folder: int, temporary: str, name: str) -> None:
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)  # by descriptor


def _open_nameless(folder: int) -> int | None:
    if not _can_name_open_files():
        return None
    try:
        return os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_NAMELESS:
            return None
        raise


@cache
def _can_name_open_files() -> bool:
    return hasattr(os, "O_TMPFILE") and os.path.isdir(_OPEN_FILES)  # noqa: PTH112  # a constant


@contextmanager
def _without_links() -> Iterator[None]:
    """link(2): EPERM means that the file system has no hard links."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPERM:
            error.errno = errno.ENOTSUP
        raise


def temporary_name() -> str:
    """A name that nobody has and everybody knows for what it is."""
    return f"{TEMPORARY}{secrets.token_hex(12)}"


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        # On a nearly full disk write() stores a part and says so by its result alone.
        rest = rest[os.write(descriptor, rest[:_WRITE_AT_ONCE]) :]
    if os.fstat(descriptor).st_size != len(data):
        raise OSError(errno.EIO, "the file is not what was written to it")
