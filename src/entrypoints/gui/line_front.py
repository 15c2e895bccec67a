"""The jobs that were queued first, out of a list that begins with the newest; pure, imports the client's values.

The list goes from new to old, and can be begun at a moment. So a moment is looked for before which no more jobs lie than
can be read; it stays good for a while, since only jobs that come later are added.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from entrypoints.client import JobInfo, JobsPage

#: Most looks for that moment at a time: each goes twice as far back as the one before, or halves what is left.
MOST_LOOKS = 40

#: Moments that are nearer together are not told apart.
_FINEST = timedelta(milliseconds=1)


@attrs.frozen(kw_only=True)
class Front:
    """The oldest jobs of a list, newest first."""

    jobs: tuple[JobInfo, ...]
    #: Created before that moment; None when there are no newer ones.
    before: datetime | None


def front(ask: Callable[[datetime | None], JobsPage], kept: datetime | None, *, enough: int) -> Front:
    """At least `enough` of the oldest jobs, if there are so many and so many fit a page; at most a page of them.

    `ask` gives the newest jobs created before a moment, as many as fit a page. `kept` is the moment that was found before.
    """
    page, few = ask(kept), None
    if kept is not None and page.next_cursor is None and len(page.jobs) < enough:
        # What there was has been made meanwhile: the moment lies nearer to now.
        few, page = Front(jobs=page.jobs, before=kept), ask(None)
        kept = None
    if page.next_cursor is None or not page.jobs:
        return Front(jobs=page.jobs, before=kept)
    return _looked_for(ask, page, few, enough)


def _looked_for(ask: Callable[[datetime | None], JobsPage], page: JobsPage, few: Front | None, enough: int) -> Front:
    """Among the jobs of that page and all before them, and after the moment before which there are too few, if one is known."""
    created = [job.created_at for job in page.jobs]
    late, oldest = max(created) + _FINEST, min(created)
    step = late - oldest
    for _ in range(MOST_LOOKS):
        if few is None or few.before is None:
            # Ever farther back, since nobody knows how old the oldest is.
            moment, step = oldest - step, step * 2
        elif late - few.before > _FINEST:
            moment = few.before + (late - few.before) / 2
        else:
            break
        seen = ask(moment)
        if seen.next_cursor is not None:
            page, late = seen, moment
            oldest = min((job.created_at for job in seen.jobs), default=moment)
        elif len(seen.jobs) < enough:
            few = Front(jobs=seen.jobs, before=moment)
        else:
            return Front(jobs=seen.jobs, before=moment)
    return few if few and few.jobs else Front(jobs=page.jobs, before=late)
