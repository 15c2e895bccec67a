"""The comparison of repositories finds nothing wrong with the model itself, and catches each of these mutants."""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from contracts.repository_model import SETTINGS, RepositoryModel
from imaging_core.events import JobEvent
from imaging_core.jobs import Job
from imaging_core.key_ports import CreditClaim
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.ports import Beat, Idempotency, JobEvents, JobRepository, Preference, QueueLimits


class NoFence(MemoryJobRepository):
    """Writes under any token."""

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        return await super().save(job, events=events)


class NoVersions(MemoryJobRepository):
    """Writes over whatever is there."""

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        stored = await self.get(job.id)
        return await super().save(attrs.evolve(job, version=stored.version), token=token, events=events)


class NoKeys(MemoryJobRepository):
    """Forgets idempotency keys."""

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        claims: Sequence[CreditClaim] = (),  # nothing here costs anything
    ) -> tuple[Job, ...]:
        return await super().add_all(jobs, events=events, limits=limits)


class NoPriorities(MemoryJobRepository):
    """Stores every job at the same priority."""

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        claims: Sequence[CreditClaim] = (),  # nothing here costs anything
    ) -> tuple[Job, ...]:
        flat = [attrs.evolve(job, priority=0) for job in jobs]
        return await super().add_all(flat, events=events, idempotency=idempotency, limits=limits)


class HalfBatches(MemoryJobRepository):
    """Stores the jobs of a batch one by one, until one is refused."""

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        claims: Sequence[CreditClaim] = (),  # nothing here costs anything
    ) -> tuple[Job, ...]:
        stored = await super().add_all(jobs[:1], events=events, idempotency=idempotency, limits=limits)
        for job in jobs[1:]:
            stored += await super().add_all([job], limits=limits)
        return stored


class DeafHeart(MemoryJobRepository):
    """Acknowledges heartbeats and extends nothing."""

    async def beat(self, job_id: str, *, token: str, lease_s: float) -> Beat:
        return await super().beat(job_id, token=token, lease_s=0.0)


class SilentDeletes(MemoryJobRepository):
    """Deletes without an event."""

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        await super().delete(job)


class LongLeases(MemoryJobRepository):
    """Gives leases of ten times the length."""

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        return await super().claim_next(
            backend, worker=worker, token=token, lease_s=10 * lease_s, preference=preference
        )


class NoPreferences(MemoryJobRepository):
    """Gives whoever claims the first job in line, whatever it prefers."""

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        return await super().claim_next(backend, worker=worker, token=token, lease_s=lease_s)


Making = Callable[[MemoryJobEvents, Callable[[], datetime]], JobRepository]


def compare(make: Making, configuration: settings) -> None:
    """Drive the model and another repository in memory."""

    class Machine(RepositoryModel):
        async def open(self) -> tuple[JobRepository, JobEvents]:
            events = MemoryJobEvents()
            return make(events, lambda: self.time), events

    run_state_machine_as_test(Machine, settings=configuration)


def test_the_model_behaves_as_itself() -> None:
    compare(MemoryJobRepository, SETTINGS)


@pytest.mark.parametrize(
    "mutant",
    [NoFence, NoVersions, NoKeys, NoPriorities, HalfBatches, DeafHeart, SilentDeletes, LongLeases, NoPreferences],
)
def test_a_mutant_is_caught(mutant: Making) -> None:
    hunting = settings(SETTINGS, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])

    with pytest.raises(AssertionError):
        compare(mutant, hunting)
