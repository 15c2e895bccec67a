"""Cancels many jobs at once, within bounds, and tells truly what became of them; imports stdlib, attrs and this package."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import attrs

from imaging_core.errors import ImagingError, JobConflict, JobDeleted, JobNotFound
from imaging_core.jobs import OPEN, Job
from imaging_core.ports import JobPage, JobQuery

#: Most jobs that one step looks at, and how many of them are cancelled side by side.
MOST, AT_ONCE = 1000, 25
#: After so long no more are begun, in s: whoever asked waits for the answer.
LONGEST_S = 10.0


@attrs.frozen(kw_only=True)
class Cancelled:
    """What came of it."""

    #: Jobs that are cancelled now.
    cancelled: int = 0
    #: Jobs under way whose workers were asked to stop them, now or before.
    asked: int = 0
    #: Whether there may be more that were not looked at: ask again.
    more: bool = False


async def cancel_many(
    listing: Callable[[JobQuery], Awaitable[JobPage]], cancel: Callable[[str], Awaitable[Job]], query: JobQuery
) -> Cancelled:
    """Cancel the open jobs of a query, whose limit and cursor do not count, newest first.

    Raises Unavailable when the jobs cannot be listed; one that cannot be cancelled does not keep the others.
    """
    asked = attrs.evolve(query, statuses=(query.statuses or OPEN) & OPEN, limit=AT_ONCE, cursor=None)
    ends: Counter[str] = Counter()
    until, left = time.monotonic() + LONGEST_S, bool(asked.statuses)
    while left and ends.total() < MOST and time.monotonic() < until:
        page = await listing(asked)
        ends.update(await asyncio.gather(*(_end(cancel, job.id) for job in page.jobs)))
        asked, left = attrs.evolve(asked, cursor=page.cursor), page.cursor is not None
    return Cancelled(cancelled=ends["cancelled"], asked=ends["asked"], more=left or ends["failed"] > 0)


async def _end(cancel: Callable[[str], Awaitable[Job]], job_id: str) -> str:
    try:
        job = await cancel(job_id)
    except (JobConflict, JobNotFound, JobDeleted):
        # It ended by itself between the look and the cancel.
        return "ended"
    except ImagingError:
        return "failed"
    return "cancelled" if job.status.terminal else "asked"
