"""What every promise of a job repository is tried on: its fixtures, its clock and the steps of a job's life.

May import pytest, the core and the neighbouring sample modules; knows no adapter.
"""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from contracts.listening import told
from contracts.samples import a_job, a_ref, an_event
from imaging_core.events import EventKind
from imaging_core.jobs import Job, LeaseReason
from imaging_core.key_ports import SpendBook
from imaging_core.ports import JobEvents, JobRepository

#: The lease token of a job's first worker.
FIRST = "token-1"


class RepositorySetting:
    """A subclass supplies `repository`, `events` and `advance`, and sets `tick_s` to fit its clock."""

    #: The unit of time of these promises in s. Where `advance` really waits, half a second is enough.
    tick_s: ClassVar[float] = 10.0
    #: How far a measured time may be off because real time passes meanwhile, in s.
    slack_s: ClassVar[float] = 0.05
    #: Whether it can be certain that nothing was taken back of what it acknowledged since a job was added.
    certain: ClassVar[bool] = True

    @pytest.fixture
    def repository(self) -> JobRepository:
        """An empty repository."""
        raise NotImplementedError("supply the repository to try")

    @pytest.fixture
    def book(self, repository: JobRepository) -> SpendBook:
        """The book of spending of the same installation."""
        raise NotImplementedError("supply the book of the repository to try")

    @pytest.fixture
    def events(self) -> JobEvents:
        """The events of the same log that `repository` writes."""
        raise NotImplementedError("supply the events of the repository to try")

    async def advance(self, seconds: float) -> None:
        """Let that much time pass on the repository's clock."""
        raise NotImplementedError("supply the passing of time")

    async def reopened(self, repository: JobRepository) -> JobRepository:
        """The jobs as another process finds them, for repositories that outlive theirs; else the same repository."""
        return repository

    # --- steps -------------------------------------------------------------------------------------------

    async def submit(self, repository: JobRepository, **changes: Any) -> Job:
        """A stored, queued job."""
        return await repository.add(a_job(await repository.now(), **changes))

    async def claim(
        self, repository: JobRepository, token: str = FIRST, *, ticks: float = 2.0, backend: str = "alpha"
    ) -> Job:
        """The next job under a lease of that many ticks; there must be one."""
        lease_s = ticks * self.tick_s
        job = await repository.claim_next(backend, worker=f"worker of {token}", token=token, lease_s=lease_s)
        assert job is not None, "there must be a claimable job"
        return job

    async def nothing_to_claim(self, repository: JobRepository, backend: str = "alpha") -> bool:
        """Whether the backend has no claimable job now."""
        return await repository.claim_next(backend, worker="idle", token="idle", lease_s=self.tick_s) is None

    async def start(self, repository: JobRepository, token: str = FIRST, **changes: Any) -> Job:
        """A stored job that runs under that token, for two ticks."""
        job = await self.submit(repository, **changes)
        started = await self.claim(repository, token, backend=job.backend)
        assert started.id == job.id, "the new job must be the only claimable one"
        return started

    async def finish(self, repository: JobRepository, job: Job, token: str | None = None) -> Job:
        """The job, ended well."""
        return await repository.save(job.succeeded([a_ref()], now=await repository.now()), token=token)

    async def finished(self, repository: JobRepository, **changes: Any) -> Job:
        """A stored job that has ended well."""
        return await self.finish(repository, await self.start(repository, **changes), FIRST)

    async def park(
        self, repository: JobRepository, job: Job, reason: LeaseReason = LeaseReason.RETRY, *, ticks: float = 2.0
    ) -> Job:
        """The running job, parked by its worker for that many ticks."""
        assert job.lease is not None, "only a started job can be parked"
        now = await repository.now()
        parked = job.parked_until(now + timedelta(seconds=ticks * self.tick_s), reason, now=now)
        return await repository.save(parked, token=job.lease.token)

    async def ticks(self, count: float) -> None:
        """Let that many ticks pass."""
        await self.advance(count * self.tick_s)

    async def events_since(
        self, repository: JobRepository, events: JobEvents, cursor: str
    ) -> list[tuple[str, EventKind]]:
        """Whose events, and of which kind, were stored since that place of the log."""
        mark = a_job(await repository.now(), backend="mark")
        await repository.add(mark, events=[an_event(mark)])
        found: list[tuple[str, EventKind]] = []
        while (mark.id, EventKind.QUEUED) not in found:
            more = await told(events, after=cursor, count=1)
            cursor = more[0].cursor
            found += [(event.job_id, event.kind) for event in more]
        return found[:-1]
