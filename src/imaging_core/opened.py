"""What a store gives of a picture, and how to have all of it at once; imports stdlib."""

from collections.abc import AsyncIterator

#: The bytes of a picture: a small one in one piece, a large one as a stream. A piece that is no `bytes` lies in memory that
#: its store uses again once nobody looks at it.
Opened = bytes | memoryview | AsyncIterator[bytes]


async def whole(opened: Opened) -> bytes:
    """All of it."""
    if isinstance(opened, bytes):
        return opened
    if isinstance(opened, memoryview):
        return opened.tobytes()
    return b"".join([piece async for piece in opened])
