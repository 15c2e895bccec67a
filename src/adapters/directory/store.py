"""The image store over a directory: one folder per job, a manifest per call; imports stdlib and imaging_core.

root/3f/3f0c.../
    0-<sha256>.png      a picture of call 0, named after its content
    input-mask-<sha256>.png  a picture that the job begins with
    0.json              the manifest of call 0: written last and linked, so the first writer wins and a reader sees all
    .tmp-...            being written, or left by a crash, where the file system has no files without a name
"""

import asyncio
import errno
import math
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from adapters.directory.calls import read_call, store_call, unnamed_pictures
from adapters.directory.draft import TEMPORARY
from adapters.directory.failures import translated
from adapters.directory.folder import Folder
from adapters.directory.inputs import store_inputs
from adapters.directory.room import try_to_store
from adapters.directory.warm import WarmPictures
from imaging_core.errors import ImageNotAvailable, Unavailable
from imaging_core.ids import JOB_ID
from imaging_core.images import Generated, ImageRef, InputImage, StoredCall
from imaging_core.opened import Opened
from imaging_core.stored_files import INPUT, INPUT_KEY, KEY, MANIFEST

P = ParamSpec("P")
T = TypeVar("T")

#: Largest picture that is given in one piece, in bytes.
ONE_PIECE = 8 << 20
#: Length of the pieces of a larger one, in bytes.
PIECE = 1 << 20

#: How long a check that went well is good, in s: less than any worker needs to fill the reserve.
CHECK_GOOD_S = 1.0

_FAN_OUT = re.compile(r"[0-9a-f]{2}", re.ASCII)
#: A name in the way that is no folder or no file of ours (a link, say) is as good as none.
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_WRITE_TRIES = 3


