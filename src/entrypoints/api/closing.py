"""Tells whatever keeps an answer open (event streams, long waits) that the API stops; imports stdlib and Starlette."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.applications import Starlette

T = TypeVar("T")


class Closing:
    """Said once, by the server at its stop signal, while everything behind the API still works.

    An answer that could last for ever must end soon after: what is still open when the grace is over is cut, and a
    client cannot tell that from a failure.
    """

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._callbacks: set[Callable[[], None]] = set()

    @property
    def begun(self) -> bool:
        """Whether the API stops."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Say it; saying it again does nothing. From the event loop's own thread."""
        if not self.begun:
            self._begun.set()
            for callback in tuple(self._callbacks):
                callback()

    async def wait(self) -> None:
        """Return when the API stops."""
        await self._begun.wait()

    @contextmanager
    def telling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, call back once when the API stops, at once if it stops already.

        For one that waits on a queue of its own and would rather be given a last entry than race two tasks per event.
        """
        if self.begun:
            callback()
            yield
            return
        self._callbacks.add(callback)
        try:
            yield
        finally:
            self._callbacks.discard(callback)

    async def unless_begun(self, awaitable: Awaitable[T]) -> T | None:
        """What was awaited; None, and the waiting is cancelled, when the API stops first."""
        waiting = asyncio.ensure_future(awaitable)
        closing = asyncio.create_task(self._begun.wait())
        try:
            await asyncio.wait({waiting, closing}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            unfinished = [task for task in (waiting, closing) if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)


def closing_of(app: Starlette) -> Closing:
    """The app's own, which its server and its answers share; of a request: `closing_of(request.app)`."""
    if not isinstance(getattr(app.state, "closing", None), Closing):
        app.state.closing = Closing()
    closing: Closing = app.state.closing
    return closing
