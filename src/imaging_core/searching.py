"""Which jobs a query is about, and how a page of them is found by looking at a bounded number; imports stdlib and this package."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from imaging_core.jobs import Job, JobStatus
from imaging_core.repository import JobPage, JobQuery

#: Most jobs that one call looks at: some tens of milliseconds.
LOOKED_AT = 2_000
#: How many of them are read at once.
STEP = 200
#: How much later than a job that was added after it a job may say that it was created.
_OUT_OF_ORDER = timedelta(minutes=5)

#: A job and its place in the listing: the newest job has the highest number.
Placed = tuple[int, Job]


def matches(job: Job, query: JobQuery) -> bool:
    """Whether the query is about that job."""
    return (
        (query.statuses is None or job.status in query.statuses)
        and query.backend in (None, job.backend)
        and query.owner in (None, job.owner)
        and query.favourite in (None, job.favourite)
        and query.checkpoint in (None, job.request.checkpoint)
        and (query.created_from is None or job.created_at >= query.created_from)
        and (query.created_before is None or job.created_at < query.created_before)
        and (not query.with_images or (job.status is JobStatus.FINISHED and bool(job.images)))
        and (query.text is None or _has_words(job.request.prompt, query.text))
    )


def _has_words(prompt: str, text: str) -> bool:
    folded = prompt.casefold()
    return all(word in folded for word in text.casefold().split())


def statuses_of(query: JobQuery) -> frozenset[JobStatus] | None:
    """The statuses that a job the query is about can have; None for any."""
    if not query.with_images:
        return query.statuses
    finished = frozenset({JobStatus.FINISHED})
    return finished if query.statuses is None else finished & query.statuses


def needs_search(query: JobQuery) -> bool:
    """Whether status, backend, owner and favourite alone do not tell which jobs are meant."""
    further = (query.text, query.checkpoint, query.created_from, query.created_before)
    return query.favourite is not None or query.with_images or any(value is not None for value in further)


async def search(
    query: JobQuery, before: int | None, read: Callable[[int | None, int], Awaitable[Sequence[Placed]]]
) -> JobPage:
    """The page of a query that begins before that place; `read` gives up to so many candidates before a place."""
    found: list[Job] = []
    looked_at = 0
    while True:
        rows = await read(before, STEP)
        for place, job in rows:
            if matches(job, query):
                if len(found) == query.limit:
                    return JobPage(jobs=tuple(found), cursor=str(before))
                found.append(job)
            before = place
        looked_at += len(rows)
        oldest = rows[-1][1].created_at if rows else None
        too_old = oldest and query.created_from and oldest < query.created_from - _OUT_OF_ORDER
        if len(rows) < STEP or too_old:
            return JobPage(jobs=tuple(found), cursor=None)
        if looked_at >= LOOKED_AT:
            return JobPage(jobs=tuple(found), cursor=str(before))
