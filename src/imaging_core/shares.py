"""How much of a process's sending each owner has at a time, so that none delays another; imports stdlib."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

#: Whoever has a whole share comes again after so long, in s, and what else waits of the same owner so much later each: to look
#: at one costs two writes, and thousands must not take the time of others' either.
AGAIN_S = 0.5
APART_S = 0.01


class Shares:
    """Who has how much now. An owner is counted whatever the addresses."""

    def __init__(self, most: int) -> None:
        """`most` is what one owner may have at a time."""
        self._most = most
        self._held: Counter[str | None] = Counter()
        #: When the last that was told to come again does so, on the loop's clock.
        self._last: dict[str | None, float] = {}

    @contextmanager
    def held(self, owner: str | None) -> Iterator[float | None]:
        """Holds a part of the owner's share while in the block: None; or in how many s to ask again, with nothing held."""
        if self._held[owner] >= self._most:
            yield self._again_in_s(owner)
            return
        self._held[owner] += 1
        try:
            yield None
        finally:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
                self._last.pop(owner, None)

    def _again_in_s(self, owner: str | None) -> float:
        now = asyncio.get_running_loop().time()
        self._last[owner] = max(now + AGAIN_S, self._last.get(owner, 0.0) + APART_S)
        return self._last[owner] - now
