"""A doorbell within one event loop; imports the standard library only."""

import asyncio
from collections.abc import Callable

#: Is told the name of the backend that has work; returns at once.
Listener = Callable[[str], None]


class MemoryJobQueue:
    """Tells every listener of a ring, soon. Nobody listening, the ring is lost without harm."""

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._count = 0

    async def ring(self, backend: str, job_id: str) -> None:  # noqa: ARG002  # the id is for bells that log
        """Say that a backend has work. What a listener raises goes to the event loop's handler, not to the caller."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners.values():
            loop.call_soon(listener, backend)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each ring, until the function that this returns is called."""
        self._count += 1
        number = self._count
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop
