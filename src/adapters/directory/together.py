"""Does several blocking things at the same time, for a disk that takes several syncs in the time of one; imports stdlib only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

#: Syncs under way for all writers of a process beyond the one that each does itself.
_THREADS = 8


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="imaging-store")


def together(first: Callable[[], None], *others: Callable[[], None]) -> None:
    """Do all of it, the first in this thread; returns when all have ended, and then raises what the earliest raised."""
    futures = [_pool().submit(other) for other in others]
    try:
        first()
    finally:
        wait(futures)
    for future in futures:
        future.result()
