"""The job repository over SQLite: each promise a few statements in one transaction; imports stdlib, attrs and imaging_core."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import attrs

from adapters.sqlite import claims, job_pages, job_rows, pauses, webhook_outbox
from adapters.sqlite.adding import Adding, Submit
from adapters.sqlite.clock import to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.idempotency import find_jobs
from adapters.sqlite.spending import set_aside_anew
from adapters.sqlite.writer import Transaction
from imaging_core.errors import (
    FieldProblem,
    InvalidRequest,
    JobConflict,
    JobNotFound,
    LeaseLost,
    StaleJob,
    UnreadableJob,
)
from imaging_core.events import EventKind, JobEvent, event_of
from imaging_core.ids import JOB_ID
from imaging_core.jobs import SCHEMA, Job, JobStatus, LeaseReason
from imaging_core.key_ports import CreditClaim
from imaging_core.ports import Beat, Idempotency, JobPage, JobQuery, Pause, Preference, QueueLimits, QueueState
from imaging_core.searching import Candidates, search, statuses_of

_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)
#: Characters that are taken apart in a thread: longer ones would hold up the loop for milliseconds.
_LONG: Final = 2_000

T = TypeVar("T")


class SqliteJobRepository:
    """The jobs of one data folder. Every method raises Unavailable while its database is not open."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._adding = Adding(database).add

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
        added = tuple(attrs.evolve(job, version=1, favourite=False) for job in jobs)
        # Not in the writer's thread: everybody's heartbeats would wait for it.
        length = sum(len(job.request.prompt) for job in added)
        terms = await _apart(length, lambda: [job_pages.terms_of_job(job) for job in added])

        submit = Submit(jobs=added, terms=terms, events=events, idempotency=idempotency, limits=limits, claims=claims)
        stored = await self._database.write_alike(self._adding, submit)
        if stored is added:
            self._database.added.note(job.id for job in added)
        return stored

    async def known(self, idempotency: Idempotency) -> tuple[Job, ...]:
        """The jobs that the key stands for as they are now; none when it stands for none."""
        return await self._database.read(lambda c: find_jobs(c, idempotency, self._database.now()))

    async def get(self, job_id: str) -> Job:
        """The job as last written."""
        if not JOB_ID.fullmatch(job_id):
            raise JobNotFound
        self._database.must_be_open()
        recent = self._database.recent
        found = recent.get(job_id)
        if found is None:
            changes = recent.changes
            found = await self._database.read(lambda c: job_rows.existing(c, job_id))
            recent.keep(found, changes)
        return found

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        """Write a changed job over the version it was read at."""

        def work(transaction: Transaction) -> Job:
            connection = transaction.connection
            transaction.touch(job.id)
            stored = job_rows.held(connection, job.id)
            if token is not None and (stored is None or stored.lease_token != token):
                raise LeaseLost(f"The lease of job {job.id} is no longer held by this worker.")
            if stored is None:
                raise job_rows.gone(connection, job.id)
            if stored.version != job.version or stored.status.terminal:
                raise StaleJob(f"Job {job.id} changed since it was read.")
            saved = attrs.evolve(_kept(job, stored), version=stored.version + 1)
            # Changed while it waits, it has waited for as long as before.
            job_rows.update(connection, saved, stored.claimable_at or self._database.now())
            webhook_outbox.owe(connection, saved, self._database.now())
            self._database.append(transaction, events)
            return transaction.leaves(saved)

        return await self._database.write(work)

    async def move(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        limits: QueueLimits | None = None,
        claim: CreditClaim | None = None,
    ) -> Job:
        """Write a job that goes to another backend over the version it was read at."""
        # Beforehand, as in `add_all`; what it is found by changes with another version only.
        record = await self._database.read(lambda c: job_rows.record_of(c, job.id))
        terms = await _apart(2 * len(record), lambda: (job_pages.search_terms(record), job_pages.terms_of_job(job)))

        def work(transaction: Transaction) -> Job:
            connection, now = transaction.connection, self._database.now()
            transaction.touch(job.id)
            stored = job_rows.held(connection, job.id)
            if stored is None:
                raise job_rows.gone(connection, job.id)
            if stored.version != job.version or stored.status.terminal:
                raise StaleJob(f"Job {job.id} changed since it was read.")
            moved = attrs.evolve(_kept(job, stored), version=stored.version + 1)
            waits = job.status is JobStatus.QUEUED
            if waits and limits is not None:
                self._database.room.take(connection, moved, limits, now)
            if claim is not None:
                set_aside_anew(connection, claim, now)
            if waits:
                self._database.room.added(moved)
            job_rows.move(connection, moved, stored, now, terms)
            self._database.append(transaction, events)
            return moved

        return await self._database.write(work)

    async def movable(self, backend: str, *, skip: int = 0, limit: int = 50) -> Sequence[Job]:
        """Jobs of a backend that may go to another one now."""
        return await self._database.read(lambda c: job_rows.movable(c, backend, skip, limit))

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        """Claim the first claimable job of a backend, or the one that suits best."""

        def work(transaction: Transaction) -> Job | None:
            connection, now = transaction.connection, self._database.now()
            job = claims.first_claimable(connection, backend, now, preference or Preference())
            if job is None:
                return None
            transaction.touch(job.id)
            claimed = job.claimed(worker=worker, token=token, now=now, lease_s=lease_s)
            claimed = attrs.evolve(claimed, version=job.version + 1)
            job_rows.update(connection, claimed, now)
            kind = EventKind.STARTED if job.status is JobStatus.QUEUED else EventKind.TAKEN_OVER
            self._database.append(transaction, [event_of(claimed, kind, at=now)])
            return transaction.leaves(claimed)

        return await self._database.write(work)

    async def beat(self, job_id: str, *, token: str, lease_s: float) -> Beat:
        """Hold the lease for `lease_s` from now."""

        def work(transaction: Transaction) -> Beat:
            transaction.touch(job_id)
            until = self._database.now() + timedelta(seconds=lease_s)
            cancel_requested = job_rows.beat(transaction.connection, job_id, token, until)
            if cancel_requested is None:
                raise LeaseLost(f"The lease of job {job_id} is no longer held by this worker.")
            return Beat(cancel_requested=cancel_requested)

        return await self._database.write(work)

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first. Jobs that a newer version wrote are left out; `get` tells of them."""
        if query.cursor is not None and not _CURSOR.fullmatch(query.cursor):
            raise InvalidRequest([FieldProblem(field="cursor", message="is not a cursor that a listing gave.")])
        wanted = statuses_of(query)
        if wanted is not None and not wanted:
            return JobPage(jobs=(), cursor=None)
        before = None if query.cursor is None else int(query.cursor)

        async def read(before: int | None, most: int) -> Candidates:
            return await self._database.read(lambda c: job_rows.page(c, query, before=before, most=most))

        return await search(query, before, read)

    async def mark(self, job_id: str, *, favourite: bool) -> Job:
        """Mark a job as a favourite, or take the mark away."""

        def work(transaction: Transaction) -> Job:
            transaction.touch(job_id)
            return job_rows.mark(transaction.connection, job_id, favourite)

        return await self._database.write(work)

    async def overdue(self, *, limit: int = 100) -> Sequence[Job]:
        """Open jobs that should have ended by now, the longest overdue first."""
        return await self._database.read(lambda c: job_rows.overdue(c, self._database.now(), limit))

    async def catch_up(self) -> None:
        """Nothing is ever put off."""

    async def expired(self, *, keep_days: float | None = None, limit: int = 100) -> Sequence[Job]:
        """Ended jobs that are to be deleted, the longest expired first."""
        return await self._database.read(lambda c: job_rows.expired(c, self._database.now(), keep_days, limit))

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        """Forget an ended job, but not that it was."""
        # Beforehand, as in `add_all`: what an ended job is found by does not change.
        record = await self._database.read(lambda c: job_rows.record_of(c, job.id))
        terms = await _apart(len(record), lambda: job_pages.search_terms(record))

        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            transaction.touch(job.id)
            stored = job_rows.held(connection, job.id)
            if stored is None:
                raise job_rows.gone(connection, job.id)
            if not stored.status.terminal:
                raise JobConflict(f"The job is {stored.status}; only a job that has ended can be deleted.")
            if stored.version != job.version:
                raise StaleJob(f"Job {job.id} changed since it was read.")
            job_rows.delete(connection, stored.seq, job.id, terms)
            connection.execute(
                "INSERT INTO deleted_jobs (id, deleted_at, owner) VALUES (?, ?, ?)",
                (job.id, to_micros(self._database.now()), job.owner),
            )
            self._database.append(transaction, events)

        await self._database.write(work)

    async def state(self, backend: str) -> QueueState:
        """How busy a backend is."""
        return await self._database.read(lambda c: job_rows.queue_state(c, backend, self._database.now()))

    async def pause(self, backend: str, *, reason: str = "", by: str | None = None) -> Pause:
        """Begin none of a backend's jobs from now on."""
        return await self._database.write(
            lambda t: pauses.pause(t.connection, backend, reason, by, self._database.now())
        )

    async def resume(self, backend: str) -> None:
        """Begin its jobs again."""
        await self._database.write(lambda t: pauses.resume(t.connection, backend))

    async def position(self, job: Job) -> int:
        """How many claimable jobs of the same backend would be claimed before this one; 0 once it has ended."""

        def work(connection: sqlite3.Connection) -> int:
            stored = job_rows.held(connection, job.id)
            if stored is None or stored.status.terminal:
                return 0
            return job_rows.ahead(connection, job.backend, stored, self._database.now())

        return await self._database.read(work)

    async def now(self) -> datetime:
        """This repository's clock."""
        self._database.must_be_open()
        return self._database.now()

    async def never_called(self, job: Job) -> bool:
        """Whether it has no call on record, and was added since this opening: no older file was put in place meanwhile."""
        return not job.calls and job.id in self._database.added

    async def release_leases(self) -> int:
        """End every running lease, so that what ran goes on at once; how many there were.

        Only for the start of a process whose workers are its own: the folder's lock shows that every earlier one died.
        The claim that follows still counts as one after a crash.
        """

        def work(transaction: Transaction) -> int:
            now = self._database.now()
            # Whoever was sending messages died as well.
            webhook_outbox.release(transaction.connection, now)
            released = job_rows.release(transaction.connection, now)
            for job_id in released:
                transaction.touch(job_id)
            return len(released)

        return await self._database.write(work)


async def _apart(length: int, work: Callable[[], T]) -> T:
    """What `work` makes of so many characters, in a thread when they are many."""
    return work() if length < _LONG else await asyncio.to_thread(work)


def _kept(job: Job, stored: job_rows.Held) -> Job:
    """The job, keeping what a heartbeat added to its running lease and what a mark changed since the job was read."""
    job = attrs.evolve(job, favourite=stored.favourite)
    lease = job.lease
    if lease is None or lease.token != stored.lease_token or lease.reason is not LeaseReason.RUNNING:
        return job
    until = max(lease.until, stored.claimable_at or lease.until)
    return attrs.evolve(job, lease=attrs.evolve(lease, until=until))
