"""A whole page out of a list that comes in pieces; pure, imports the client's values.

The list goes by cursors, and a search looks at a bounded number of jobs at a time: a piece may be short, or empty, and
yet not be the last.
"""

import time
from collections.abc import Callable

from entrypoints.client import JobInfo, JobsPage


def page_of(
    ask: Callable[[str | None, int], JobsPage],
    start: str | None,
    size: int,
    *,
    within_s: float,
    now: Callable[[], float] = time.monotonic,
) -> JobsPage:
    """Up to `size` jobs from that cursor on; fewer at the end of the list, or when looking took longer than `within_s`.

    `ask` gives the piece that begins at a cursor, of at most so many jobs. The page's own cursor is None at the end.
    """
    found: list[JobInfo] = []
    cursor, until = start, now() + within_s
    while True:
        piece = ask(cursor, size - len(found))
        found += piece.jobs
        cursor = piece.next_cursor
        if cursor is None or len(found) >= size or now() > until:
            return JobsPage(jobs=tuple(found), next_cursor=cursor)
