"""The promises 6 to 8, 13, 15 and 23 of a job repository: who may work on what, until when, in which order.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from datetime import timedelta

import attrs
import pytest

from contracts.job_setting import FIRST, RepositorySetting
from contracts.samples import a_failure, a_job
from imaging_core.errors import LeaseLost, StaleJob
from imaging_core.events import EventKind
from imaging_core.jobs import Job, JobStatus, LeaseReason
from imaging_core.ports import JobEvents, JobRepository, QueueState


class ClaimingPromises(RepositorySetting):
    """Promises 6 and 7."""

    async def test_6_a_claim_gives_the_job_under_a_new_running_lease(self, repository: JobRepository) -> None:
        job = await self.submit(repository)
        before = await repository.now()

        claimed = await repository.claim_next("alpha", worker="w", token="t", lease_s=2 * self.tick_s)

        assert claimed is not None
        assert claimed.lease is not None
        expected = job.claimed(worker="w", token="t", now=claimed.lease.since, lease_s=2 * self.tick_s)
        assert claimed == attrs.evolve(expected, version=job.version + 1)
        assert before <= claimed.lease.since <= await repository.now()
        assert await repository.get(job.id) == claimed

    async def test_6_an_empty_backend_has_nothing_to_claim(self, repository: JobRepository) -> None:
        assert await self.nothing_to_claim(repository)
        await self.submit(repository, backend="beta")

        assert await self.nothing_to_claim(repository, "alpha")
        assert (await self.claim(repository, backend="beta")).backend == "beta"

    async def test_6_claims_go_by_priority_then_by_age_of_submit(self, repository: JobRepository) -> None:
        names = {}
        for name, priority in [("first", 0), ("second", 0), ("low", -5), ("high", 7), ("third", 0), ("high too", 7)]:
            names[(await self.submit(repository, priority=priority)).id] = name

        order = [names[(await self.claim(repository, f"token-{n}")).id] for n in range(6)]

        assert order == ["high", "high too", "first", "second", "third", "low"]
        assert await self.nothing_to_claim(repository)

    async def test_6_a_job_given_back_keeps_its_place_by_age(self, repository: JobRepository) -> None:
        older = await self.start(repository)
        await self.park(repository, older, ticks=1)
        younger = await self.submit(repository)
        await self.ticks(1.5)

        assert (await self.claim(repository, "token-2")).id == older.id
        assert (await self.claim(repository, "token-3")).id == younger.id

    async def test_6_a_changed_priority_counts_at_once(self, repository: JobRepository) -> None:
        await self.submit(repository)
        second = await self.submit(repository)
        await repository.save(attrs.evolve(second, priority=1))

        assert (await self.claim(repository)).id == second.id

    async def test_6_concurrent_claims_give_each_job_to_one_caller(self, repository: JobRepository) -> None:
        submitted = [(await self.submit(repository)).id for _ in range(8)]

        got = await asyncio.gather(
            *(
                repository.claim_next("alpha", worker=f"w{n}", token=f"t{n}", lease_s=20 * self.tick_s)
                for n in range(16)
            )
        )

        given = [job for job in got if job is not None]
        assert sorted(job.id for job in given) == sorted(submitted)
        assert len({job.lease.token for job in given if job.lease}) == 8

    async def test_6_a_claim_stores_the_started_event(self, repository: JobRepository, events: JobEvents) -> None:
        job = await self.submit(repository)
        cursor = await events.cursor()

        await self.claim(repository)

        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.STARTED)]

    async def test_6_a_claim_after_a_lease_stores_the_taken_over_event(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        job = await self.start(repository)
        await self.ticks(2.5)
        cursor = await events.cursor()

        await self.claim(repository, "token-2")

        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.TAKEN_OVER)]

    async def test_7_a_running_lease_is_respected_until_it_runs_out(self, repository: JobRepository) -> None:
        job = await self.start(repository, "token-1")
        assert await self.nothing_to_claim(repository)
        await self.ticks(1)
        assert await self.nothing_to_claim(repository)
        await self.ticks(1.5)

        taken = await self.claim(repository, "token-2")

        assert taken.id == job.id
        assert (taken.attempt, taken.crashes) == (2, 1)
        assert taken.started_at == job.started_at

    async def test_7_the_worker_whose_job_was_taken_over_has_lost_its_lease(self, repository: JobRepository) -> None:
        job = await self.start(repository, "token-1")
        await self.ticks(2.5)
        taken = await self.claim(repository, "token-2")

        with pytest.raises(LeaseLost):
            await self.finish(repository, job, "token-1")
        with pytest.raises(LeaseLost):
            await repository.beat(job.id, token="token-1", lease_s=self.tick_s)
        with pytest.raises(LeaseLost):
            await self.finish(repository, taken, "token-1")

        assert await repository.get(job.id) == taken

    @pytest.mark.parametrize(
        ("reason", "attempt"), [(LeaseReason.RETRY, 2), (LeaseReason.DRAIN, 1), (LeaseReason.THROTTLED, 1)]
    )
    async def test_7_a_parked_lease_is_respected_until_it_runs_out(
        self, repository: JobRepository, reason: LeaseReason, attempt: int
    ) -> None:
        parked = await self.park(repository, await self.start(repository), reason, ticks=2)
        assert parked.parked
        assert await self.nothing_to_claim(repository)
        with pytest.raises(LeaseLost):
            await repository.beat(parked.id, token="token-1", lease_s=self.tick_s)
        await self.ticks(1)
        assert await self.nothing_to_claim(repository)
        await self.ticks(1.5)

        taken = await self.claim(repository, "token-2")

        assert taken.id == parked.id
        assert (taken.attempt, taken.crashes) == (attempt, 0)

    async def test_7_a_lease_parked_until_now_is_claimable_at_once(self, repository: JobRepository) -> None:
        parked = await self.park(repository, await self.start(repository), LeaseReason.DRAIN, ticks=0)

        state = await repository.state("alpha")
        assert (state.claimable, state.started) == (1, 0)
        assert (await self.claim(repository, "token-2")).id == parked.id

    async def test_7_a_shortened_parking_counts(self, repository: JobRepository) -> None:
        parked = await self.park(repository, await self.start(repository), ticks=50)
        now = await repository.now()
        await repository.save(parked.parked_until(now, LeaseReason.RETRY, now=now))

        assert (await self.claim(repository, "token-2")).id == parked.id


class CertaintyPromises(RepositorySetting):
    """Promise 23."""

    async def test_23_a_new_job_was_never_called_until_a_call_of_it_is_on_record(
        self, repository: JobRepository
    ) -> None:
        claimed = await self.start(repository)
        assert await repository.never_called(claimed) is self.certain

        intended = await repository.save(claimed.intending(0, "task"), token=FIRST)

        assert not await repository.never_called(intended)

    async def test_23_it_stays_certain_while_the_job_is_parked_and_taken_over(self, repository: JobRepository) -> None:
        await self.park(repository, await self.start(repository), ticks=1)
        await self.ticks(1.5)
        again = await self.claim(repository, "token-2")
        await self.ticks(2.5)
        over = await self.claim(repository, "token-3")

        assert [await repository.never_called(job) for job in (again, over)] == [self.certain] * 2

    async def test_23_of_a_job_that_it_was_not_given_nothing_is_certain(self, repository: JobRepository) -> None:
        job = a_job(await repository.now())
        claimed = job.claimed(worker="w", token="t", now=job.created_at, lease_s=self.tick_s)

        assert not await repository.never_called(claimed)


class LeasePromises(RepositorySetting):
    """Promises 8 and 13."""

    async def test_8_a_heartbeat_extends_the_lease_and_keeps_the_version(self, repository: JobRepository) -> None:
        job = await self.start(repository)
        await self.ticks(1.5)

        beat = await repository.beat(job.id, token="token-1", lease_s=2 * self.tick_s)

        assert not beat.cancel_requested
        held = await repository.get(job.id)
        assert held.version == job.version
        assert held.lease is not None
        assert job.lease is not None
        assert (held.lease.since, held.lease.token) == (job.lease.since, "token-1")
        await self.ticks(1)
        assert await self.nothing_to_claim(repository)
        await self.ticks(1.5)
        assert (await self.claim(repository, "token-2")).id == job.id

    async def test_8_a_save_keeps_what_a_heartbeat_added_since_the_job_was_read(
        self, repository: JobRepository
    ) -> None:
        read = await self.start(repository)
        await repository.beat(read.id, token="token-1", lease_s=4 * self.tick_s)

        saved = await repository.save(read.intending(0, "task"), token="token-1")
        flagged = await repository.save(attrs.evolve(saved, lease=read.lease).cancel(now=await repository.now()))

        assert flagged.lease is not None
        assert read.lease is not None
        assert flagged.lease.until > read.lease.until + timedelta(seconds=self.tick_s)
        assert await repository.get(read.id) == flagged
        await self.ticks(2.5)
        assert await self.nothing_to_claim(repository)

    async def test_8_a_heartbeat_tells_of_a_cancel_request(self, repository: JobRepository) -> None:
        job = await self.start(repository)
        flagged = await repository.save(job.cancel(now=await repository.now()))
        assert flagged.cancel_requested
        assert flagged.status is JobStatus.STARTED

        assert (await repository.beat(job.id, token="token-1", lease_s=self.tick_s)).cancel_requested

    async def test_8_a_heartbeat_under_another_token_is_refused(self, repository: JobRepository) -> None:
        job = await self.start(repository)

        with pytest.raises(LeaseLost):
            await repository.beat(job.id, token="token-2", lease_s=self.tick_s)

        assert await repository.get(job.id) == job

    async def test_8_a_heartbeat_of_a_waiting_or_ended_job_is_refused(self, repository: JobRepository) -> None:
        done = await self.finished(repository)
        waiting = await self.submit(repository)

        for job in (done, waiting):
            with pytest.raises(LeaseLost):
                await repository.beat(job.id, token="token-1", lease_s=self.tick_s)
            assert await repository.get(job.id) == job

    async def test_8_a_lease_that_ran_out_unclaimed_may_be_extended(self, repository: JobRepository) -> None:
        job = await self.start(repository)
        await self.ticks(2.5)
        # Asking makes the repository notice that it has run out.
        assert (await repository.state("alpha")).claimable == 1

        await repository.beat(job.id, token="token-1", lease_s=2 * self.tick_s)

        assert await self.nothing_to_claim(repository)
        assert (await repository.state("alpha")).claimable == 0
        assert (await self.finish(repository, job, "token-1")).status is JobStatus.FINISHED

    async def test_13_the_clock_goes_on_and_never_back(self, repository: JobRepository) -> None:
        first = await repository.now()
        assert first.tzinfo is not None
        times = [first, *[await repository.now() for _ in range(20)]]
        assert times == sorted(times)

        await self.ticks(1)

        assert (await repository.now() - first).total_seconds() >= self.tick_s - self.slack_s


class WaitingPromises(RepositorySetting):
    """Promise 15."""

    async def test_15_an_unused_backend_is_idle(self, repository: JobRepository) -> None:
        assert await repository.state("alpha") == QueueState()

    async def test_15_state_counts_what_is_claimable_and_what_is_started(self, repository: JobRepository) -> None:
        await self.submit(repository, backend="beta")
        await self.finished(repository)
        running = await self.start(repository, "token-1")
        await self.park(repository, await self.start(repository, "token-2"), ticks=50)
        await self.submit(repository)
        await self.submit(repository)
        await repository.beat(running.id, token="token-1", lease_s=2 * self.tick_s)

        before = await repository.state("alpha")
        assert (before.claimable, before.started) == (2, 2)
        await self.ticks(2.5)

        after = await repository.state("alpha")
        assert (after.claimable, after.started) == (3, 1)

    async def test_15_state_tells_how_long_the_oldest_has_been_claimable(self, repository: JobRepository) -> None:
        await self.submit(repository)
        await self.ticks(2)
        await self.submit(repository, priority=1)

        state = await repository.state("alpha")
        assert state.oldest_claimable_s == pytest.approx(2 * self.tick_s, abs=self.slack_s)

        # The urgent one goes first, and the oldest still waits.
        await self.claim(repository, ticks=50)
        state = await repository.state("alpha")
        assert state.oldest_claimable_s == pytest.approx(2 * self.tick_s, abs=self.slack_s)
        await self.claim(repository, ticks=50)
        assert (await repository.state("alpha")).oldest_claimable_s == 0.0

    async def test_15_a_lease_that_ran_out_is_claimable_from_then_on(self, repository: JobRepository) -> None:
        await self.start(repository)
        await self.ticks(3)

        state = await repository.state("alpha")

        assert state.oldest_claimable_s == pytest.approx(self.tick_s, abs=self.slack_s)

    async def test_15_state_tells_how_long_finished_jobs_ran(self, repository: JobRepository) -> None:
        for token, ticks in (("token-1", 1.0), ("token-2", 2.0)):
            job = await self.start(repository, token)
            await self.ticks(ticks)
            await self.finish(repository, job, token)
        # What failed says nothing about how long a picture takes.
        failing = await self.start(repository, "token-3")
        now = await repository.now()
        await repository.save(failing.failed(a_failure(now), now=now), token="token-3")

        state = await repository.state("alpha")

        assert state.mean_run_s == pytest.approx(1.5 * self.tick_s, abs=self.slack_s)

    async def test_15_position_counts_the_claimable_jobs_that_come_first(self, repository: JobRepository) -> None:
        await self.submit(repository, backend="beta", priority=9)
        running = await self.start(repository)
        low = await self.submit(repository, priority=-1)
        jobs = [await self.submit(repository) for _ in range(3)]
        high = await self.submit(repository, priority=1)

        async def places() -> list[int]:
            return [await repository.position(job) for job in (high, *jobs, low)]

        assert await places() == [0, 1, 2, 3, 4]
        await repository.save(jobs[1].cancel(now=await repository.now()))
        assert [await repository.position(job) for job in (high, jobs[0], jobs[2], low)] == [0, 1, 2, 3]
        await self.ticks(2.5)
        # The running one's lease has run out: it is claimable again, and older than all but the urgent one.
        assert await repository.position(jobs[0]) == 2
        assert (await repository.get(running.id)).status is JobStatus.STARTED

    async def test_15_nothing_comes_before_a_job_that_has_ended(self, repository: JobRepository) -> None:
        done: Job = await self.finished(repository)
        await self.submit(repository, priority=1)

        assert await repository.position(done) == 0

    async def test_15_a_stale_save_changes_no_count(self, repository: JobRepository) -> None:
        job = await self.submit(repository)
        started = await self.claim(repository)

        with pytest.raises(StaleJob):
            await repository.save(job.cancel(now=await repository.now()))

        state = await repository.state("alpha")
        assert (state.claimable, state.started) == (0, 1)
        assert await repository.get(job.id) == started
