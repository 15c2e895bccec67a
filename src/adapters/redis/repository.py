"""Keeps jobs in Redis for any number of hosts, each operation one atomic script; imports stdlib and the core.

A command whose answer was lost may be sent again: every write carries a name of its own, and a script that meets the
name of a write it has already done gives the same answer.
"""

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.redis import job_search
from adapters.redis.ageing import age_older
from adapters.redis.clock import from_micros
from adapters.redis.layout import (
    SHOWN,
    Row,
    claim_arguments,
    event_arguments,
    job_arguments,
    job_from_row,
    micros,
    overdue_at,
    pause_from_text,
    run_time,
    to_json,
)
from adapters.redis.link import RedisLink
from adapters.redis.listing import Listing
from adapters.redis.spending import claim_in_row
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
    Unavailable,
    UnreadableJob,
)
from imaging_core.events import JobEvent
from imaging_core.jobs import SCHEMA, Job
from imaging_core.key_ports import CreditClaim, CreditsRefused
from imaging_core.ports import Beat, Idempotency, JobPage, JobQuery, Pause, Preference, QueueLimits, QueueState
from imaging_core.searching import search

#: About how many events the log keeps.
LOG_LENGTH: Final = 100_000
#: Saves without an answer that are remembered for their repetition.
_MOST_DOUBTS: Final = 64
#: Jobs that are remembered with the row that they were read from, a few KB each.
_MOST_DECODED: Final = 2_000
_CURSOR: Final = re.compile(r"[0-9]{1,15}", re.ASCII)

#: What a script gives after the time.
Answer = list[Any]


