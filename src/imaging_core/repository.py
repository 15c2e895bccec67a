"""What the core asks of whoever keeps the jobs: the protocol, its numbered promises and the values it speaks in.

Imports stdlib, attrs and this package's values. `ports` has the other protocols, and these names too.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from imaging_core.events import JobEvent
from imaging_core.jobs import Job, JobStatus
from imaging_core.key_ports import CreditClaim

#: What a job takes while nobody knows better, in s.
_GUESS_S = 10.0


@attrs.frozen(kw_only=True)
class Idempotency:
    """A caller's promise that submits under one key are the same submit, of one job or of many."""

    #: The key, already scoped to its owner.
    key: str
    #: A digest of the request; another one under the same key is a mistake.
    fingerprint: str
    #: How long the key is remembered, in s.
    ttl_s: float = 86_400.0


@attrs.frozen(kw_only=True)
class QueueLimits:
    """How many jobs of a backend may wait; None for no limit."""

    max_queued: int | None = None
    max_queued_per_owner: int | None = None


@attrs.frozen(kw_only=True)
class Pause:
    """That an operator stopped a backend."""

    since: datetime
    #: What the operator says to those who wait; may be empty.
    reason: str = ""
    #: The id of the operator's key, None where no key was needed.
    by: str | None = None


@attrs.frozen(kw_only=True)
class QueueState:
    """How busy one backend is, at one moment."""

    #: Jobs nobody works on and that anybody may claim now.
    claimable: int = 0
    #: Jobs with a live lease, parked ones included.
    started: int = 0
    #: Seconds the oldest claimable job has been claimable.
    oldest_claimable_s: float = 0.0
    #: Mean seconds from start to end of recently finished jobs; None when none has finished yet.
    mean_run_s: float | None = None
    #: While an operator keeps the backend from beginning anything.
    paused: Pause | None = None

    @property
    def likely_run_s(self) -> float:
        """How long a job is likely to take, in s; a guess while none has finished yet."""
        return _GUESS_S if self.mean_run_s is None else self.mean_run_s

    @property
    def retry_after_s(self) -> int:
        """When a place in the queue should be free, in whole s, from 1 to 300."""
        return min(max(math.ceil(self.likely_run_s / max(1, self.started)), 1), 300)


@attrs.frozen(kw_only=True)
class Beat:
    """The repository's answer to a heartbeat."""

    cancel_requested: bool


@attrs.frozen(kw_only=True)
class JobQuery:
    """Which jobs to list; None means any."""

    statuses: frozenset[JobStatus] | None = None
    backend: str | None = None
    owner: str | None = None
    #: Words that must all be in the prompt, as they are or as parts of longer ones, in upper or lower case.
    text: str | None = None
    favourite: bool | None = None
    checkpoint: str | None = None
    #: Submitted at that moment or later.
    created_from: datetime | None = None
    #: Submitted before that moment.
    created_before: datetime | None = None
    #: Only finished jobs, which have pictures.
    with_images: bool = False
    #: Where the last page ended.
    cursor: str | None = None
    #: Most jobs in a page.
    limit: int = 50


@attrs.frozen(kw_only=True)
class JobPage:
    """Part of a listing, newest first. May have fewer jobs than asked for, or none, though more pages follow."""

    jobs: tuple[Job, ...]
    #: Where the next page begins; None at the end.
    cursor: str | None


@attrs.frozen(kw_only=True)
class Preference:
    """Which jobs suit the one who claims, by their checkpoint; a job that names none suits everybody."""

    #: Jobs for no others; None for any.
    only: frozenset[str] | None = None
    #: No jobs for these.
    never: frozenset[str] = frozenset()
    #: The one whose jobs come first, since it is loaded; None for no difference.
    loaded: str | None = None
    #: How often the first job in line may be passed over for those in its life.
    passes: int = 16

    def suits(self, checkpoint: str | None) -> bool:
        """Whether a job for that checkpoint may be claimed at all."""
        if not checkpoint:
            return True
        return (self.only is None or checkpoint in self.only) and checkpoint not in self.never

    def passes_over(self, checkpoint: str | None, passed: int) -> bool:
        """Whether the first job in line, passed over so often before, lets one for the loaded checkpoint go first."""
        if not self.loaded or not checkpoint or not self.suits(self.loaded):
            return False
        return checkpoint != self.loaded and passed < self.passes


