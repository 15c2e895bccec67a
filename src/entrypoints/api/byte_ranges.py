"""The one part of a picture that a Range header asks for; imports stdlib.

Several parts in one request are not served: RFC 9110 lets a server answer with the whole, and a thousand overlapping parts
would be a thousand times the work.
"""

import re
from collections.abc import AsyncIterator

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def one_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, None when the whole is to be sent.

    Raises Unsatisfiable.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        last = int(match[2])
        if last == 0:
            raise Unsatisfiable
        return max(0, size - last), size
    start = int(match[1])
    stop = min(size, int(match[2]) + 1) if match[2] else size
    if start >= size:
        raise Unsatisfiable
    return (start, stop) if start < stop else None


async def part(chunks: AsyncIterator[bytes], start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes from start to before stop of a stream."""
    at = 0
    async for chunk in chunks:
        piece = chunk[max(0, start - at) : max(0, stop - at)]
        at += len(chunk)
        if piece:
            yield piece
        if at >= stop:
            return
