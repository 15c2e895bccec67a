"""The image store over a bucket: the names of a picture folder as keys; imports stdlib and imaging_core.

Pictures are put under names that stand for their content, records after them with `If-None-Match: *`.

prefix/3f/3f0c.../...       as in `imaging_core.stored_files`
prefix/probe                shows that one can store here
"""

import asyncio
import contextvars
import hashlib
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec, Self, TypeVar

from adapters.s3.failures import no_answer
from adapters.s3.objects import Found, Objects
from adapters.s3.place import S3Place
from adapters.s3.reads import Reads
from imaging_core.errors import ImageNotAvailable, Unavailable
from imaging_core.ids import JOB_ID
from imaging_core.images import Generated, ImageRef, InputImage, StoredCall
from imaging_core.stored_files import (
    INPUT_KEY,
    KEY,
    MANIFEST,
    CallFiles,
    FileToStore,
    call_files,
    input_files,
    name_of,
    read_record,
    unnamed_among,
)

P = ParamSpec("P")
T = TypeVar("T")

#: Largest picture that is given in one piece, in bytes.
ONE_PIECE = 8 << 20
#: Length of the pieces of a larger one, in bytes: each is a request of its own.
PIECE = 4 << 20
#: How long a check that went well is good, in s; each costs a request.
CHECK_GOOD_S = 10.0
#: How long whoever asks waits for a check, in s.
CHECK_S = 10.0
#: How long a link is good, in s; never more than a quarter of an hour.
LINK_S = 900

#: Requests at a time of one process, those besides that read pictures.
_THREADS = 32
_WRITE_TRIES = 3
_PROBE = "probe"
#: What browsers may be shown as a picture; everything else is bytes that nobody interprets.
_SHOWN = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_RECORD = {"Content-Type": "application/json"}