class JobAdder(Protocol):
    """The part of a job repository that takes what may cost something: new jobs, and those new to a backend."""

    async def add(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
    ) -> Job:
        """Store a new job; the result's id differs from `job.id` when the key was known."""
        ...

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
    ) -> tuple[Job, ...]:
        """Store new jobs in this order, all or none of them; other ids than theirs when the key was known."""
        ...

    async def move(self, job: Job, *, events: Sequence[JobEvent] = (), limits: QueueLimits | None = None) -> Job:
        """Write a job that goes to another backend over the version it was read at."""
        ...


class JobRepository(JobAdder, Protocol):
    """Keeps the jobs: the only truth about them.

    1. `add_all` stores jobs, idempotency key and events in one step: all or nothing, durable when it returns. An id is
       added once: JobConflict. `add` is the same for one job.
    2. `add_all` under a known key with the same fingerprint gives the first jobs, in their order (JobDeleted when one of
       them is gone), and stores nothing; with another it raises IdempotencyMismatch. Of concurrent adds under one key,
       one stores. `known` gives the same answer without storing anything; nothing for a key that is not known.
    3. `add_all` over a limit raises QueueFull and stores nothing. A known key is answered whatever the limits.
       Credits that are claimed with it, by one owner for one day, are set aside in the `SpendBook` of the same installation
       in that step: CreditsRefused when all of them together go beyond a limit, with nothing stored; none under a known key.
    4. `get` gives the last written job; JobNotFound for an unknown id, JobDeleted for a deleted one.
    5. `save` writes only over the version the job was read at (else StaleJob) and, given a token, only under the lease
       with that token (else LeaseLost). The job it returns has the next version. Its events are stored in the same step.
    6. `claim_next` gives each claimable job to one caller, by priority, then turn, then age of submit, under a new
       running lease judged by the repository's clock; None when there is none. It stores the started or taken-over event.
       A job's turn is settled when it is added (or moved): the one after the latest turn that was claimed at its backend and
       priority, but while jobs of its owner are queued there, not before the one after that of the owner's last. So the
       first job that waits for one owner comes behind at most one of each other's, however many those have; one that is
       cancelled leaves its turn empty; a job that is taken over keeps its own.
    7. A running or parked lease is respected until it runs out; then the job is claimable again, whoever held it.
    8. `beat` extends the lease under its token without raising the version, and tells of a cancel request; LeaseLost
       when the token is not the job's any more or the job has ended. A lease that ran out unclaimed may be extended.
    9. A terminal job never changes but for its mark: `save` raises StaleJob or LeaseLost, and `claim_next` never gives it.
    10. `list` is newest first by submit, filtered, in pages that neither skip nor repeat a job that stays as it is; a
        cursor it never gave raises InvalidRequest. One call looks at a bounded number of jobs, however few of them fit.
    11. `overdue` gives open jobs whose `overdue_at` has passed, by the repository's clock.
    12. `delete` removes an ended job and leaves a mark, so that its id is known as deleted; JobConflict while open.
    13. `now` is the clock that leases are judged by, and never goes backwards for one caller by more than its resolution.
    14. Fields of a job that this version does not know survive a read and a write; a newer schema raises UnreadableJob.
    15. `state` counts what is claimable and started; `position` is how many claimable jobs of the backend come first,
        if nobody submits meanwhile.
    16. `expired` gives ended jobs whose `keep_days` are over by the repository's clock, those given counting for a job
        that has none of its own; never an open one, and without any number of days none.
    17. `mark` says whether a job is a favourite, in any status and under any lease; it raises no version, a new job has
        no mark, and a `save` of a job that was read before keeps the mark as it is.
    18. `pause` stops a backend for everybody until `resume`, whatever restarts meanwhile: `claim_next` gives none of its
        jobs, also none to take over, and `state` tells of it; all else goes on as before. Paused again it takes the new
        reason and keeps since when; `resume` of one that is not paused changes nothing.
    19. `claim_next` with a preference leaves jobs that do not suit it where they are, and gives the first that does, or
        instead of it the first of the same priority for the loaded checkpoint, but not at the cost of one that was
        passed over like that `passes` times in its life, whoever did it. A job that goes first like that has not had its
        turn claimed.
    20. `catch_up` does, for some tenths of a second at most, what no caller waits for, such as entering jobs where they are
        searched; whoever asks anything gets the same answers before it, after it and beside it.
    21. `move` writes a job that was `moved` to another backend in one step with its events, only over the version it was
        read at (StaleJob), so never under a claim; over a limit of the new backend it raises QueueFull and changes
        nothing (a job that is not queued takes no place there). The job is then in the line, the counts and the listings
        of the new backend alone, with a turn as if it were added there now; its age, its mark, and how often it was
        passed over stay.
       Credits that are claimed with it are set aside in the `SpendBook` of the same installation in that step, in the place
       of whatever the book has for the job, settled or not: CreditsRefused beyond a limit. Refused for whatever reason, it
       changes neither the job nor the book.
    22. `movable` gives a backend's jobs that are `movable` and that this version can read, the stranded ones first, each
        kind in the order of claims; after the first `skip` of them.
    23. `never_called` is true of a claimed job only when no call of it can ever have been begun: none is on record, and nothing
        that was acknowledged since it was added can have been taken back, be it by a power cut, a failover or an older copy
        put in its place. Where that is not certain it is false.
    """

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        claims: Sequence[CreditClaim] = (),
    ) -> tuple[Job, ...]:
        """Store new jobs in this order and set their credits aside, all or none."""
        ...

    async def known(self, idempotency: Idempotency) -> tuple[Job, ...]:
        """The jobs that the key stands for as they are now; none when it stands for none."""
        ...

    async def get(self, job_id: str) -> Job:
        """The job as last written."""
        ...

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        """Write a changed job over the version it was read at."""
        ...

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        """Claim the first claimable job of a backend, or the one that suits best."""
        ...

    async def move(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        limits: QueueLimits | None = None,
        claim: CreditClaim | None = None,
    ) -> Job:
        """Write a job that goes to another backend over the version it was read at, and set its credits aside."""
        ...

    async def movable(self, backend: str, *, skip: int = 0, limit: int = 50) -> Sequence[Job]:
        """Jobs of a backend that may go to another one now."""
        ...

    async def beat(self, job_id: str, *, token: str, lease_s: float) -> Beat:
        """Hold the lease for `lease_s` from now."""
        ...

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first."""
        ...

    async def overdue(self, *, limit: int = 100) -> Sequence[Job]:
        """Open jobs that should have ended by now."""
        ...

    async def catch_up(self) -> None:
        """Do a part of what was put off; said again and again after `overdue`, by any number of processes."""
        ...

    async def expired(self, *, keep_days: float | None = None, limit: int = 100) -> Sequence[Job]:
        """Ended jobs that are to be deleted, the longest expired first."""
        ...

    async def mark(self, job_id: str, *, favourite: bool) -> Job:
        """Mark a job as a favourite, or take the mark away. Raises JobNotFound, JobDeleted."""
        ...

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        """Forget an ended job, but not that it was; StaleJob when it changed since it was read."""
        ...

    async def state(self, backend: str) -> QueueState:
        """How busy a backend is."""
        ...

    async def pause(self, backend: str, *, reason: str = "", by: str | None = None) -> Pause:
        """Begin none of a backend's jobs from now on; jobs under way go on."""
        ...

    async def resume(self, backend: str) -> None:
        """Begin its jobs again."""
        ...

    async def position(self, job: Job) -> int:
        """How many claimable jobs of the same backend would be claimed before this one."""
        ...

    async def now(self) -> datetime:
        """The repository's clock."""
        ...

    async def never_called(self, job: Job) -> bool:
        """Whether nothing can have been made for a claimed job yet, in whatever else is kept beside this repository."""
        ...
