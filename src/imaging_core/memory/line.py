"""The order in which one backend's jobs may be claimed, kept so that no operation looks at jobs that have ended.

Imports stdlib and this package's values.
"""

import heapq
import itertools
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict, deque
from datetime import datetime

from imaging_core.jobs import Job, JobStatus
from imaging_core.ports import Preference, QueueState

#: Priority, turn, age (earlier ones have the higher number) and id: the greatest is claimed first.
Key = tuple[int, int, int, str]

#: How many of the last finished jobs tell how long a job takes.
_RECENT = 50


class Line:
    """The open jobs of one backend: the repository tells it of every write and asks it whose turn it is."""

    def __init__(self) -> None:
        #: Keys of the claimable jobs, sorted; the next one is last, so that claiming it moves nothing.
        self._order: list[Key] = []
        #: Since when each of them is claimable, the oldest first.
        self._since: OrderedDict[str, datetime] = OrderedDict()
        #: Until when each other open job is leased.
        self._until: dict[str, datetime] = {}
        #: When to look whether a lease has run out. An entry may be too early, never too late.
        self._ends: list[tuple[datetime, str]] = []
        self._keys: dict[str, Key] = {}
        #: What each of them is to be made with.
        self._checkpoints: dict[str, str | None] = {}
        #: How often each open job was passed over for a loaded checkpoint, in its life.
        self._passed: Counter[str] = Counter()
        #: Those that may be moved, and whether they wait for nothing else.
        self._movable: dict[str, bool] = {}
        self._queued = 0
        self._queued_by: Counter[str | None] = Counter()
        #: The latest turn that was claimed, by priority.
        self._served: dict[int, int] = {}
        #: The last turn that was given, by priority and owner.
        self._given: dict[tuple[int, str | None], int] = {}
        self._runs: deque[float] = deque(maxlen=_RECENT)

    def changed(self, old: Job | None, new: Job, sequence: int, now: datetime) -> None:
        """Take note of a write at `now`; `old` is None for a new job."""
        self._release(now)
        turn = -self._keys[new.id][1] if new.id in self._keys else self._next_turn(new)
        self._movable.pop(new.id, None)
        if old is not None and old.status is JobStatus.QUEUED:
            self._unqueue(old.owner)
        if new.status.terminal:
            self._drop(new.id)
            self._passed.pop(new.id, None)
            if new.status is JobStatus.FINISHED and new.started_at and new.finished_at:
                self._runs.append((new.finished_at - new.started_at).total_seconds())
            return
        if new.status is JobStatus.QUEUED:
            self._queued += 1
            self._queued_by[new.owner] += 1
        key = (new.priority, -turn, -sequence, new.id)
        if new.claimable(now):
            self._unlist(new.id)
            self._until.pop(new.id, None)
            if old is None or old.lease != new.lease:
                self._since.pop(new.id, None)
            insort(self._order, key)
            # A job that was claimable under the same lease, or without one, has waited for as long as before.
            self._since.setdefault(new.id, new.lease.until if new.lease else now)
        else:
            self._drop(new.id)
            self._lease(new.id, new.lease.until if new.lease else now)
        self._keys[new.id] = key
        self._checkpoints[new.id] = new.request.checkpoint
        if new.movable:
            self._movable[new.id] = new.stranded

    def left(self, job: Job) -> tuple[datetime | None, int]:
        """Take note that an open job went elsewhere; since when it was claimable, and how often it was passed over."""
        since, passed = self._since.get(job.id), self._passed.pop(job.id, 0)
        if job.status is JobStatus.QUEUED:
            self._unqueue(job.owner)
        self._drop(job.id)
        return since, passed

    def joined(self, job: Job, sequence: int, now: datetime, *, since: datetime | None, passed: int) -> None:
        """Take note that a job came from elsewhere, with what the line that it left knew of it."""
        self.changed(None, job, sequence, now)
        if passed:
            self._passed[job.id] = passed
        if since is not None and job.status is JobStatus.QUEUED:
            self._since[job.id] = since
            self._since = OrderedDict(sorted(self._since.items(), key=lambda waiting: waiting[1]))

    def movable(self) -> list[str]:
        """The ids of those that may be moved: the stranded ones first, each kind in the order of claims."""
        return sorted(self._movable, key=lambda job_id: (self._movable[job_id], self._keys[job_id]), reverse=True)

    def held(self, job_id: str, until: datetime, now: datetime) -> None:
        """Take note that a heartbeat extended a lease."""
        self._release(now)
        if job_id in self._since:
            self._unlist(job_id)
            self._since.pop(job_id)
            self._lease(job_id, until)
        else:
            self._until[job_id] = until

    def first(self, now: datetime, preference: Preference) -> str | None:
        """The id of the job to be claimed next, for one who prefers some."""
        self._release(now)
        place = next(filter(lambda p: preference.suits(self._wanted(p)), self._places()), None)
        if place is None:
            return None
        priority, turn, _, job_id = self._order[place]
        if preference.passes_over(self._checkpoints[job_id], self._passed[job_id]):
            after = itertools.takewhile(lambda p: self._order[p][0] == priority, range(place - 1, -1, -1))
            loaded = next(filter(lambda p: self._wanted(p) == preference.loaded, after), None)
            if loaded is not None:
                self._passed[job_id] += 1
                return self._order[loaded][-1]
        self._served[priority] = max(self._served.get(priority, 0), -turn)
        return job_id

    def _places(self) -> range:
        return range(len(self._order) - 1, -1, -1)

    def _wanted(self, place: int) -> str | None:
        return self._checkpoints[self._order[place][-1]]

    def position(self, job_id: str, now: datetime) -> int:
        """How many claimable jobs come before an open one; 0 for any other."""
        self._release(now)
        key = self._keys.get(job_id)
        return 0 if key is None else len(self._order) - bisect_right(self._order, key)

    def waiting(self, owner: str | None) -> tuple[int, int]:
        """How many jobs are queued: in all, and of that owner."""
        return self._queued, self._queued_by[owner]

    def retry_after_s(self) -> int:
        """When a place in the line should be free, in s."""
        return QueueState(started=len(self._until), mean_run_s=self._mean_run_s()).retry_after_s

    def state(self, now: datetime) -> QueueState:
        """How busy the backend is."""
        self._release(now)
        oldest = next(iter(self._since.values()), now)
        return QueueState(
            claimable=len(self._order),
            started=len(self._until),
            oldest_claimable_s=(now - oldest).total_seconds(),
            mean_run_s=self._mean_run_s(),
        )

    def _next_turn(self, job: Job) -> int:
        before = self._served.get(job.priority, 0)
        if self._queued_by[job.owner]:
            before = max(before, self._given.get((job.priority, job.owner), 0))
        self._given[job.priority, job.owner] = before + 1
        return before + 1

    def _unqueue(self, owner: str | None) -> None:
        self._queued -= 1
        self._queued_by[owner] -= 1
        if not self._queued_by[owner]:
            del self._queued_by[owner]

    def _mean_run_s(self) -> float | None:
        return sum(self._runs) / len(self._runs) if self._runs else None

    def _lease(self, job_id: str, until: datetime) -> None:
        self._until[job_id] = until
        heapq.heappush(self._ends, (until, job_id))

    def _release(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            end, job_id = heapq.heappop(self._ends)
            until = self._until.get(job_id)
            if until is None or until < end:
                continue  # ended, released by another entry, or leased anew until earlier
            if until > end:
                heapq.heappush(self._ends, (until, job_id))
                continue
            del self._until[job_id]
            self._since[job_id] = until
            insort(self._order, self._keys[job_id])

    def _unlist(self, job_id: str) -> None:
        key = self._keys.get(job_id)
        if key is not None and job_id in self._since:
            del self._order[bisect_left(self._order, key)]

    def _drop(self, job_id: str) -> None:
        self._unlist(job_id)
        self._since.pop(job_id, None)
        self._until.pop(job_id, None)
        self._keys.pop(job_id, None)
        self._checkpoints.pop(job_id, None)
        self._movable.pop(job_id, None)
