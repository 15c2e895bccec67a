"""Gives back the cancels that redis-py loses, so that a task that was told to stop stops; imports stdlib only."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancels_heeded() -> Iterator[None]:
    """Raise CancelledError at the end of a block in which its task was cancelled, whatever else came of the block.

    redis-py sends through asyncio.wait_for, which before Python 3.12 forgets a cancel that comes in the same turn of the
    loop as the end of the sending. A loop around such a command would then run on for ever, and whoever awaits its end
    would wait for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except Exception as error:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
