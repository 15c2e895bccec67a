"""Redis's clock as this process can know it without asking each time; imports stdlib and the core.

A reading is never ahead of Redis, and never behind a time that Redis has already told in an answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

#: How long a comparison of the clocks holds, in s: quartz drifts apart by some 0.1 ms in that time.
HOLDS_S: Final = 5.0
#: A step back by more than that is a clock that was set, not a jitter of the line, in µs.
WAS_SET_US: Final = 1_000_000


def to_micros(moment: datetime) -> int:
    """µs since 1970."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The moment that many µs after 1970."""
    return EPOCH + micros * MICROSECOND


class ServerClock:
    """Measures Redis's clock against the local monotonic one."""

    def __init__(self, ask: Callable[[], Awaitable[int]], monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        """`ask` gives Redis's time in µs, at the cost of a round trip."""
        self._ask = ask
        self._monotonic = monotonic
        #: Redis's clock less ours in µs: the highest that is surely not too high.
        self._offset: int | None = None
        self._measured = 0
        self._last = 0
        self._asking = asyncio.Lock()

    async def now(self) -> datetime:
        """Redis's time; asks it only when it has not answered anything for some seconds.

        Raises Unavailable when it must ask and gets no answer.
        """
        if not self._holds():
            async with self._asking:
                if not self._holds():
                    self.heard(await self._ask())
        here = self._monotonic() // 1000
        reading = here + (self._offset or 0)
        if self._last - reading < WAS_SET_US:
            reading = max(reading, self._last)
        self._last = reading
        return from_micros(reading)

    def _holds(self) -> bool:
        return self._offset is not None and self._monotonic() // 1000 - self._measured < HOLDS_S * 1_000_000

    def heard(self, told: int) -> None:
        """Note the time in µs that an answer of Redis holds; it was read before the answer came."""
        here = self._monotonic() // 1000
        offset = told - here
        # Each answer took its way here, so the highest of recent offsets is the nearest to the truth.
        if not self._holds() or self._offset is None or offset > self._offset:
            self._offset, self._measured = offset, here
        if self._last - told < WAS_SET_US:
            self._last = max(self._last, told)
        else:
            self._offset, self._measured, self._last = offset, here, told
