"""Gives ended jobs that an older version left behind the moment from which they age; imports stdlib and the core.

Before jobs were kept for so many days, none was entered where expired ones are looked for. Each ended job is looked at
once, in the order of submit and never past an open one, which an older process may yet end in the old way.
"""

import logging
from typing import Any, Final

from adapters.redis.clock import to_micros
from adapters.redis.layout import Row, job_from_row
from adapters.redis.link import RedisLink
from imaging_core.errors import Unavailable, UnreadableJob

log = logging.getLogger("imaging.redis")

#: Jobs that one script looks at, and scripts in a row: both are short, so that nobody waits behind them.
BATCH: Final = 250
BATCHES: Final = 8


async def age_older(link: RedisLink) -> None:
    """Look at the next ended jobs, `BATCH * BATCHES` at most. May be done by any number of processes at a time."""
    try:
        for _ in range(BATCHES):
            last, *rows = await link.script("unaged", BATCH)
            if not last:
                return
            await link.script("age", last, *(part for row in rows for part in _entry(row)))
    except Unavailable as error:
        # Without memory for an entry the jobs that are entered must still be found, and deleted.
        log.debug("Older jobs were not entered: %s", error)


def _entry(row: Row) -> tuple[Any, ...]:
    try:
        job = job_from_row(row)
    except UnreadableJob:
        # A newer version enters its own.
        return ()
    if (expires := job.expires_at()) is not None:
        return job.id, "expires", to_micros(expires)
    return () if job.finished_at is None else (job.id, "ended", to_micros(job.finished_at))
