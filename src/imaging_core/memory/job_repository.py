"""Keeps jobs in memory, for programs that embed the service; the model every other repository is compared with.

Imports stdlib, attrs and this package's values. Nothing here awaits, so on one event loop each call is one step.
"""

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from imaging_core.errors import (
    FieldProblem,
    IdempotencyMismatch,
    InvalidRequest,
    JobConflict,
    JobDeleted,
    JobNotFound,
    LeaseLost,
    QueueFull,
    StaleJob,
    UnreadableJob,
)
from imaging_core.events import EventKind, JobEvent, event_of
from imaging_core.jobs import SCHEMA, Job, JobStatus, Lease, LeaseReason
from imaging_core.key_ports import CreditClaim, CreditsRefused, together
from imaging_core.memory.job_events import MemoryJobEvents
from imaging_core.memory.line import Line
from imaging_core.memory.spend_book import MemorySpendBook
from imaging_core.memory.webhook_outbox import MemoryWebhookOutbox
from imaging_core.ports import Beat, Idempotency, JobPage, JobQuery, Pause, Preference, QueueLimits, QueueState
from imaging_core.searching import matches


def utcnow() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


@attrs.define
class _Entry:
    job: Job
    #: Counts submits: the age that claims and listings go by.
    sequence: int


@attrs.frozen
class _KnownKey:
    fingerprint: str
    job_ids: tuple[str, ...]
    until: datetime


