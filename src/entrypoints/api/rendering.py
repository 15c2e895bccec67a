"""Copies of pictures in another shape, made once and kept in memory for a while; imports stdlib.

What makes them is a part that the app is given; what is kept has a limit in bytes, and goes when it was not asked for the longest.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

#: Gives the bytes of a picture.
Read = Callable[[], Awaitable[bytes]]

#: What a copy takes besides its bytes: its name and its place.
_OVERHEAD = 300


class Renderer(Protocol):
    """Makes copies of pictures, a few at a time. Both methods raise ImageNotAvailable for what cannot be converted."""

    @property
    def revision(self) -> str:
        """Changes whenever the same picture might come out in other bytes."""
        ...

    async def thumbnail(self, read: Read, *, side: int, media_type: str) -> bytes:
        """A copy of at most `side` x `side` px without metadata, as image/webp or image/jpeg."""
        ...

    async def converted(self, read: Read, *, media_type: str, quality: int | None) -> bytes:
        """The picture as image/webp, image/jpeg or image/png, with what it says of its making."""
        ...


class Copies:
    """Copies by name. A name stands for the same bytes for ever."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, name: str, make: Read) -> bytes:
        """The copy of that name, made if it is not there; whoever asks while it is being made waits for the same one."""
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        task = self._making.get(name)
        if task is None:
            task = self._making[name] = asyncio.create_task(self._make(name, make))
            # Looked at in any case: everybody who asked may have gone away by then.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: one who goes away does not take the copy from the others.
        return await asyncio.shield(task)

    async def _make(self, name: str, make: Read) -> bytes:
        try:
            data = await make()
        finally:
            del self._making[name]
        cost = len(data) + _OVERHEAD
        if cost <= self._max_bytes:
            self._kept[name] = data
            self._size += cost
            while self._size > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest) + _OVERHEAD
        return data
