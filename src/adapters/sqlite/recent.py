"""Jobs as they were last read or written, so that asking again costs no statement; imports stdlib and imaging_core.

Nobody but this process writes the database, and every write says which job it changes before it is committed. From then on
until it is answered that job is read from the database; so nobody is told of a state that is older than one told before.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from imaging_core.jobs import Job

#: Most jobs that are remembered, a few KB each without their prompts, and most characters of their prompts together: 4
#: bytes each at worst.
MOST, MOST_CHARACTERS = 2_000, 4_000_000

#: Most ids of new jobs that are remembered, 100 bytes each: as many as may wait.
MOST_ADDED = 10_000


class AddedJobs:
    """A bounded memory of the ids of new jobs; used on the loop alone."""

    def __init__(self, most: int = MOST_ADDED) -> None:
        self._most = most
        #: The oldest first; a plain dict would pass over all that were forgotten to find it.
        self._ids: OrderedDict[str, None] = OrderedDict()

    def note(self, ids: Iterable[str]) -> None:
        """Remember them, instead of the oldest if need be."""
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._ids


class RecentJobs:
    """A bounded memory of jobs. `leave` is called by the writer's thread, everything else on the loop."""

    def __init__(self, most: int = MOST, most_characters: int = MOST_CHARACTERS) -> None:
        self._most, self._most_characters = most, most_characters
        self._jobs: dict[str, Job] = {}
        self._characters = 0
        #: Writes under way, by job.
        self._changing: dict[str, int] = {}
        #: How many writes have begun and ended: what was read while one of them did may be old.
        self._changes = 0
        self._lock = threading.Lock()

    @property
    def changes(self) -> int:
        """To be taken before a job is read, and given back with it."""
        return self._changes

    def get(self, job_id: str) -> Job | None:
        """The job as it is, None when that is not known here."""
        return self._jobs.get(job_id)

    def keep(self, job: Job, changes: int) -> None:
        """Remember a job that was read, unless anything was written meanwhile."""
        with self._lock:
            if changes != self._changes or job.id in self._changing:
                return
            self._remember(job)

    def leave(self, job_id: str) -> None:
        """A write of that job begins; its commit may follow at once."""
        with self._lock:
            self._changes += 1
            self._changing[job_id] = self._changing.get(job_id, 0) + 1
            self._forget(job_id)

    def settle(self, job_id: str, written: Job | None = None) -> None:
        """A write of that job is about to be answered, whatever came of it; `written` is the job as it is now, if known."""
        with self._lock:
            self._changes += 1
            left = self._changing.pop(job_id) - 1
            if left:
                self._changing[job_id] = left
            elif written is not None:
                self._remember(written)

    def _remember(self, job: Job) -> None:
        self._forget(job.id)
        self._jobs[job.id] = job
        self._characters += _characters(job)
        while len(self._jobs) > self._most or self._characters > self._most_characters:
            self._forget(next(iter(self._jobs)))

    def _forget(self, job_id: str) -> None:
        if (job := self._jobs.pop(job_id, None)) is not None:
            self._characters -= _characters(job)


def _characters(job: Job) -> int:
    asked = () if job.asked is None else (job.asked,)
    return sum(len(request.prompt) + len(request.negative_prompt) for request in (job.request, *asked))
