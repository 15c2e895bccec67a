"""Keeps pictures in memory, for programs that embed the service; imports stdlib, attrs and this package's values."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence

import attrs

from imaging_core.errors import ImageNotAvailable, StorageFull
from imaging_core.images import Generated, GeneratedImage, ImageRef, InputImage, StoredCall

#: Pictures up to this many bytes come in one piece.
_ONE_PIECE = 8_000_000
#: Bytes in one part of a larger one.
_PART = 1_000_000


class MemoryImageStore:
    """The pictures of one process, gone with it; `max_bytes` is how much they may take together, None for no limit."""

    asks_proof = True

    def __init__(self, max_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        #: The largest call met so far, in bytes: what `check` wants room for.
        self._largest = 1
        self._calls: dict[str, dict[int, StoredCall]] = {}
        self._pictures: dict[str, bytes] = {}
        #: By job, the keys of the pictures that it begins with.
        self._inputs: dict[str, tuple[str, ...]] = {}

    async def put(self, job_id: str, call: int, generated: Generated, *, first_image: int) -> StoredCall:
        """Store what a call gave, unless that call is stored already.

        Raises StorageFull when it would take more than `max_bytes`, and what its proof raises.
        """
        if generated.proof is not None:
            await asyncio.to_thread(generated.proof)
        stored = self._calls.get(job_id, {}).get(call)
        if stored is not None:
            return stored
        kept = [(first_image + k, image) for k, image in enumerate(generated.images) if not image.filtered]
        need = sum(len(image.data) for _, image in kept)
        self._largest = max(self._largest, need)
        self._check_room(need)
        refs = tuple(_ref(f"{job_id}/{call}/{index}", index, image) for index, image in kept)
        self._pictures.update((ref.key, image.data) for ref, (_, image) in zip(refs, kept, strict=True))
        self._used += need
        filtered = len(generated.images) - len(kept)
        stored = StoredCall(call=call, images=refs, filtered=filtered, credits=generated.credits)
        self._calls.setdefault(job_id, {})[call] = stored
        return stored

    async def find(self, job_id: str) -> Sequence[StoredCall]:
        """What is stored of a job, in the order of its calls."""
        calls = self._calls.get(job_id, {})
        return tuple(calls[call] for call in sorted(calls))

    async def open(self, ref: ImageRef) -> bytes | AsyncIterator[bytes]:
        """The bytes of a picture.

        Raises ImageNotAvailable when they are gone or are not what the reference says.
        """
        data = self._pictures.get(ref.key)
        if data is None or len(data) != ref.size:
            raise ImageNotAvailable("That picture is no longer stored.")
        return data if len(data) <= _ONE_PIECE else _parts(data)

    async def put_inputs(self, job_id: str, inputs: Mapping[str, bytes]) -> Mapping[str, str]:
        """Store the pictures that a job begins with.

        Raises StorageFull when they would take more than `max_bytes`.
        """
        need = sum(map(len, inputs.values()))
        self._check_room(need)
        keys = {name: f"{job_id}/input/{name}" for name in inputs}
        self._pictures.update((keys[name], data) for name, data in inputs.items())
        self._inputs[job_id] = tuple(keys.values())
        self._used += need
        return keys

    async def open_input(self, picture: InputImage) -> bytes:
        """The bytes of a picture that a job begins with. Raises ImageNotAvailable."""
        data = self._pictures.get(picture.key)
        if data is None or len(data) != picture.size or "/input/" not in picture.key:
            raise ImageNotAvailable("That picture is no longer stored.")
        return data

    async def delete(self, job_id: str) -> None:
        """Remove a job's pictures and records."""
        refs = [ref for stored in self._calls.pop(job_id, {}).values() for ref in stored.images]
        for key in (*(ref.key for ref in refs), *self._inputs.pop(job_id, ())):
            self._used -= len(self._pictures.pop(key))

    async def check(self) -> None:
        """Whether a call as large as the largest so far could be stored now; StorageFull when not."""
        self._check_room(self._largest)

    def _check_room(self, need: int) -> None:
        if self._max_bytes is not None and self._used + need > self._max_bytes:
            free = self._max_bytes - self._used
            raise StorageFull(
                f"The picture memory has {free} of {self._max_bytes} bytes free and needs {need}. Delete old pictures."
            )


async def _parts(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PART):
        yield data[start : start + _PART]


def _ref(key: str, index: int, image: GeneratedImage) -> ImageRef:
    facts = attrs.asdict(image, filter=attrs.filters.include("media_type", "width", "height", "seed"))
    return ImageRef(index=index, key=key, size=len(image.data), sha256=hashlib.sha256(image.data).hexdigest(), **facts)