class MemoryJobRepository:
    """The jobs of one process, gone with it. Its clock may be replaced; times never go back."""

    def __init__(self, events: MemoryJobEvents, clock: Callable[[], datetime] = utcnow) -> None:
        self._events = events
        self._clock = clock
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._entries: dict[str, _Entry] = {}
        self._deleted: dict[str, str | None] = {}
        self._sequence = 0
        #: Every job that is not deleted, the oldest submit first.
        self._by_age: list[tuple[int, str]] = []
        self._lines: dict[str, Line] = {}
        self._pauses: dict[str, Pause] = {}
        self._keys: dict[str, _KnownKey] = {}
        self._key_ends: list[tuple[datetime, str]] = []
        #: When to look whether a job is overdue; entries that no longer hold are dropped when met.
        self._due: list[tuple[datetime, str]] = []
        #: What webhooks are to be told, in step with the jobs.
        self.outbox = MemoryWebhookOutbox(self._now)
        #: What jobs cost, in step with them.
        self.spending = MemorySpendBook(self._now)

    async def add(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
    ) -> Job:
        """Store a new job, or give the one its key already stands for."""
        (stored, *_) = await self.add_all((job,), events=events, idempotency=idempotency, limits=limits)
        return stored

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        claims: Sequence[CreditClaim] = (),
    ) -> tuple[Job, ...]:
        """Store new jobs, all or none, or give those that their key already stands for."""
        for job in jobs:
            if job.schema > SCHEMA:
                raise UnreadableJob(
                    f"Job {job.id} has schema {job.schema}; this version reads up to {SCHEMA}. Upgrade it."
                )
        if idempotency is not None and (known := await self.known(idempotency)):
            return known
        now = self._now()
        self._check_ids(jobs)
        whole = together(claims)
        if whole is not None and (refused := self.spending.refusal(whole)):
            raise CreditsRefused(refused)
        self._check_room(jobs, limits or QueueLimits())
        for claim in claims:
            self.spending.set_aside(claim.reservation)
        if idempotency is not None:
            until = now + timedelta(seconds=idempotency.ttl_s)
            ids = tuple(job.id for job in jobs)
            self._keys[idempotency.key] = _KnownKey(idempotency.fingerprint, ids, until)
            heapq.heappush(self._key_ends, (until, idempotency.key))
        stored = tuple(self._store(job, now) for job in jobs)
        self._events.append(events)
        return stored

    async def known(self, idempotency: Idempotency) -> tuple[Job, ...]:
        """The jobs that the key stands for as they are now; none when it stands for none."""
        self._forget_keys(self._now())
        known = self._keys.get(idempotency.key)
        if known is None:
            return ()
        if known.fingerprint != idempotency.fingerprint:
            raise IdempotencyMismatch
        return tuple(self._entry(job_id).job for job_id in known.job_ids)

    async def get(self, job_id: str) -> Job:
        """The job as last written."""
        return self._entry(job_id).job

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        """Write a changed job over the version it was read at."""
        if token is not None:
            self._holding(job.id, token)
        entry = self._entry(job.id)
        if entry.job.version != job.version or entry.job.status.terminal:
            raise StaleJob(f"Job {job.id} changed since it was read.")
        saved = self._write(entry, entry.job, _kept(job, entry.job), self._now(), events)
        self.outbox.owe(saved, self._now())
        return saved

    async def move(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        limits: QueueLimits | None = None,
        claim: CreditClaim | None = None,
    ) -> Job:
        """Write a job that goes to another backend over the version it was read at."""
        entry = self._entry(job.id)
        if entry.job.version != job.version or entry.job.status.terminal:
            raise StaleJob(f"Job {job.id} changed since it was read.")
        if job.status is JobStatus.QUEUED:
            self._check_room((job,), limits or QueueLimits())
        if claim is not None:
            if (whose := self.spending.refusal(claim)) is not None:
                raise CreditsRefused(whose)
            self.spending.set_aside(claim.reservation)
        return self._write(entry, entry.job, _kept(job, entry.job), self._now(), events)

    async def movable(self, backend: str, *, skip: int = 0, limit: int = 50) -> Sequence[Job]:
        """Jobs of a backend that may go to another one now."""
        line = self._lines.get(backend)
        return [] if line is None else [self._entries[name].job for name in line.movable()[skip : skip + limit]]

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        """Claim the first claimable job of a backend, or the one that suits best."""
        now = self._now()
        line = None if backend in self._pauses else self._lines.get(backend)
        job_id = line.first(now, preference or Preference()) if line is not None else None
        if job_id is None:
            return None
        entry = self._entries[job_id]
        claimed = entry.job.claimed(worker=worker, token=token, now=now, lease_s=lease_s)
        kind = EventKind.STARTED if entry.job.status is JobStatus.QUEUED else EventKind.TAKEN_OVER
        return self._write(entry, entry.job, claimed, now, [event_of(claimed, kind, at=now)])

    async def beat(self, job_id: str, *, token: str, lease_s: float) -> Beat:
        """Hold the lease for `lease_s` from now."""
        entry, lease = self._holding(job_id, token)
        now = self._now()
        until = max(lease.until, now + timedelta(seconds=lease_s))
        entry.job = attrs.evolve(entry.job, lease=attrs.evolve(lease, until=until))
        self._lines[entry.job.backend].held(job_id, until, now)
        return Beat(cancel_requested=entry.job.cancel_requested)

    async def mark(self, job_id: str, *, favourite: bool) -> Job:
        """Mark a job as a favourite, or take the mark away."""
        entry = self._entry(job_id)
        entry.job = attrs.evolve(entry.job, favourite=favourite)
        return entry.job

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first."""
        end = len(self._by_age)
        if query.cursor is not None:
            end = bisect_left(self._by_age, (self._place(query.cursor), ""))
        found: list[Job] = []
        for sequence, job_id in map(self._by_age.__getitem__, range(end - 1, -1, -1)):
            job = self._entries[job_id].job
            if not matches(job, query):
                continue
            if len(found) == query.limit:
                return JobPage(jobs=tuple(found), cursor=str(sequence + 1))
            found.append(job)
        return JobPage(jobs=tuple(found), cursor=None)

    async def overdue(self, *, limit: int = 100) -> Sequence[Job]:
        """Open jobs that should have ended by now, the longest overdue first."""
        now = self._now()
        found: dict[str, datetime] = {}
        while self._due and self._due[0][0] <= now and len(found) < limit:
            at, job_id = heapq.heappop(self._due)
            entry = self._entries.get(job_id)
            if entry is not None and entry.job.overdue_at == at:
                found[job_id] = at
        for job_id, at in found.items():
            heapq.heappush(self._due, (at, job_id))
        return [self._entries[job_id].job for job_id in found]

    async def catch_up(self) -> None:
        """Nothing is ever put off."""

    async def expired(self, *, keep_days: float | None = None, limit: int = 100) -> Sequence[Job]:
        """Ended jobs that are to be deleted, the longest expired first."""
        now = self._now()
        jobs = (entry.job for entry in self._entries.values())
        found = [(at, job) for job in jobs if (at := job.expires_at(keep_days)) is not None and at <= now]
        return [job for _, job in heapq.nsmallest(limit, found, key=lambda pair: pair[0])]

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        """Forget an ended job, but not that it was."""
        entry = self._entry(job.id)
        if not entry.job.status.terminal:
            raise JobConflict(f"The job is {entry.job.status}; only a job that has ended can be deleted.")
        if entry.job.version != job.version:
            raise StaleJob(f"Job {job.id} changed since it was read.")
        del self._entries[job.id]
        del self._by_age[bisect_left(self._by_age, (entry.sequence, job.id))]
        self._deleted[job.id] = job.owner
        self.outbox.forget(job.id)
        self._events.append(events)

    async def state(self, backend: str) -> QueueState:
        """How busy a backend is."""
        line = self._lines.get(backend)
        state = QueueState() if line is None else line.state(self._now())
        return attrs.evolve(state, paused=self._pauses.get(backend))

    async def pause(self, backend: str, *, reason: str = "", by: str | None = None) -> Pause:
        """Begin none of a backend's jobs from now on."""
        before = self._pauses.get(backend)
        pause = Pause(since=before.since if before else self._now(), reason=reason, by=by)
        self._pauses[backend] = pause
        return pause

    async def resume(self, backend: str) -> None:
        """Begin its jobs again."""
        self._pauses.pop(backend, None)

    async def position(self, job: Job) -> int:
        """How many claimable jobs of the same backend would be claimed before this one; 0 once it has ended."""
        line = self._lines.get(job.backend)
        return 0 if line is None else line.position(job.id, self._now())

    async def now(self) -> datetime:
        """This repository's clock."""
        return self._now()

    async def never_called(self, job: Job) -> bool:
        """Whether it has no call on record: what is known here was added in this process, and is gone with it."""
        return not job.calls and job.id in self._entries

    # --- the one step behind each write ------------------------------------------------------------------

    def _check_ids(self, jobs: Sequence[Job]) -> None:
        ids: set[str] = set()
        for job in jobs:
            if job.id in self._entries or job.id in self._deleted or job.id in ids:
                raise JobConflict(f"There is a job with the id {job.id} already.")
            ids.add(job.id)

    def _check_room(self, jobs: Sequence[Job], limits: QueueLimits) -> None:
        everybodys: Counter[str] = Counter()
        own: Counter[tuple[str, str | None]] = Counter()
        for job in jobs:
            line = self._lines.setdefault(job.backend, Line())
            waiting, mine = line.waiting(job.owner)
            everybodys[job.backend] += 1
            own[job.backend, job.owner] += 1
            most = limits.max_queued_per_owner
            if most is not None and mine + own[job.backend, job.owner] > most:
                raise QueueFull(retry_after_s=line.retry_after_s(), mine=True)
            if limits.max_queued is not None and waiting + everybodys[job.backend] > limits.max_queued:
                raise QueueFull(retry_after_s=line.retry_after_s())

    def _store(self, job: Job, now: datetime) -> Job:
        self._lines.setdefault(job.backend, Line())
        self._sequence += 1
        job = attrs.evolve(job, favourite=False)
        entry = _Entry(attrs.evolve(job, version=0), self._sequence)
        self._entries[job.id] = entry
        self._by_age.append((self._sequence, job.id))
        return self._write(entry, None, job, now, ())

    def _write(self, entry: _Entry, old: Job | None, new: Job, now: datetime, events: Sequence[JobEvent]) -> Job:
        entry.job = attrs.evolve(new, version=entry.job.version + 1)
        if old is None or old.backend == new.backend:
            self._lines[new.backend].changed(old, entry.job, entry.sequence, now)
        else:
            since, passed = self._lines[old.backend].left(old)
            line = self._lines.setdefault(new.backend, Line())
            line.joined(entry.job, entry.sequence, now, since=since, passed=passed)
        due = entry.job.overdue_at
        if due is not None and (old is None or old.overdue_at != due):
            heapq.heappush(self._due, (due, new.id))
        self._events.append(events)
        return entry.job

    def _now(self) -> datetime:
        # A machine's clock may be set back; leases must not come to life again by it.
        self._latest = max(self._latest, self._clock())
        return self._latest

    def _entry(self, job_id: str) -> _Entry:
        if job_id in self._deleted:
            raise JobDeleted(self._deleted[job_id])
        if job_id not in self._entries:
            raise JobNotFound
        return self._entries[job_id]

    def _holding(self, job_id: str, token: str) -> tuple[_Entry, Lease]:
        entry = self._entries.get(job_id)
        lease = entry.job.lease if entry is not None else None
        if entry is None or lease is None or lease.token != token:
            raise LeaseLost(f"The lease of job {job_id} is no longer held by this worker.")
        return entry, lease

    def _forget_keys(self, now: datetime) -> None:
        while self._key_ends and self._key_ends[0][0] <= now:
            _, key = heapq.heappop(self._key_ends)
            del self._keys[key]

    def _place(self, cursor: str) -> int:
        if len(cursor) <= 20 and cursor.isascii() and cursor.isdigit() and int(cursor) <= self._sequence + 1:
            return int(cursor)
        raise InvalidRequest([FieldProblem(field="cursor", message="is not a cursor that a listing gave.")])


def _kept(job: Job, stored: Job) -> Job:
    """The job, keeping what a heartbeat added to its running lease and what a mark changed since the job was read."""
    job = attrs.evolve(job, favourite=stored.favourite)
    lease, held = job.lease, stored.lease
    if lease is None or held is None or lease.token != held.token or lease.reason is not LeaseReason.RUNNING:
        return job
    return attrs.evolve(job, lease=attrs.evolve(lease, until=max(lease.until, held.until)))
