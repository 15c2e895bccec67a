"""The promises 1 to 3 of a job repository where many jobs are added in one step, and what a known key answers.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio

import pytest

from contracts.job_setting import RepositorySetting
from contracts.samples import a_job, an_event
from imaging_core.errors import IdempotencyMismatch, JobConflict, JobDeleted, JobNotFound, QueueFull
from imaging_core.events import EventKind
from imaging_core.jobs import Job
from imaging_core.ports import Idempotency, JobEvents, JobQuery, JobRepository, QueueLimits

KEY = Idempotency(key="alice/1", fingerprint="abc")


class BatchPromises(RepositorySetting):
    """Promises 1 to 3, for many jobs at once."""

    async def new(self, repository: JobRepository, *owners: str | None, backend: str = "alpha") -> list[Job]:
        """Jobs that are not stored yet, one for each owner."""
        return [a_job(await repository.now(), owner=owner, backend=backend) for owner in owners]

    async def all_ids(self, repository: JobRepository) -> list[str]:
        """What is stored, the oldest first."""
        return [job.id for job in (await repository.list(JobQuery())).jobs][::-1]

    async def test_1_jobs_added_together_are_stored_in_their_order_with_their_events(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        jobs = [*await self.new(repository, "alice", None), *await self.new(repository, "bob", backend="beta")]
        cursor = await events.cursor()

        stored = await repository.add_all(jobs, events=[an_event(job) for job in jobs])

        assert [job.id for job in stored] == [job.id for job in jobs] == await self.all_ids(repository)
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.QUEUED) for job in jobs]
        again = await self.reopened(repository)
        assert [await again.get(job.id) for job in jobs] == list(stored)

    async def test_1_no_job_of_a_batch_is_stored_when_one_id_is_taken(self, repository: JobRepository) -> None:
        there = await self.submit(repository)
        first, twin, last = await self.new(repository, None, None, None)

        for jobs in ([first, there, last], [first, twin, twin]):
            with pytest.raises(JobConflict):
                await repository.add_all(jobs, idempotency=KEY)

        assert await self.all_ids(repository) == [there.id]
        assert await repository.known(KEY) == ()

    async def test_2_a_key_stands_for_the_whole_batch(self, repository: JobRepository) -> None:
        stored = await repository.add_all(await self.new(repository, "b", "a", "b"), idempotency=KEY)
        started = await self.claim(repository)

        again = await repository.add_all(await self.new(repository, "b", "a", "b"), idempotency=KEY)

        assert [job.id for job in again] == [job.id for job in stored] == await self.all_ids(repository)
        assert started in again
        with pytest.raises(IdempotencyMismatch):
            await repository.add_all(
                await self.new(repository, "b"), idempotency=Idempotency(key=KEY.key, fingerprint="xyz")
            )

    async def test_2_of_concurrent_batches_under_one_key_one_is_stored(self, repository: JobRepository) -> None:
        batches = [await self.new(repository, None, None, None) for _ in range(6)]

        got = await asyncio.gather(*(repository.add_all(jobs, idempotency=KEY) for jobs in batches))

        assert len({tuple(job.id for job in jobs) for jobs in got}) == 1
        assert await self.all_ids(repository) == [job.id for job in got[0]]

    async def test_2_a_batch_of_which_a_job_is_gone_is_told_as_deleted(self, repository: JobRepository) -> None:
        await repository.add_all(await self.new(repository, None, None), idempotency=KEY)
        await repository.delete(await self.finish(repository, await self.claim(repository)))

        with pytest.raises(JobDeleted):
            await repository.add_all(await self.new(repository, None, None), idempotency=KEY)
        with pytest.raises(JobDeleted):
            await repository.known(KEY)
        assert len(await self.all_ids(repository)) == 1

    async def test_2_known_tells_what_a_key_stands_for_and_stores_nothing(self, repository: JobRepository) -> None:
        assert await repository.known(KEY) == ()
        job = await repository.add(a_job(await repository.now()), idempotency=KEY)
        started = await self.claim(repository)

        again = await self.reopened(repository)
        assert await again.known(KEY) == (started,)
        assert started.id == job.id
        with pytest.raises(IdempotencyMismatch):
            await again.known(Idempotency(key=KEY.key, fingerprint="xyz"))
        assert await self.all_ids(again) == [job.id]

    async def test_2_a_forgotten_key_is_not_known(self, repository: JobRepository) -> None:
        short = Idempotency(key="alice/1", fingerprint="abc", ttl_s=self.tick_s)
        await repository.add_all(await self.new(repository, None, None), idempotency=short)
        await self.ticks(1.5)

        assert await repository.known(short) == ()

    async def test_3_a_batch_for_which_there_is_no_room_is_refused_whole(self, repository: JobRepository) -> None:
        limits = QueueLimits(max_queued=3)
        await self.submit(repository)
        batch = await self.new(repository, "alice", "bob", "carol")

        with pytest.raises(QueueFull) as refused:
            await repository.add_all(batch, events=[an_event(job) for job in batch], idempotency=KEY, limits=limits)

        assert not refused.value.mine
        for job in batch:
            with pytest.raises(JobNotFound):
                await repository.get(job.id)
        assert len(await repository.add_all(batch[:2], idempotency=KEY, limits=limits)) == 2

    async def test_3_each_owner_and_each_backend_has_a_limit_of_its_own(self, repository: JobRepository) -> None:
        limits = QueueLimits(max_queued=4, max_queued_per_owner=2)
        await repository.add_all(await self.new(repository, "alice", "bob", "alice"), limits=limits)
        others = [*await self.new(repository, "bob"), *await self.new(repository, "alice", "alice", backend="beta")]

        with pytest.raises(QueueFull) as refused:
            await repository.add_all([*others, *await self.new(repository, "alice", backend="beta")], limits=limits)

        assert refused.value.mine
        assert len(await repository.add_all(others, limits=limits)) == 3

    async def test_3_concurrent_batches_do_not_pass_the_owners_limit(self, repository: JobRepository) -> None:
        limits = QueueLimits(max_queued_per_owner=5)
        batches = [await self.new(repository, "alice", "alice") for _ in range(6)]

        got = await asyncio.gather(
            *(repository.add_all(jobs, limits=limits) for jobs in batches), return_exceptions=True
        )

        refused = [answer for answer in got if isinstance(answer, QueueFull)]
        assert [answer.mine for answer in refused] == [True] * 4
        assert len(await self.all_ids(repository)) == 4

    async def test_3_a_known_batch_is_answered_though_the_queue_is_full(self, repository: JobRepository) -> None:
        limits = QueueLimits(max_queued=2, max_queued_per_owner=2)
        first = await repository.add_all(await self.new(repository, "a", "a"), idempotency=KEY, limits=limits)

        again = await repository.add_all(await self.new(repository, "a", "a"), idempotency=KEY, limits=limits)

        assert again == first