class RedisJobRepository:
    """The jobs of a whole installation. Asks Redis each time, so any number of processes may share one."""

    def __init__(self, link: RedisLink, *, log_length: int = LOG_LENGTH) -> None:
        """`log_length` is about how many events the log keeps; it must be the same for all who write to it."""
        self._link = link
        self._log_length = log_length
        #: Names of saves whose answer was lost, by their content: said again, they are the same save.
        self._doubtful_saves: OrderedDict[bytes, str] = OrderedDict()
        #: Names of claims whose answer was lost: what they got belongs to nobody but the next claim here.
        #: With each, how long its lease may last by the local clock, in s.
        self._doubtful_claims: list[tuple[str, float]] = []
        #: Rows as they were last read, and the jobs that they stand for.
        self._decoded: dict[str, tuple[Row, Job]] = {}
        #: Whether there are jobs to enter where they are searched.
        self._behind = 0

    # --- writing -----------------------------------------------------------------------------------------

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
        outcome, *facts = await self._write(
            "add",
            _name(),
            *_key_arguments(idempotency),
            *_most(limits),
            self._log_length,
            len(jobs),
            *(part for job in jobs for part in (job.id, overdue_at(job), *job_arguments(job, 1))),
            len(claims),
            *(part for claim in claims for part in claim_in_row(claim)),
            *event_arguments(events),
        )
        match outcome:
            case b"ok":
                # What is there now is what was sent, so it need not be read.
                return tuple(attrs.evolve(job, version=1, favourite=False) for job in jobs)
            case b"known":
                return _jobs(facts)
            case b"mismatch":
                raise IdempotencyMismatch
            case b"deleted":
                raise JobDeleted
            case b"owner" | b"total":
                raise CreditsRefused(outcome.decode())
            case b"taken":
                raise JobConflict(f"There is a job with the id {facts[0].decode()} already.")
        raise _full(outcome, *facts)

    async def known(self, idempotency: Idempotency) -> tuple[Job, ...]:
        """The jobs that the key stands for as they are now; none when it stands for none."""
        key, fingerprint, _ = _key_arguments(idempotency)
        outcome, *rows = await self._write("known", key, fingerprint)
        match outcome:
            case b"mismatch":
                raise IdempotencyMismatch
            case b"deleted":
                raise JobDeleted
        return _jobs(rows)

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        """Write a changed job over the version it was read at."""
        told = (*job_arguments(job, job.version + 1), *event_arguments(events))
        arguments = (job.version, token or "", overdue_at(job), run_time(job), self._log_length, *told)
        outcome, *facts = await self._write_once("save", job.id, *arguments)
        _raise_for(outcome, job.id)
        lease = job.lease
        if lease is not None and facts[0]:
            lease = attrs.evolve(lease, until=from_micros(int(facts[0])))
        return attrs.evolve(job, version=job.version + 1, lease=lease, favourite=facts[1] == b"1")

    async def move(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        limits: QueueLimits | None = None,
        claim: CreditClaim | None = None,
    ) -> Job:
        """Write a job that goes to another backend over the version it was read at."""
        slices = job_search.slices_of(job)
        outcome, *facts = await self._write_once(
            "move",
            job.id,
            job.version,
            overdue_at(job),
            self._log_length,
            *_most(limits),
            *claim_in_row(claim),
            job_search.CHUNK,
            job_search.SLICE_BYTES,
            len(slices),
            *slices,
            *job_arguments(job, job.version + 1),
            *event_arguments(events),
        )
        _raise_for(outcome, job.id)
        match outcome:
            case b"ok":
                return attrs.evolve(job, version=job.version + 1, favourite=facts[0] == b"1")
            case b"owner" | b"total":
                raise CreditsRefused(outcome.decode())
        raise _full(outcome, *facts)

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        """Forget an ended job, but not that it was."""
        arguments = (job.id, _name(), job.version, self._log_length)
        outcome, *_ = await self._write("delete", *arguments, *event_arguments(events))
        _raise_for(outcome, job.id)

    async def mark(self, job_id: str, *, favourite: bool) -> Job:
        """Mark a job as a favourite, or take the mark away."""
        outcome, *facts = await self._write("mark", job_id, "1" if favourite else "")
        _raise_for(outcome, job_id)
        return job_from_row(facts[0])

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        """Claim the first claimable job of a backend, or the one that suits best."""
        now = time.monotonic()
        self._doubtful_claims = [(name, until) for name, until in self._doubtful_claims if until > now]
        earlier = [name for name, _ in self._doubtful_claims]
        name = _name()
        arguments = (backend, worker, token, micros(lease_s), name, SCHEMA, self._log_length)
        wished = claim_arguments(preference or Preference())
        try:
            found = await self._write("claim", *arguments, *wished, *earlier)
        except BaseException:
            # No answer, or the caller was cancelled: the claim may have been made all the same.
            self._doubtful_claims.append((name, now + lease_s))
            raise
        return job_from_row(found[0]) if found else None

    async def beat(self, job_id: str, *, token: str, lease_s: float) -> Beat:
        """Hold the lease for `lease_s` from now."""
        outcome, *facts = await self._write("beat", job_id, token, micros(lease_s))
        _raise_for(outcome, job_id)
        return Beat(cancel_requested=facts[0] == b"1")

    # --- reading -----------------------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job:
        """The job as last written."""
        row: Row = await self._link.command("HMGET", self._link.key("job", job_id), *SHOWN)
        body, deleted, *_ = row
        if deleted is not None:
            raise JobDeleted(deleted.partition(b" ")[2].decode() or None)
        if body is None:
            raise JobNotFound
        # Decoding costs more than asking, and most who ask have asked before.
        before = self._decoded.get(job_id)
        if before is not None and before[0] == row:
            return before[1]
        job = job_from_row(row)
        self._decoded[job_id] = row, job
        if len(self._decoded) > _MOST_DECODED:
            del self._decoded[next(iter(self._decoded))]
        return job

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first."""
        if query.cursor is not None and not _CURSOR.fullmatch(query.cursor):
            raise InvalidRequest([FieldProblem(field="cursor", message="is not a cursor that a listing gave.")])
        before = None if query.cursor is None else int(query.cursor)
        return await search(query, before, Listing(self._link, query).read)

    async def overdue(self, *, limit: int = 100) -> Sequence[Job]:
        """Open jobs that should have ended by now, the longest overdue first."""
        self._behind, *rows = await self._write("overdue", limit, job_search.CHUNK)
        return _jobs(rows)

    async def catch_up(self) -> None:
        """Enter jobs where they are searched, if the last look for overdue ones met any: no round trip of its own else."""
        if self._behind:
            # Every process sweeps, so whatever is added is soon entered by one.
            await job_search.catch_up(self._link)

    async def movable(self, backend: str, *, skip: int = 0, limit: int = 50) -> Sequence[Job]:
        """Jobs of a backend that may go to another one now."""
        # Asked again and again, and mostly there are none: then this is all that it costs.
        lines = (self._link.key(kind, backend) for kind in ("movable", "stranded"))
        if not await self._link.command("EXISTS", *lines):
            return ()
        return _jobs(await self._write("movable", backend, skip, limit, SCHEMA))

    async def expired(self, *, keep_days: float | None = None, limit: int = 100) -> Sequence[Job]:
        """Ended jobs that are to be deleted, the longest expired first."""
        await age_older(self._link)
        keep = "" if keep_days is None else micros(timedelta(days=keep_days))
        jobs = _jobs(await self._write("expired", limit, keep))
        ends = {job.id: at for job in jobs if (at := job.expires_at(keep_days)) is not None}
        return sorted((job for job in jobs if job.id in ends), key=lambda job: ends[job.id])[:limit]

    async def state(self, backend: str) -> QueueState:
        """How busy a backend is."""
        told, claimable, started, since, mean_run, paused = await self._link.script("state", backend)
        at = self._heard(told)
        return QueueState(
            claimable=claimable,
            started=started,
            oldest_claimable_s=max(0, at - int(since or told)) / 1e6,
            mean_run_s=_seconds(mean_run),
            paused=pause_from_text(paused) if paused else None,
        )

    async def pause(self, backend: str, *, reason: str = "", by: str | None = None) -> Pause:
        """Begin none of a backend's jobs from now on."""
        (since,) = await self._write("pause", backend, to_json({"reason": reason, "by": by}))
        return Pause(since=from_micros(int(since)), reason=reason, by=by)

    async def resume(self, backend: str) -> None:
        """Begin its jobs again."""
        await self._link.command("HDEL", self._link.key("pauses"), backend)

    async def position(self, job: Job) -> int:
        """How many claimable jobs of the same backend would be claimed before this one; 0 once it has ended."""
        place: int = await self._link.script("position", job.id)
        return place

    async def now(self) -> datetime:
        """Redis's clock, as far as this process can tell without asking it each time."""
        return await self._link.clock.now()

    async def never_called(self, job: Job) -> bool:  # noqa: ARG002
        """Never certain: Redis may have lost its last second with its host, the record of a call among it."""
        return False

    # --- one way to the scripts --------------------------------------------------------------------------

    async def _write(self, script: str, *arguments: str | bytes | int) -> Answer:
        answer: Answer = await self._link.script(script, *arguments)
        self._heard(answer[0])
        return answer[1:]

    async def _write_once(self, script: str, job_id: str, *arguments: str | bytes | int) -> Answer:
        """The same for a change of a job under a name of its own: said again after its answer was lost, it is the same change."""
        doubts, change = self._doubtful_saves, (script, job_id, arguments)
        # Mostly there are no doubts, and then a change needs no digest.
        name = (doubts.get(_digest(change)) if doubts else None) or _name()
        try:
            answer = await self._write(script, job_id, name, *arguments)
        except Unavailable:
            # It may have been written, and the caller will say it again.
            doubts[_digest(change)] = name
            if len(doubts) > _MOST_DOUBTS:
                doubts.popitem(last=False)
            raise
        if doubts:
            doubts.pop(_digest(change), None)
        return answer

    def _heard(self, told: bytes) -> int:
        at = int(told)
        self._link.clock.heard(at)
        return at


