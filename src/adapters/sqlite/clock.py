"""A clock that leases can be judged by: the wall clock, but never backwards; imports stdlib."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def wall_clock() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class SteadyClock:
    """Gives what the clock below gives, and goes on by itself while that one is set back.

    Without it, a wall clock set back by an hour would hold up every parked job for an hour. May be read in any thread.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: datetime | None = None
        self._read_at = 0.0

    def __call__(self) -> datetime:
        """The time now; at least that of the reading before."""
        with self._lock:
            now, at = self._clock(), time.monotonic()
            if self._last is not None and now < self._last:
                now = self._last + timedelta(seconds=at - self._read_at)
            self._last, self._read_at = now, at
            return now


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _EPOCH + micros * _MICROSECOND
