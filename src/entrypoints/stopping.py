"""One way to be told to stop, for every process of the service; imports stdlib only."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedEarly(Exception):
    """The process was told to stop while it still opened what it works with."""


class Stop(asyncio.Event):
    """Is set once the process is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self._opening: asyncio.Task[object] | None = None

    @contextmanager
    def ends_opening(self) -> Iterator[None]:
        """In the block a stop does not wait: what is being opened is cancelled and closed again.

        Raises StoppedEarly then. Work that must not be dropped may begin with the last step of the block and no sooner,
        and nothing may be awaited after that.
        """
        if self.is_set():
            raise StoppedEarly
        self._opening = task = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if task is None or not self.is_set():
                raise
            task.uncancel()
            raise StoppedEarly from None
        finally:
            self._opening = None

    def tell(self) -> None:
        """Tell the process to stop."""
        self.set()
        if self._opening is not None:
            self._opening.cancel()


@asynccontextmanager
async def stop_signals() -> AsyncIterator[Stop]:
    """What the first SIGINT or SIGTERM tells to stop. The second ends the process at once: leases take care of the rest."""
    stop = Stop()
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.tell()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, heard, number)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            # The loop leaves the system's default behind, by which a late signal would look like a crash.
            signal.signal(number, before[number])