class S3ImageStore:
    """Pictures below a bucket's prefix, which any number of processes and hosts share; nothing blocks the event loop.

    What a crash cuts off while a large picture is sent in parts is no object and is never listed: the bucket's lifecycle
    rule for incomplete uploads removes it. Everything else is as in a folder.
    """

    asks_proof = True

    def __init__(self, place: S3Place, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Connects to nothing. Raises ValueError for a place that cannot be meant."""
        self._objects = Objects(place)
        #: Where the pictures are.
        self.root = place.url
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="imaging-s3")
        self._reads = Reads(place)
        #: None until somebody asks; then counted on by whoever stores or deletes, in several threads.
        self._used: int | None = None
        self._counting = threading.Lock()
        self._clock = clock
        #: Until when a check that went well is good, by that clock, and whether the bucket took what it was given.
        self._checked_until = -math.inf
        self._proven = False
        #: The look at the bucket that is under way: all who ask meanwhile learn from it.
        self._looking: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads once what they do is done, and begin nothing more; waits for none of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reads.close()

    async def put(self, job_id: str, call: int, generated: Generated, *, first_image: int) -> StoredCall:
        """Store what a call gave, or give what was stored of it before; see the port's promises 1 and 2."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError("not a job id")
        files = await self._blocking(_proven_files, job_id, call, generated, first_image)
        try:
            for _ in range(_WRITE_TRIES):
                known = await self._blocking(self._read_call, job_id, call)
                if known is not None:
                    return known
                await self._upload(job_id, files.pictures, _names_shown(job_id, files))
                if await self._blocking(self._objects.create, _path(job_id, files.record_name), files.record, _RECORD):
                    self._count(sum(len(picture.data) for picture in files.pictures.values()))
                    return files.stored
                # Another was first, or this one was and only the answer got lost; deleted since, it is written anew.
                winner = await self._blocking(self._read_call, job_id, call)
                if winner is not None:
                    await self._remove_losers(job_id, files, winner)
                    return winner
        except Unavailable:
            self._doubt()
            raise
        raise Unavailable(f"The pictures of job {job_id} were removed while they were being stored. Try again.")

    async def find(self, job_id: str) -> Sequence[StoredCall]:
        """What is stored of a job, in the order of its calls."""
        if not JOB_ID.fullmatch(job_id):
            return []
        names = [_name(found) for found in await self._listed(job_id)]
        calls = sorted(int(match[1]) for name in names if (match := MANIFEST.fullmatch(name)))
        found = await asyncio.gather(*(self._blocking(self._read_call, job_id, call) for call in calls))
        return [stored for stored in found if stored is not None]

    async def open(self, ref: ImageRef) -> bytes | AsyncIterator[bytes]:
        """The bytes of a picture up to 8 MB, else a stream of them. Raises ImageNotAvailable."""
        path = _path_of(ref)
        if ref.size <= ONE_PIECE:
            return await self._reads.run(self._objects.read_picture, path, size=ref.size, sha256=ref.sha256)
        first = await self._piece(path, ref, 0)
        return self._pieces(path, ref, first)

    async def put_inputs(self, job_id: str, inputs: Mapping[str, bytes]) -> Mapping[str, str]:
        """Store the pictures that a job begins with, by name, and give their keys. Raises StorageFull, Unavailable."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError("not a job id")
        files = await self._blocking(input_files, inputs)
        by_name = dict(files.values())
        try:
            await self._upload(job_id, by_name, dict.fromkeys(by_name, ""))
        except Unavailable:
            self._doubt()
            raise
        self._count(sum(map(len, inputs.values())))
        return {field: f"{job_id}/{name}" for field, (name, _) in files.items()}

    async def open_input(self, picture: InputImage) -> bytes:
        """The bytes of a picture that a job begins with. Raises ImageNotAvailable."""
        key = INPUT_KEY.fullmatch(picture.key)
        if key is None:
            raise ImageNotAvailable("There is no such picture in this store.")
        path = _path(*key.groups())
        return await self._reads.run(self._objects.read_picture, path, size=picture.size, sha256=picture.sha256)

    async def link(self, ref: ImageRef) -> str:
        """An address under which whoever has it may read that picture for 15 minutes. Raises ImageNotAvailable."""
        path = _path_of(ref)
        await self._reads.run(self._objects.check_picture, path, size=ref.size)
        return await self._blocking(self._objects.link, path, seconds=LINK_S)

    async def delete(self, job_id: str) -> None:
        """Remove everything of a job; again, if need be."""
        if not JOB_ID.fullmatch(job_id):
            return
        found = await self._listed(job_id)
        # The records go first: a crash in between leaves objects that nobody finds, and another delete removes.
        records = [one.path for one in found if MANIFEST.fullmatch(_name(one))]
        await self._blocking(self._objects.delete, records)
        await self._blocking(self._objects.delete, [one.path for one in found if one.path not in records])
        self._count(-sum(one.size for one in found))

    async def check(self) -> None:
        """Try to store something. Raises Unavailable, or StorageFull where the bucket has a limit and it is reached.

        Asked before every claim, so a success is good for 10 s; a failure, of this or of a `put`, for no time at all. Of
        many that ask at once one looks, and none waits for longer than 10 s: the requests behind a look have more patience,
        so after that the next one looks anew.
        """
        if self._clock() < self._checked_until:
            return
        looking = self._looking
        if looking is None or looking.done() or looking.get_loop() is not asyncio.get_running_loop():
            looking = self._looking = asyncio.ensure_future(self._blocking(self._look))
            # Whoever asked may have gone, and asyncio complains of errors that nobody looked at.
            looking.add_done_callback(lambda look: look.cancelled() or look.exception())
        try:
            async with asyncio.timeout(CHECK_S):
                await asyncio.shield(looking)
        except TimeoutError:
            if self._looking is looking:
                # It may hang on a connection that is dead while the bucket is back: whoever asks next looks anew.
                self._looking = None
            raise no_answer(self._objects.place) from None

    async def used(self) -> int:
        """Bytes that were there when last measured, and what was stored and deleted by this process since."""
        return await self.measure() if self._used is None else self._used

    async def measure(self) -> int:
        """Count every object anew, in bytes; lists them all, a thousand in a request."""
        return await self._blocking(self._measure)

    async def sweep_temporary(self, *, older_than_s: float = 3600.0) -> int:  # noqa: ARG002  # nothing is half-written
        """Remove nothing: an object is whole or not there."""
        return 0

    async def temporary_files(self, *, older_than_s: float = 3600.0) -> Sequence[str]:  # noqa: ARG002
        """There are none: an object is whole or not there."""
        return ()

    async def unnamed(
        self, job_id: str, *, older_than_s: float = 3600.0, kept: Sequence[ImageRef] = ()
    ) -> Sequence[str]:
        """Pictures of a job that neither a record nor `kept` names and that were stored at least that long ago, below the prefix.

        None where a record cannot be read: it may be the one that names them.
        """
        found = {_name(one): one for one in await self._listed(job_id)}
        try:
            calls = [
                await self._blocking(self._read_record, job_id, name) for name in found if MANIFEST.fullmatch(name)
            ]
        except ValueError:
            return []
        unnamed = unnamed_among(found, (stored for stored in calls if stored is not None), kept)
        return [found[name].path for name in unnamed if _age_s(found[name]) >= older_than_s]

    async def sweep_unnamed(self, job_id: str, *, older_than_s: float = 3600.0, kept: Sequence[ImageRef] = ()) -> int:
        """Remove those; how many."""
        paths = await self.unnamed(job_id, older_than_s=older_than_s, kept=kept)
        await self._blocking(self._objects.delete, paths)
        return len(paths)

    async def age_s(self, job_id: str) -> float:
        """Seconds since anything of that job was last written; 0 when there is nothing."""
        return min(map(_age_s, await self._listed(job_id)), default=0.0)

    async def job_ids(self) -> Sequence[str]:
        """Every job of which something is stored, whether or not anybody knows the job."""
        return await self._blocking(self._job_ids)

    # --- steps, each in a thread -------------------------------------------------------------------------

    async def _blocking(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, partial(context.run, partial(work, *args, **kwargs))
        )

    async def _upload(self, job_id: str, files: Mapping[str, FileToStore], shown_as: Mapping[str, str]) -> None:
        """Store them all at the same time; when one fails, the error comes once none is under way any more."""
        done = await asyncio.gather(
            *(
                self._blocking(self._objects.put, _path(job_id, name), file.data, _attributes(file, shown_as[name]))
                for name, file in files.items()
            ),
            return_exceptions=True,
        )
        for error in done:
            if error is not None:
                raise error

    async def _remove_losers(self, job_id: str, files: CallFiles, winner: StoredCall) -> None:
        kept = {name_of(ref) for ref in winner.images}
        await self._blocking(self._objects.delete, [_path(job_id, name) for name in files.pictures if name not in kept])

    async def _listed(self, job_id: str) -> list[Found]:
        return await self._blocking(lambda: list(self._objects.list(_path(job_id))))

    async def _piece(self, path: str, ref: ImageRef, start: int) -> bytes:
        stop = min(start + PIECE, ref.size)
        return await self._reads.run(self._objects.read_piece, path, start=start, stop=stop, size=ref.size)

    async def _pieces(self, path: str, ref: ImageRef, piece: bytes) -> AsyncIterator[bytes]:
        # Each piece is asked for when it is wanted, so that a slow reader keeps no connection waiting.
        digest, start = hashlib.sha256(), 0
        while True:
            digest.update(piece)
            start += len(piece)
            if start >= ref.size:
                break
            yield piece
            piece = await self._piece(path, ref, start)
        if digest.hexdigest() != ref.sha256:
            # The last piece is withheld: a picture that came out short is known to be none.
            raise ImageNotAvailable("The stored picture is damaged: its SHA-256 is not the recorded one.")
        yield piece

    # --- what blocks -------------------------------------------------------------------------------------

    def _read_record(self, job_id: str, name: str) -> StoredCall | None:
        try:
            return read_record(self._objects.read(_path(job_id, name)))
        except FileNotFoundError:
            return None

    def _read_call(self, job_id: str, call: int) -> StoredCall | None:
        name = f"{call}.json"
        try:
            return self._read_record(job_id, name)
        except ValueError:
            raise Unavailable(
                f"The record {name} of a stored call is damaged. Delete the job and make it again."
            ) from None

    def _look(self) -> None:
        began = self._clock()
        self._try_to_store()
        # One that took long may end after one that began later.
        self._checked_until = max(self._checked_until, began + CHECK_GOOD_S)

    def _try_to_store(self) -> None:
        text = b"imaging checks that it can store pictures here\n"
        if not self._proven:
            # Written at a start and after a failure only: a bucket that keeps versions keeps each of them.
            self._objects.put(_PROBE, text, {})
            if self._objects.create(_PROBE, text, {}):
                raise Unavailable(
                    f"{self._objects.place.address} overwrites in spite of If-None-Match, so two workers could overwrite "
                    "each other's pictures. Use a store that keeps to it."
                )
            self._proven = True
        else:
            # Refused because it is there, after everything else that could be refused.
            self._objects.create(_PROBE, text, {})

    def _doubt(self) -> None:
        self._checked_until, self._proven = -math.inf, False

    def _measure(self) -> int:
        found = sum(one.size for one in self._objects.list())
        with self._counting:
            self._used = found
        return found

    def _job_ids(self) -> list[str]:
        ids = (path.split("/")[1] for one in self._objects.list() if (path := one.path).count("/") == 2)
        return list(dict.fromkeys(job_id for job_id in ids if JOB_ID.fullmatch(job_id)))

    def _count(self, change: int) -> None:
        with self._counting:
            if self._used is not None:
                self._used = max(0, self._used + change)


def _path(job_id: str, *name: str) -> str:
    return "/".join((job_id[:2], job_id, *name))


def _proven_files(job_id: str, call: int, generated: Generated, first_image: int) -> CallFiles:
    """The files of a call that are known to be whole: an object cannot be taken back as a file without a name can."""
    if generated.proof is not None:
        generated.proof()
    return call_files(job_id, call, generated, first_image)


def _path_of(ref: ImageRef) -> str:
    key = KEY.fullmatch(ref.key)
    if key is None:
        raise ImageNotAvailable("There is no such picture in this store.")
    return _path(*key.groups())


def _name(found: Found) -> str:
    return found.path.rpartition("/")[2]


def _age_s(found: Found) -> float:
    return max(0.0, (datetime.now(UTC) - found.last_modified).total_seconds())


def _names_shown(job_id: str, files: CallFiles) -> dict[str, str]:
    """What a browser that is sent to the bucket calls each picture."""
    return {name_of(ref): f"{job_id}-{ref.index}.{_SHOWN.get(ref.media_type, 'bin')}" for ref in files.stored.images}


def _attributes(file: FileToStore, shown_as: str) -> dict[str, str]:
    shown = file.media_type in _SHOWN
    attributes = {"Content-Type": file.media_type if shown else "application/octet-stream"}
    if shown_as:
        attributes["Cache-Control"] = "private, max-age=31536000, immutable"
        attributes["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{shown_as}"'
    return attributes
