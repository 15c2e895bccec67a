"""New jobs as rows, those of many submits at once; imports stdlib, attrs and imaging_core. Everything here blocks.

Everything is checked before anything is written, and each table gets all its rows together.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import attrs

from adapters.sqlite import job_rows
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.idempotency import find_jobs, forget_old, remember
from adapters.sqlite.spending import check_all, set_aside
from adapters.sqlite.writer import Transaction
from imaging_core.errors import IdempotencyMismatch, JobConflict
from imaging_core.events import JobEvent
from imaging_core.jobs import Job
from imaging_core.key_ports import CreditClaim
from imaging_core.ports import Idempotency, QueueLimits


@attrs.frozen(kw_only=True, eq=False)
class Submit:
    """Jobs that are added all or none, with what is to be stored and kept with them."""

    jobs: tuple[Job, ...]
    #: What each is found by.
    terms: Sequence[str]
    events: Sequence[JobEvent]
    idempotency: Idempotency | None
    limits: QueueLimits | None
    claims: Sequence[CreditClaim]


class Adding:
    """Adds to one database."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def add(self, transaction: Transaction, submits: Sequence[Submit]) -> list[tuple[Job, ...]]:
        """Store what is submitted; what each submit added, or the jobs that its key already stands for.

        Raises what one of them is refused for, with nothing written: then none is added.
        """
        connection, now = transaction.connection, self._database.now()
        answers = self._known(connection, submits, now)
        new = [submit for submit, answer in zip(submits, answers, strict=True) if answer is submit.jobs]
        self._check(connection, new, now)
        jobs = [job for submit in new for job in submit.jobs]
        for job in jobs:
            transaction.touch(job.id)
            transaction.leaves(job)
        job_rows.insert_all(connection, jobs, now, [words for submit in new for words in submit.terms])
        set_aside(connection, [claim for submit in new for claim in submit.claims], now)
        for submit in new:
            if submit.idempotency is not None:
                remember(connection, submit.idempotency, [job.id for job in submit.jobs], now)
        self._database.append(transaction, [event for submit in new for event in submit.events])
        return answers

    def _known(self, connection: sqlite3.Connection, submits: Sequence[Submit], now: datetime) -> list[tuple[Job, ...]]:
        """The answer to each: its own jobs for one that is new."""
        if any(submit.idempotency for submit in submits):
            forget_old(connection, now)
        first: dict[str, tuple[str, tuple[Job, ...]]] = {}
        answers: list[tuple[Job, ...]] = []
        for submit in submits:
            promise = submit.idempotency
            if promise is None:
                answers.append(submit.jobs)
            elif known := find_jobs(connection, promise, now):
                answers.append(known)
            else:
                fingerprint, jobs = first.setdefault(promise.key, (promise.fingerprint, submit.jobs))
                if fingerprint != promise.fingerprint:
                    raise IdempotencyMismatch
                answers.append(jobs)
        return answers

    def _check(self, connection: sqlite3.Connection, submits: Sequence[Submit], now: datetime) -> None:
        """Raises JobConflict, QueueFull, CreditsRefused: each job is held against limits with those before it counted."""
        ids = [job.id for submit in submits for job in submit.jobs]
        taken = job_rows.taken(connection, ids)
        if taken is not None:
            raise JobConflict(f"There is a job with the id {taken} already.")
        check_all(connection, [submit.claims for submit in submits])
        counted: list[Job] = []
        for submit in submits:
            for job in submit.jobs:
                if submit.limits is not None:
                    self._database.room.take(connection, job, submit.limits, now, counted)
                # What is refused after all leaves a count that is too high, which is made anew before anybody is refused.
                self._database.room.added(job)
                counted.append(job)