def _digest(change: tuple[object, ...]) -> bytes:
    return hashlib.sha256(repr(change).encode()).digest()


def _raise_for(outcome: bytes, job_id: str) -> None:
    match outcome:
        case b"missing":
            raise JobNotFound
        case b"deleted":
            raise JobDeleted
        case b"lost":
            raise LeaseLost(f"The lease of job {job_id} is no longer held by this worker.")
        case b"stale":
            raise StaleJob(f"Job {job_id} changed since it was read.")
        case b"open":
            raise JobConflict("The job has not ended yet; only a job that has ended can be deleted.")


def _full(outcome: bytes, mean_run: bytes, started: int) -> QueueFull:
    state = QueueState(started=started, mean_run_s=_seconds(mean_run))
    return QueueFull(retry_after_s=state.retry_after_s, mine=outcome == b"full_mine")


def _name() -> str:
    return secrets.token_hex(8)


def _key_arguments(idempotency: Idempotency | None) -> tuple[str, str, int]:
    if idempotency is None:
        return "", "", 0
    # Hashed, since a caller chooses the key and keys of Redis are seen by whoever looks after it.
    key = hashlib.sha256(idempotency.key.encode("utf-8", "surrogatepass")).hexdigest()
    return key, idempotency.fingerprint, max(1, micros(idempotency.ttl_s) // 1000)


def _most(limits: QueueLimits | None) -> list[str | int]:
    limits = limits or QueueLimits()
    return ["" if most is None else most for most in (limits.max_queued, limits.max_queued_per_owner)]


def _seconds(told: bytes) -> float | None:
    return int(told) / 1e6 if told else None


def _jobs(rows: Iterable[Row]) -> tuple[Job, ...]:
    return tuple(map(job_from_row, rows))
