"""The promises 1 to 5, 9, 12 and 14 of a job repository: what a write keeps, and what it refuses.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio

import attrs
import pytest

from contracts.job_setting import RepositorySetting
from contracts.listening import told
from contracts.samples import NOON, a_failure, a_job, a_ref, a_request, an_event
from imaging_core.errors import (
    IdempotencyMismatch,
    JobConflict,
    JobDeleted,
    JobNotFound,
    LeaseLost,
    QueueFull,
    StaleJob,
    UnreadableJob,
)
from imaging_core.events import EventKind
from imaging_core.ids import new_job_id
from imaging_core.jobs import SCHEMA, CallState, Job, JobStatus
from imaging_core.ports import Idempotency, JobEvents, JobQuery, JobRepository, QueueLimits


class AddingPromises(RepositorySetting):
    """Promises 1 to 4."""

    async def test_1_an_added_job_is_read_back_whole(self, repository: JobRepository) -> None:
        job = a_job(NOON, owner="alice", priority=-3, max_wait_s=12.5, run_timeout_s=7.25, retry_of=new_job_id())

        stored = await repository.add(job)

        assert stored == attrs.evolve(job, version=1)
        assert await repository.get(job.id) == stored

    async def test_1_a_job_and_its_events_are_stored_in_one_step(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        cursor = await events.cursor()
        job = a_job(await repository.now(), owner="alice")
        first, second = an_event(job), an_event(job, EventKind.PARKED, reason="test", until="later")

        await repository.add(job, events=[first, second])

        found = await told(events, after=cursor, count=2)
        assert [attrs.evolve(event, cursor="") for event in found] == [first, second]
        assert all(event.cursor for event in found)

    async def test_1_an_added_job_is_durable_when_add_returns(self, repository: JobRepository) -> None:
        job = await self.submit(repository)

        again = await self.reopened(repository)

        assert await again.get(job.id) == job

    async def test_1_one_id_is_never_added_twice(self, repository: JobRepository) -> None:
        job = await self.submit(repository)

        with pytest.raises(JobConflict):
            await repository.add(attrs.evolve(job, version=0, owner="mallory"))

        assert await repository.get(job.id) == job

    async def test_2_a_known_key_gives_the_first_job_and_stores_nothing(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        key = Idempotency(key="alice/1", fingerprint="abc")
        first = await repository.add(a_job(await repository.now()), idempotency=key)
        cursor = await events.cursor()
        second = a_job(await repository.now())

        got = await repository.add(second, events=[an_event(second)], idempotency=key)

        assert got == first
        with pytest.raises(JobNotFound):
            await repository.get(second.id)
        assert await self.events_since(repository, events, cursor) == []

    async def test_2_a_known_key_gives_the_job_as_it_is_now(self, repository: JobRepository) -> None:
        key = Idempotency(key="alice/1", fingerprint="abc")
        first = await repository.add(a_job(await repository.now()), idempotency=key)
        started = await self.claim(repository)

        got = await repository.add(a_job(await repository.now()), idempotency=key)

        assert got.id == first.id
        assert got == started

    async def test_2_a_known_key_with_another_request_is_a_mismatch_and_stores_nothing(
        self, repository: JobRepository
    ) -> None:
        await repository.add(a_job(await repository.now()), idempotency=Idempotency(key="alice/1", fingerprint="abc"))
        second = a_job(await repository.now())

        with pytest.raises(IdempotencyMismatch):
            await repository.add(second, idempotency=Idempotency(key="alice/1", fingerprint="xyz"))

        with pytest.raises(JobNotFound):
            await repository.get(second.id)

    async def test_2_of_concurrent_adds_under_one_key_one_stores(self, repository: JobRepository) -> None:
        key = Idempotency(key="alice/1", fingerprint="abc")
        now = await repository.now()

        got = await asyncio.gather(*(repository.add(a_job(now), idempotency=key) for _ in range(20)))

        assert len({job.id for job in got}) == 1
        assert [job.id for job in (await repository.list(JobQuery())).jobs] == [got[0].id]

    async def test_2_a_key_is_forgotten_after_its_time(self, repository: JobRepository) -> None:
        key = Idempotency(key="alice/1", fingerprint="abc", ttl_s=self.tick_s)
        first = await repository.add(a_job(await repository.now()), idempotency=key)
        await self.ticks(1.5)

        other = attrs.evolve(key, fingerprint="xyz")
        second = await repository.add(a_job(await repository.now()), idempotency=other)

        assert second.id != first.id
        assert (await repository.add(a_job(await repository.now()), idempotency=other)).id == second.id

    async def test_2_a_known_key_of_a_deleted_job_tells_so_and_stores_nothing(self, repository: JobRepository) -> None:
        key = Idempotency(key="alice/1", fingerprint="abc")
        first = await repository.add(a_job(await repository.now()), idempotency=key)
        await repository.delete(await self.finish(repository, await self.claim(repository), "token-1"))
        second = a_job(await repository.now())

        with pytest.raises(JobDeleted):
            await repository.add(second, idempotency=key)

        assert second.id != first.id
        assert (await repository.list(JobQuery())).jobs == ()

    async def test_3_a_full_queue_refuses_and_stores_nothing(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        limits = QueueLimits(max_queued=2)
        for _ in range(2):
            await repository.add(a_job(await repository.now()), limits=limits)
        cursor = await events.cursor()
        third = a_job(await repository.now())
        key = Idempotency(key="alice/1", fingerprint="abc")

        with pytest.raises(QueueFull) as refused:
            await repository.add(third, events=[an_event(third)], idempotency=key, limits=limits)

        assert not refused.value.mine
        assert 1 <= refused.value.retry_after_s <= 300
        with pytest.raises(JobNotFound):
            await repository.get(third.id)
        assert await self.events_since(repository, events, cursor) == []
        # The key was not kept either: the same submit is welcome when there is room.
        assert (await repository.add(third, idempotency=key)).id == third.id

    async def test_3_a_known_key_is_answered_though_the_queue_is_full(self, repository: JobRepository) -> None:
        key, limits = Idempotency(key="alice/1", fingerprint="abc"), QueueLimits(max_queued=1)
        first = await repository.add(a_job(await repository.now()), idempotency=key, limits=limits)

        got = await repository.add(a_job(await repository.now()), idempotency=key, limits=limits)

        assert got == first

    async def test_3_only_waiting_jobs_of_the_same_backend_count(self, repository: JobRepository) -> None:
        limits = QueueLimits(max_queued=1)
        await self.start(repository, "token-0")
        await self.finished(repository, backend="gamma")
        cancelled = await self.submit(repository)
        await repository.save(cancelled.cancel(now=await repository.now()))
        await self.submit(repository, backend="beta")

        waiting = await repository.add(a_job(await repository.now()), limits=limits)

        assert waiting.status is JobStatus.QUEUED
        with pytest.raises(QueueFull):
            await repository.add(a_job(await repository.now()), limits=limits)

    async def test_3_an_owner_who_has_too_many_waiting_is_told_that_it_is_theirs(
        self, repository: JobRepository
    ) -> None:
        limits = QueueLimits(max_queued=10, max_queued_per_owner=1)
        await repository.add(a_job(await repository.now(), owner="alice"), limits=limits)

        with pytest.raises(QueueFull) as refused:
            await repository.add(a_job(await repository.now(), owner="alice"), limits=limits)

        assert refused.value.mine
        assert (await repository.add(a_job(await repository.now(), owner="bob"), limits=limits)).owner == "bob"

    async def test_3_concurrent_adds_do_not_pass_the_limit(self, repository: JobRepository) -> None:
        now, limits = await repository.now(), QueueLimits(max_queued=3)

        got = await asyncio.gather(
            *(repository.add(a_job(now), limits=limits) for _ in range(12)), return_exceptions=True
        )

        assert sum(isinstance(answer, QueueFull) for answer in got) == 9
        assert len((await repository.list(JobQuery())).jobs) == 3

    async def test_4_get_gives_the_last_written_job(self, repository: JobRepository) -> None:
        job = await self.start(repository)
        richer = job.intending(0, "task-a").with_call("task-a", CallState.ANSWERED, credits=3.5)
        richer = richer.intending(1, "task-b").with_failure(a_failure(await repository.now()))

        saved = await repository.save(richer, token="token-1")

        assert saved == attrs.evolve(richer, version=job.version + 1)
        assert await repository.get(job.id) == saved

    async def test_4_an_unknown_id_is_not_found(self, repository: JobRepository) -> None:
        await self.submit(repository)

        for unknown in (new_job_id(), "", "../../etc/passwd", "x" * 5_000):
            with pytest.raises(JobNotFound):
                await repository.get(unknown)


class SavingPromises(RepositorySetting):
    """Promises 5, 9, 12 and 14."""

    async def test_5_a_save_stores_its_events_in_the_same_step(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        job = await self.submit(repository)
        cursor = await events.cursor()
        ended = job.cancel(now=await repository.now())

        saved = await repository.save(ended, events=[an_event(ended, EventKind.CANCELLED)])

        assert saved.version == job.version + 1
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.CANCELLED)]

    async def test_5_a_save_over_another_version_is_refused_and_stores_nothing(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        job = await self.submit(repository)
        first = await repository.save(attrs.evolve(job, priority=1))
        cursor = await events.cursor()

        with pytest.raises(StaleJob):
            await repository.save(attrs.evolve(job, priority=2), events=[an_event(job)])

        assert await repository.get(job.id) == first
        assert await self.events_since(repository, events, cursor) == []

    async def test_5_of_concurrent_saves_of_one_version_one_is_written(self, repository: JobRepository) -> None:
        job = await self.submit(repository)

        got = await asyncio.gather(
            *(repository.save(attrs.evolve(job, priority=n)) for n in range(1, 11)), return_exceptions=True
        )

        written = [answer for answer in got if isinstance(answer, Job)]
        assert len(written) == 1
        assert sum(isinstance(answer, StaleJob) for answer in got) == 9
        assert await repository.get(job.id) == written[0]

    async def test_5_a_save_under_another_token_is_refused_and_stores_nothing(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        job = await self.start(repository, "token-1")
        cursor = await events.cursor()

        with pytest.raises(LeaseLost):
            await repository.save(job.intending(0, "task"), token="token-2", events=[an_event(job)])

        assert await repository.get(job.id) == job
        assert await self.events_since(repository, events, cursor) == []

    async def test_5_a_save_under_a_token_needs_a_lease(self, repository: JobRepository) -> None:
        job = await self.submit(repository)

        with pytest.raises(LeaseLost):
            await repository.save(attrs.evolve(job, priority=1), token="token-1")

    async def test_5_an_unknown_job_cannot_be_saved(self, repository: JobRepository) -> None:
        with pytest.raises(JobNotFound):
            await repository.save(a_job(NOON, version=1))

    @pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED])
    async def test_9_an_ended_job_never_changes(self, repository: JobRepository, status: JobStatus) -> None:
        job = await self.start(repository)
        now = await repository.now()
        ends = {
            JobStatus.FINISHED: job.succeeded([a_ref(0), a_ref(1)], now=now),
            JobStatus.FAILED: job.failed(a_failure(now), now=now),
            JobStatus.CANCELLED: job.cancelled(now=now),
        }
        ended = await repository.save(ends[status], token="token-1")
        assert ended.status is status

        with pytest.raises((StaleJob, LeaseLost)):
            await repository.save(attrs.evolve(job, cancel_requested=True))
        with pytest.raises((StaleJob, LeaseLost)):
            await repository.save(attrs.evolve(ended, status=JobStatus.STARTED))
        with pytest.raises(LeaseLost):
            await repository.save(attrs.evolve(ended, priority=5), token="token-1")
        await self.ticks(5)
        assert await self.nothing_to_claim(repository)
        assert await repository.get(job.id) == ended

    @pytest.mark.parametrize("owner", [None, "alice"])
    async def test_12_of_a_deleted_job_is_known_whose_it_was(
        self, repository: JobRepository, owner: str | None
    ) -> None:
        job = await self.finished(repository, owner=owner)
        await repository.delete(job)
        with pytest.raises(JobDeleted) as caught:
            await (await self.reopened(repository)).get(job.id)

        assert caught.value.owner == owner

    async def test_12_a_deleted_job_is_known_as_deleted(self, repository: JobRepository, events: JobEvents) -> None:
        job = await self.finished(repository)
        cursor = await events.cursor()

        await repository.delete(job, events=[an_event(job, EventKind.DELETED)])

        with pytest.raises(JobDeleted):
            await repository.get(job.id)
        with pytest.raises(JobDeleted):
            await repository.delete(job)
        assert (await repository.list(JobQuery())).jobs == ()
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.DELETED)]

    async def test_12_a_deleted_job_stays_known_as_deleted_for_another_process(self, repository: JobRepository) -> None:
        job = await self.finished(repository)
        await repository.delete(job)

        with pytest.raises(JobDeleted):
            await (await self.reopened(repository)).get(job.id)

    async def test_12_a_deleted_job_is_never_written_again(self, repository: JobRepository) -> None:
        job = await self.finished(repository)
        await repository.delete(job)

        with pytest.raises((StaleJob, JobDeleted)):
            await repository.save(job)
        with pytest.raises(LeaseLost):
            await repository.beat(job.id, token="token-1", lease_s=self.tick_s)
        with pytest.raises((JobConflict, JobDeleted)):
            await repository.add(attrs.evolve(job, version=0))
        with pytest.raises(JobDeleted):
            await repository.get(job.id)

    async def test_12_an_open_job_is_not_deleted(self, repository: JobRepository) -> None:
        waiting = await self.submit(repository, backend="beta")
        running = await self.start(repository)

        for job in (waiting, running):
            with pytest.raises(JobConflict):
                await repository.delete(job)
            assert await repository.get(job.id) == job

    async def test_12_a_job_that_ended_since_it_was_read_is_not_deleted(self, repository: JobRepository) -> None:
        read = await self.start(repository)
        done = await self.finish(repository, read, "token-1")

        with pytest.raises(StaleJob):
            await repository.delete(attrs.evolve(done, version=read.version))

        assert await repository.get(done.id) == done

    async def test_12_an_unknown_job_cannot_be_deleted(self, repository: JobRepository) -> None:
        with pytest.raises(JobNotFound):
            await repository.delete(a_job(NOON, version=1, status=JobStatus.CANCELLED, finished_at=NOON))

    async def test_14_fields_of_a_newer_version_survive_every_write(self, repository: JobRepository) -> None:
        unknown = {"mood": "blue", "weights": [1, 2.5, None], "nested": {"a": {"b": True}}}
        job = await self.submit(repository, unknown=unknown)
        assert job.unknown == unknown

        started = await self.claim(repository)
        assert started.unknown == unknown
        done = await self.finish(repository, started, "token-1")

        assert done.unknown == unknown
        assert (await repository.get(job.id)).unknown == unknown

    async def test_14_a_newer_schema_is_unreadable(self, repository: JobRepository) -> None:
        newer = a_job(await repository.now(), schema=SCHEMA + 1, request=a_request(prompt="from the future"))

        async def add_and_read() -> None:
            await repository.add(newer)
            await repository.get(newer.id)

        with pytest.raises(UnreadableJob) as refused:
            await add_and_read()

        assert "from the future" not in str(refused.value)