class DirectoryImageStore:
    """Pictures under one root, which several processes and hosts may share; nothing blocks the event loop.

    Does nothing until it is used: `check` makes the root and says whether a picture could be stored in it.
    """

    asks_proof = True

    def __init__(
        self, root: str | Path, *, reserve_bytes: int = 100 << 20, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`reserve_bytes` is how much must be free for `check` to be content; a paid picture may still use it."""
        #: Where the pictures are.
        self.root = str(Path(root).absolute())
        self._reserve = reserve_bytes
        #: None until somebody asks; then counted on by whoever stores or deletes, in several threads.
        self._used: int | None = None
        self._counting = threading.Lock()
        self._clock = clock
        #: Until when a check that went well is good, by that clock.
        self._checked_until = -math.inf
        self._checking = threading.Lock()
        self._warm = WarmPictures()
        #: Folders right below the root whose names this process has seen to; they are never removed.
        self._durable: set[str] = set()

    async def put(self, job_id: str, call: int, generated: Generated, *, first_image: int) -> StoredCall:
        """Store what a call gave, or give what was stored of it before; see the port's promises 1 and 2."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError("not a job id")
        try:
            stored = await self._blocking(self._put, job_id, call, generated, first_image)
        except Unavailable:
            self._checked_until = -math.inf
            raise
        for ref in stored.images:
            self._warm.note(ref)
        return stored

    async def find(self, job_id: str) -> Sequence[StoredCall]:
        """What is stored of a job, in the order of its calls."""
        return await self._blocking(self._find, job_id)

    async def open(self, ref: ImageRef) -> Opened:
        """The bytes of a picture up to 8 MB, else a stream of them. Raises ImageNotAvailable."""
        key = KEY.fullmatch(ref.key)
        if key is None:
            raise ImageNotAvailable("There is no such picture in this store.")
        job_id, name = key.groups()
        if ref.size > ONE_PIECE:
            await self._blocking(self._read, job_id, name, ref.size, 0, 1)
            return self._pieces(job_id, name, ref.size)
        if (warm := self._warm.read(ref, lambda: self._job_folder(job_id), name)) is not None:
            return warm
        data = await self._blocking(self._read, job_id, name, ref.size)
        self._warm.note(ref)
        return data

    async def put_inputs(self, job_id: str, inputs: Mapping[str, bytes]) -> Mapping[str, str]:
        """Store the pictures that a job begins with, by name, and give their keys. Raises StorageFull, Unavailable."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError("not a job id")
        try:
            return await self._blocking(self._put_inputs, job_id, inputs)
        except Unavailable:
            self._checked_until = -math.inf
            raise

    async def open_input(self, picture: InputImage) -> bytes:
        """The bytes of a picture that a job begins with. Raises ImageNotAvailable."""
        key = INPUT_KEY.fullmatch(picture.key)
        if key is None:
            raise ImageNotAvailable("There is no such picture in this store.")
        job_id, name = key.groups()
        return await self._blocking(self._read, job_id, name, picture.size, 0, picture.size)

    async def delete(self, job_id: str) -> None:
        """Remove everything of a job; again, if need be."""
        await self._blocking(self._delete, job_id)

    async def check(self) -> None:
        """Try to store something. Raises Unavailable, or StorageFull when less than the reserve is free.

        Asked before every claim, so a success is good for a second; a failure, of this or of a `put`, for no time at all.
        """
        if self._clock() >= self._checked_until:
            await self._blocking(self._check)

    async def used(self) -> int:
        """Bytes that were there when last measured, and what was stored and deleted by this process since."""
        return await self.measure() if self._used is None else self._used

    async def measure(self) -> int:
        """Count every file anew, in bytes; reads the names of all, so it takes its time."""
        return await self._blocking(self._measure)

    async def sweep_temporary(self, *, older_than_s: float = 3600.0) -> int:
        """Remove what crashed writers left half-written and nobody has touched for that long; how many files."""
        return await self._blocking(self._sweep_temporary, older_than_s)

    async def temporary_files(self, *, older_than_s: float = 3600.0) -> Sequence[str]:
        """What `sweep_temporary` would remove, below the root."""
        return await self._blocking(self._temporary_files, older_than_s)

    async def unnamed(
        self, job_id: str, *, older_than_s: float = 3600.0, kept: Sequence[ImageRef] = ()
    ) -> Sequence[str]:
        """Pictures in a job's folder that neither a record nor `kept` names and nobody has touched for that long, below the root.

        None where a record cannot be read: it may be the one that names them.
        """
        return await self._blocking(self._unnamed, job_id, older_than_s, kept)

    async def sweep_unnamed(self, job_id: str, *, older_than_s: float = 3600.0, kept: Sequence[ImageRef] = ()) -> int:
        """Remove those; how many."""
        return await self._blocking(self._sweep_unnamed, job_id, older_than_s, kept)

    async def age_s(self, job_id: str) -> float:
        """Seconds since anything of that job was last written; 0 when there is nothing."""
        return await self._blocking(self._age_s, job_id)

    async def job_ids(self) -> Sequence[str]:
        """Every job that has a folder here, whether or not anybody knows the job."""
        return await self._blocking(self._job_ids)

    async def _blocking(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with translated(self.root):
                return work(*args, **kwargs)

        return await asyncio.to_thread(run)

    # --- writing -----------------------------------------------------------------------------------------

    def _put(self, job_id: str, call: int, generated: Generated, first_image: int) -> StoredCall:
        for _ in range(_WRITE_TRIES):
            # A job deleted at this very moment takes its folder away from under us; then we make it again.
            with suppress(FileNotFoundError), self._made_folder(job_id) as (folder, fresh, sync_parents):
                known = None if fresh else read_call(folder, call)
                if known is not None:
                    # Its writer may have died before its last sync, or that sync may have failed.
                    sync_parents()
                    folder.sync()
                    return known
                stored = store_call(
                    folder, job_id, call, generated, first_image, sync_parents=sync_parents, fresh=fresh
                )
                self._count(sum({ref.key: ref.size for ref in stored.images}.values()))
                return stored
        raise Unavailable(f"The folder of job {job_id} was removed while its pictures were being stored. Try again.")

    def _put_inputs(self, job_id: str, inputs: Mapping[str, bytes]) -> dict[str, str]:
        with self._made_folder(job_id) as (folder, _, sync_parents):
            sync_parents()
            keys = store_inputs(folder, job_id, inputs)
            self._count(sum(map(len, inputs.values())))
            return keys

    def _delete(self, job_id: str) -> None:
        if not JOB_ID.fullmatch(job_id):
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            with self._job_folder(job_id) as folder:
                # The manifests go first: a crash in between leaves files that nobody finds, and another delete removes.
                for name in sorted(folder.names(), key=lambda name: MANIFEST.fullmatch(name) is None):
                    if KEY.fullmatch(f"{job_id}/{name}") or INPUT.fullmatch(name):
                        with suppress(FileNotFoundError):
                            self._count(-folder.size(name))
                    folder.remove(name)
                folder.sync()
            with Folder.root(self.root) as root, root.enter(job_id[:2]) as fan_out:
                fan_out.remove_folder(job_id)

    def _check(self) -> None:
        # Of many that ask at once one tries, and the others wait for what it finds.
        with self._checking:
            now = self._clock()
            if now >= self._checked_until:
                try_to_store(self.root, reserve_bytes=self._reserve)
                self._checked_until = now + CHECK_GOOD_S

    # --- reading -----------------------------------------------------------------------------------------

    def _find(self, job_id: str) -> list[StoredCall]:
        if not JOB_ID.fullmatch(job_id):
            return []
        try:
            with Folder.below(self.root, job_id[:2]) as fan_out, fan_out.enter(job_id) as folder:
                calls = [int(match[1]) for name in folder.names() if (match := MANIFEST.fullmatch(name))]
                found = (read_call(folder, call) for call in sorted(calls))
                stored = [one for one in found if one is not None]
                if stored:
                    # Whoever takes a job over ends it with what is found, and its writer may have died before its last sync.
                    self._sync_parents(fan_out, job_id[:2])
                    folder.sync()
                return stored
        except FileNotFoundError:
            return []

    def _read(self, job_id: str, name: str, size: int, offset: int = 0, most: int = ONE_PIECE) -> bytes:
        try:
            with self._job_folder(job_id) as folder:
                data, stored = folder.read(name, most=most, offset=offset)
        except OSError as error:
            if error.errno in _GONE:
                raise ImageNotAvailable("The picture is no longer in the store.") from error
            raise
        if stored != size or len(data) != min(most, size - offset):
            raise ImageNotAvailable(f"The stored picture is damaged: it has {stored} bytes instead of {size}.")
        return data

    async def _pieces(self, job_id: str, name: str, size: int) -> AsyncIterator[bytes]:
        # The file is opened anew for each piece, so that a stream which is given up holds nothing.
        for offset in range(0, size, PIECE):
            yield await self._blocking(self._read, job_id, name, size, offset, PIECE)

    # --- the tree ----------------------------------------------------------------------------------------

    def _job_folder(self, job_id: str) -> Folder:
        with Folder.below(self.root, job_id[:2]) as fan_out:
            return fan_out.enter(job_id)

    @contextmanager
    def _made_folder(self, job_id: str) -> Iterator[tuple[Folder, bool, Callable[[], None]]]:
        """A job's folder, whether it had to be made, and what makes its name durable.

        The last is to be done before anything in it is promised.
        """
        with self._made_fan_out(job_id[:2]) as fan_out:
            fresh = fan_out.make(job_id)
            with fan_out.enter(job_id) as folder:
                yield folder, fresh, partial(self._sync_parents, fan_out, job_id[:2])

    def _sync_parents(self, fan_out: Folder, name: str) -> None:
        """Make the names in a folder right below the root durable, and its own."""
        # Also when another made them: it may not have come to its own sync yet, or have died before it.
        fan_out.sync()
        if name not in self._durable:
            with Folder.root(self.root) as root:
                root.sync()
            self._durable.add(name)

    def _made_fan_out(self, name: str) -> Folder:
        # There from the second job on, of 256.
        with suppress(FileNotFoundError):
            return Folder.below(self.root, name)
        with Folder.made(self.root) as root:
            root.make(name)
        return Folder.below(self.root, name)

    def _job_ids(self) -> list[str]:
        with suppress(FileNotFoundError), Folder.root(self.root) as root:
            return [job_id for fan_out in _fan_outs(root) for job_id in fan_out.names() if JOB_ID.fullmatch(job_id)]
        return []

    def _count(self, change: int) -> None:
        with self._counting:
            if self._used is not None:
                self._used = max(0, self._used + change)

    def _measure(self) -> int:
        found = 0
        for _, folder in self._folders():
            for name in folder.names():
                with suppress(FileNotFoundError):
                    found += folder.size(name)
        with self._counting:
            self._used = found
        return found

    def _age_s(self, job_id: str) -> float:
        now = time.time()
        # Deleted at this very moment: there is nothing to judge.
        with suppress(FileNotFoundError, NotADirectoryError), self._job_folder(job_id) as folder:
            return min(folder.age_s(name, now=now) for name in (".", *folder.names()))
        return 0.0

    def _temporary_files(self, older_than_s: float) -> list[str]:
        return [f"{path}{name}" for path, folder in self._folders() for name in _stale(folder, older_than_s)]

    def _sweep_temporary(self, older_than_s: float) -> int:
        return sum(folder.remove(name) for _, folder in self._folders() for name in _stale(folder, older_than_s))

    def _unnamed(self, job_id: str, older_than_s: float, kept: Sequence[ImageRef]) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError, Unavailable), self._job_folder(job_id) as folder:
            names = unnamed_pictures(folder, kept)
            return [f"{job_id[:2]}/{job_id}/{name}" for name in names if _old(folder, name, older_than_s)]
        return []

    def _sweep_unnamed(self, job_id: str, older_than_s: float, kept: Sequence[ImageRef]) -> int:
        names = [path.rpartition("/")[2] for path in self._unnamed(job_id, older_than_s, kept)]
        with suppress(FileNotFoundError, NotADirectoryError), self._job_folder(job_id) as folder:
            for name in names:
                size = folder.size(name)
                if folder.remove(name):
                    self._count(-size)
        return len(names)

    def _folders(self) -> Iterator[tuple[str, Folder]]:
        """The root and every job's folder, open while it is the current one, each with its path below the root."""
        with suppress(FileNotFoundError), Folder.root(self.root) as root:
            yield "", root
            for fan_out in _fan_outs(root):
                for job_id in filter(JOB_ID.fullmatch, fan_out.names()):
                    # Deleted since it was listed, or no folder: nothing of ours is in it.
                    with suppress(FileNotFoundError, NotADirectoryError), fan_out.enter(job_id) as folder:
                        yield f"{job_id[:2]}/{job_id}/", folder


def _fan_outs(root: Folder) -> Iterator[Folder]:
    for name in filter(_FAN_OUT.fullmatch, root.names()):
        with suppress(FileNotFoundError, NotADirectoryError), root.enter(name) as folder:
            yield folder


def _stale(folder: Folder, older_than_s: float) -> list[str]:
    return [name for name in folder.names() if name.startswith(TEMPORARY) and _old(folder, name, older_than_s)]


def _old(folder: Folder, name: str, older_than_s: float) -> bool:
    with suppress(FileNotFoundError):
        return folder.age_s(name, now=time.time()) >= older_than_s
    return False
