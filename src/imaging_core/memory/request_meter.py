"""Counts requests within one process; imports stdlib."""

import time
from collections import OrderedDict
from collections.abc import Callable


class MemoryRequestMeter:
    """One number per name: the moment at which its whole allowance is there again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, most: int = 10_000) -> None:
        """At most `most` names are remembered, those last seen longest ago being forgotten."""
        self._clock = clock
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, name: str, *, per_minute: int) -> float:
        """0 to go ahead, else the seconds to wait."""
        return self.try_take(name, per_minute=per_minute)

    def try_take(self, name: str, *, per_minute: int) -> float:
        """The same, for callers that cannot wait."""
        wait = self.wait(name, per_minute=per_minute)
        if wait > 0:
            return wait
        now = self._clock()
        self._full_at[name] = max(self._full_at.get(name, now), now) + 60.0 / per_minute
        self._full_at.move_to_end(name)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0

    def wait(self, name: str, *, per_minute: int) -> float:
        """The seconds to wait before one would be let through; counts nothing."""
        now = self._clock()
        # A hair of tolerance, so that sums of steps do not refuse the last of a whole allowance.
        return max(0.0, max(self._full_at.get(name, now), now) + 60.0 / per_minute - now - 60.0 - 1e-6)
