"""Which jobs a query is about, and how a page of them is found by looking at a bounded number; imports stdlib, attrs and this package."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import lru_cache

import attrs

from imaging_core.jobs import Job, JobStatus
from imaging_core.repository import JobPage, JobQuery

#: Most jobs that one call reads: some tens of milliseconds.
LOOKED_AT = 2_000
#: How many of them are read at once.
STEP = 200
#: Longest word that is worth remembering, in characters.
_USUAL = 24
#: How much later than a job that was added after it a job may say that it was created.
OUT_OF_ORDER = timedelta(minutes=5)

#: A job and its place in the listing: the newest job has the highest number.
Placed = tuple[int, Job]


@attrs.frozen
class Candidates:
    """Jobs that may be meant, newest first, and where to go on."""

    jobs: Sequence[Placed]
    #: All that are left are before this place; None when none is left.
    before: int | None


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


def grams(prompt: str) -> set[str]:
    """The parts of its words that an index of prompts holds: each two and each three characters in a row.

    Also each single one but Latin letters: "猫" is a word of its own, while every prompt has an "a".
    """
    words = set(prompt.casefold().split())
    return set().union(*(_of_usual_word(word) if len(word) <= _USUAL else _of_word(word) for word in words))


def _of_word(word: str) -> tuple[str, ...]:
    threes = (word[i : i + 3] for i in range(len(word) - 2))
    twos = (word[i : i + 2] for i in range(len(word) - 1))
    ones = () if word.isascii() and word.isalpha() else filter(_telling, word)
    return (*threes, *twos, *ones)


#: Prompts share most of their words, and taking one apart costs ten times as much as finding it, in about 2 MB for all.
_of_usual_word = lru_cache(maxsize=2048)(_of_word)


def grams_of_text(text: str) -> set[str]:
    """Those that every prompt with these words has; none when words are too short to tell prompts apart."""
    found: set[str] = set()
    for word in text.casefold().split():
        if len(word) > 2:
            found.update(word[i : i + 3] for i in range(len(word) - 2))
        elif len(word) > 1 or _telling(word):
            found.add(word)
    return found


def _telling(character: str) -> bool:
    return not "a" <= character <= "z"


def statuses_of(query: JobQuery) -> frozenset[JobStatus] | None:
    """The statuses that a job the query is about can have; None for any."""
    if not query.with_images:
        return query.statuses
    finished = frozenset({JobStatus.FINISHED})
    return finished if query.statuses is None else finished & query.statuses


async def search(
    query: JobQuery, before: int | None, read: Callable[[int | None, int], Awaitable[Candidates]]
) -> JobPage:
    """The page of a query that begins before that place.

    `read` gives the next candidates before a place, at most so many. When it gives fewer and yet is not at the end, it
    has looked at enough: then the page ends there.
    """
    found: list[Job] = []
    looked_at = 0
    most = min(query.limit + 1, STEP)
    while True:
        candidates = await read(before, most)
        for place, job in candidates.jobs:
            if matches(job, query):
                if len(found) == query.limit:
                    return JobPage(jobs=tuple(found), cursor=str(before))
                found.append(job)
            before = place
        before = candidates.before
        if before is None:
            return JobPage(jobs=tuple(found), cursor=None)
        looked_at += len(candidates.jobs)
        if looked_at >= LOOKED_AT or len(candidates.jobs) < most:
            return JobPage(jobs=tuple(found), cursor=str(before))
        # As many as give the rest of the page, if as many of them fit as of those before.
        missing = query.limit + 1 - len(found)
        most = min(missing * looked_at // max(len(found), 1) + 1, STEP)
