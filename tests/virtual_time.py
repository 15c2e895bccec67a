"""An event loop whose clock jumps to the next alarm, so that minutes of waiting take no time and are the same each run.

May import the standard library.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import ParamSpec

P = ParamSpec("P")

#: What the calendar shows when the loop's clock is at 0.
EPOCH = datetime(2026, 5, 1, tzinfo=UTC)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs everything that is ready, then goes at once to the moment of the next alarm. For code without threads."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        super().__init__(_Impatient(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.elapsed

    def round_up(self) -> None:
        """Go to an alarm that is hardly ahead: the loop runs it now, and rounding could keep its moment off for ever."""
        alarms: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if alarms and self.elapsed < (when := alarms[0].when()) < self.elapsed + 1e-9:
            self.elapsed = when


class _Impatient(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits and no alarm is set: nothing would ever happen")
        if not ready and timeout:
            self._loop.elapsed += timeout
        self._loop.round_up()
        return ready


def in_virtual_time(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """The test as a plain function that runs it on a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def loop_time() -> float:
    """Seconds on the running loop's clock."""
    return asyncio.get_running_loop().time()


def calendar() -> datetime:
    """The moment that the running loop's clock shows."""
    return EPOCH + timedelta(seconds=loop_time())
