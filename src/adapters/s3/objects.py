"""The objects below a bucket's prefix, as the store needs them; imports stdlib, obstore and imaging_core.

Everything here blocks. obstore's own coroutines are not used: when a process ends, the thread that fulfils one may want the
interpreter that is being taken down, and the process aborts (obstore 0.12 on CPython 3.11). Raises Unavailable, StorageFull.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import attrs
import obstore
from obstore.exceptions import AlreadyExistsError

from adapters.s3.failures import translated
from adapters.s3.place import S3Place
from imaging_core.errors import ImageNotAvailable

#: Larger pictures are sent in parts of this length, in bytes.
PART = 8 << 20
#: Parts of one picture that are under way at a time.
_PARTS_AT_ONCE = 4
_GONE = "The picture is no longer in the store."


@attrs.frozen(kw_only=True)
class Found:
    """One object of a listing."""

    #: Below the prefix.
    path: str
    size: int
    last_modified: datetime


class Objects:
    """Puts, gets, lists and deletes. Nothing connects before the first use."""

    def __init__(self, place: S3Place) -> None:
        """Raises ValueError for a place that cannot be meant."""
        self.place = place
        self._client = place.client()
        self._reader = place.reading_client()
        self._public: obstore.store.S3Store | None = None
        self._making = threading.Lock()

    def put(self, path: str, data: bytes, attributes: Mapping[str, str]) -> None:
        """Store an object under a name that stands for its content, whether or not it is there."""
        with translated(self.place):
            obstore.put(
                self._client, path, data, attributes=dict(attributes), chunk_size=PART, max_concurrency=_PARTS_AT_ONCE
            )

    def create(self, path: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        """Store an object unless there is one (`If-None-Match: *`); whether this one is it."""
        with translated(self.place):
            try:
                obstore.put(self._client, path, data, attributes=dict(attributes), mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def read(self, path: str) -> bytes:
        """A whole object. Raises FileNotFoundError."""
        with translated(self.place):
            return bytes(obstore.get(self._client, path).bytes())

    def read_picture(self, path: str, *, size: int, sha256: str | None) -> bytes:
        """A whole picture. Raises ImageNotAvailable when it is gone or is not what was stored."""
        with translated(self.place):
            try:
                answer = obstore.get(self._reader, path)
                _check_size(answer.meta["size"], size)
                data = bytes(answer.bytes())
            except FileNotFoundError:
                raise ImageNotAvailable(_GONE) from None
        _check_size(len(data), size)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise ImageNotAvailable("The stored picture is damaged: its SHA-256 is not the recorded one.")
        return data

    def read_piece(self, path: str, *, start: int, stop: int, size: int) -> bytes:
        """The bytes from start to before stop of a picture. Raises ImageNotAvailable as `read_picture` does."""
        with translated(self.place):
            try:
                answer = obstore.get(self._reader, path, options={"range": (start, stop)})
                _check_size(answer.meta["size"], size)
                data = bytes(answer.bytes())
            except FileNotFoundError:
                raise ImageNotAvailable(_GONE) from None
        if len(data) != stop - start:
            raise ImageNotAvailable(f"The stored picture is damaged: it ends at {start + len(data)} instead of {size}.")
        return data

    def check_picture(self, path: str, *, size: int) -> None:
        """Raises ImageNotAvailable unless there is an object of that length."""
        with translated(self.place):
            try:
                _check_size(obstore.head(self._reader, path)["size"], size)
            except FileNotFoundError:
                raise ImageNotAvailable(_GONE) from None

    def list(self, folder: str = "") -> Iterator[Found]:
        """Every object below a folder of the prefix, as it is now."""
        # Pages come while one iterates: each is asked for in here.
        pages = obstore.list(self._client, folder or None)
        while True:
            with translated(self.place):
                page = next(pages, None)
            if page is None:
                return
            for meta in page:
                yield Found(path=meta["path"], size=meta["size"], last_modified=meta["last_modified"])

    def delete(self, paths: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        if paths:
            # Servers that delete one by one may say that one is gone.
            with translated(self.place), suppress(FileNotFoundError):
                obstore.delete(self._client, list(paths))

    def link(self, path: str, *, seconds: int) -> str:
        """An address under which whoever has it may read that object for so long."""
        with self._making:
            if self._public is None:
                self._public = self.place.public_client()
        with translated(self.place):
            return obstore.sign(self._public, "GET", path, timedelta(seconds=seconds))


def _check_size(stored: int, size: int) -> None:
    if stored != size:
        raise ImageNotAvailable(f"The stored picture is damaged: it has {stored} bytes instead of {size}.")
