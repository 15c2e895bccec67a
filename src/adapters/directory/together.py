"""Does several blocking things at the same time, for a disk that takes several syncs in the time of one; imports stdlib only."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

#: Syncs under way beyond the one that a writer does itself.
_THREADS = 8
#: Held by the writer whom the other threads help.
_helped = threading.Lock()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="imaging-store")


def together(first: Callable[[], None], *others: Callable[[], None]) -> None:
    """Do all of it, the first in this thread; returns when all that was begun has ended, and then raises the earliest error.

    Where several ask at once they are in threads of their own already: one is helped, and the others do theirs by
    themselves, since to hand a thing over takes more processor time than most of them.
    """
    if not _helped.acquire(blocking=False):
        for one in (first, *others):
            one()
        return
    try:
        futures = [_pool().submit(other) for other in others]
        try:
            first()
        finally:
            wait(futures)
        for future in futures:
            future.result()
    finally:
        _helped.release()
