"""The promises 21 and 22 of a job repository: a job goes to another backend whole and once, or not at all.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from datetime import timedelta

import attrs
import pytest

from contracts.job_setting import FIRST, RepositorySetting
from contracts.samples import a_request, an_event
from imaging_core.errors import LeaseLost, QueueFull, StaleJob
from imaging_core.events import EventKind
from imaging_core.jobs import CallState, Job, JobStatus, LeaseReason
from imaging_core.moves import Move
from imaging_core.ports import JobEvents, JobQuery, JobRepository, Preference, QueueLimits

ASKED = a_request(checkpoint=None, steps=None)


class MovingSetting(RepositorySetting):
    """The steps of a job's way to another backend."""

    async def left_open(self, repository: JobRepository, **changes: object) -> Job:
        """A waiting job whose caller left the backend open."""
        return await self.submit(repository, asked=ASKED, **changes)

    def elsewhere(self, job: Job, *, to: str = "beta", checkpoint: str = "core") -> Job:
        """The job on its way to another backend."""
        move = Move(left=job.backend, backend=to, reason="It is down.", at=job.created_at, credits=3.0)
        return job.moved(move, attrs.evolve(ASKED, checkpoint=checkpoint))

    async def move(self, repository: JobRepository, job: Job, **limits: int) -> Job:
        """The job, moved."""
        moved = self.elsewhere(job)
        return await repository.move(moved, events=[an_event(moved, EventKind.MOVED)], limits=QueueLimits(**limits))

    async def strand(self, repository: JobRepository, job: Job, reason: LeaseReason = LeaseReason.STRANDED) -> Job:
        """The running job, let go of after its call was turned away."""
        call = job.intending(0, f"task-{job.id}").with_call(f"task-{job.id}", CallState.REFUSED)
        return await self.park(repository, call, reason)


class MovingPromises(MovingSetting):
    """Promises 21 and 22."""

    async def test_21_a_waiting_job_waits_at_the_other_backend_alone(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        job = await self.left_open(repository, owner="alice", priority=1, max_wait_s=60.0)
        await repository.mark(job.id, favourite=True)
        cursor = await events.cursor()

        moved = await self.move(repository, job)

        assert moved == attrs.evolve(self.elsewhere(job), version=job.version + 1, favourite=True)
        assert await repository.get(job.id) == moved
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.MOVED)]
        assert await self.nothing_to_claim(repository)
        assert [(await repository.state(name)).claimable for name in ("alpha", "beta")] == [0, 1]
        again = await self.reopened(repository)
        claimed = await self.claim(again, backend="beta")
        assert (claimed.id, claimed.attempt, claimed.request) == (job.id, 1, moved.request)
        assert (claimed.moves, claimed.asked) == (moved.moves, ASKED)

    async def test_21_a_started_one_stays_started_and_may_be_claimed_there_at_once(
        self, repository: JobRepository
    ) -> None:
        await self.left_open(repository)
        stranded = await self.strand(repository, await self.claim(repository))

        moved = await self.move(repository, stranded)

        assert moved.status is JobStatus.STARTED
        await self.ticks(2.5)
        assert await self.nothing_to_claim(repository)
        taken = await self.claim(repository, "token-2", backend="beta")
        assert (taken.id, taken.attempt, taken.crashes, taken.calls) == (moved.id, 1, 0, stranded.calls)
        assert (await self.finish(repository, taken, "token-2")).status is JobStatus.FINISHED

    async def test_21_of_a_move_and_a_claim_one_wins(self, repository: JobRepository) -> None:
        waits, parked = await self.left_open(repository), await self.left_open(repository)
        claimed = await self.claim(repository)
        with pytest.raises(StaleJob):
            await self.move(repository, waits)
        assert claimed.id == waits.id
        stranded = await self.strand(repository, await self.claim(repository, "token-2"))
        await self.ticks(2.5)
        taken = [await self.claim(repository, f"token-{n}") for n in (3, 4)]

        with pytest.raises(StaleJob):
            await self.move(repository, stranded)

        assert {job.id for job in taken} == {waits.id, parked.id}
        assert await self.nothing_to_claim(repository, "beta")

    async def test_21_what_was_moved_is_nobody_elses_any_more(self, repository: JobRepository) -> None:
        await self.left_open(repository)
        started = await self.claim(repository)
        moved = await self.move(repository, await self.strand(repository, started))

        for stale in (
            started,
            self.elsewhere(started.parked_until(started.created_at, LeaseReason.STRANDED, now=started.created_at)),
        ):
            with pytest.raises(StaleJob):
                await (repository.save(stale) if stale is started else repository.move(stale))
        with pytest.raises(LeaseLost):
            await repository.save(started.intending(0, "task"), token=FIRST)
        with pytest.raises(LeaseLost):
            await repository.beat(moved.id, token=FIRST, lease_s=9 * self.tick_s)
        assert await repository.get(moved.id) == moved

    async def test_21_of_two_who_move_it_at_once_one_does(self, repository: JobRepository, events: JobEvents) -> None:
        job = await self.left_open(repository)
        cursor = await events.cursor()

        got = await asyncio.gather(*(self.move(repository, job) for _ in range(5)), return_exceptions=True)

        assert sum(isinstance(answer, StaleJob) for answer in got) == 4
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.MOVED)]
        assert (await repository.state("beta")).claimable == 1

    async def test_21_an_ended_one_stays(self, repository: JobRepository) -> None:
        job = await self.left_open(repository)
        await repository.save(job.cancel(now=await repository.now()))

        with pytest.raises(StaleJob):
            await self.move(repository, job)

    async def test_21_a_full_queue_refuses_it_and_changes_nothing(
        self, repository: JobRepository, events: JobEvents
    ) -> None:
        await self.submit(repository, backend="beta", owner="alice")
        job = await self.left_open(repository, owner="alice")
        cursor = await events.cursor()

        for limits, mine in ({"max_queued": 1}, False), ({"max_queued_per_owner": 1}, True):
            with pytest.raises(QueueFull) as refused:
                await self.move(repository, job, **limits)
            assert refused.value.mine is mine

        assert await repository.get(job.id) == job
        assert await self.events_since(repository, events, cursor) == []
        assert (await self.move(repository, job, max_queued=2)).backend == "beta"
        with pytest.raises(QueueFull):
            await repository.add(attrs.evolve(job, id="a" * 32, backend="beta"), limits=QueueLimits(max_queued=2))

    async def test_21_a_place_that_was_left_is_free(self, repository: JobRepository) -> None:
        job = await self.left_open(repository, owner="alice")
        await self.move(repository, job)

        again = attrs.evolve(job, id="a" * 32)

        assert (await repository.add(again, limits=QueueLimits(max_queued=1, max_queued_per_owner=1))).id == again.id

    async def test_21_a_started_one_takes_no_place(self, repository: JobRepository) -> None:
        await self.submit(repository, backend="beta")
        await self.left_open(repository)
        stranded = await self.strand(repository, await self.claim(repository))

        assert (await self.move(repository, stranded, max_queued=1)).backend == "beta"

    async def test_21_it_takes_its_turn_there_and_goes_by_the_age_of_its_submit(
        self, repository: JobRepository
    ) -> None:
        olds = [await self.left_open(repository, owner="alice") for _ in range(3)]
        for owner in ("bob", "bob", "carol"):
            await self.submit(repository, backend="beta", owner=owner)
        for job in olds:
            await self.move(repository, job)

        claimed = [await self.claim(repository, f"token-{n}", backend="beta") for n in range(6)]

        assert [job.owner for job in claimed] == ["alice", "bob", "carol", "alice", "bob", "alice"]
        assert [job.id for job in claimed if job.owner == "alice"] == [job.id for job in olds]

    async def test_21_it_has_waited_since_its_submit(self, repository: JobRepository) -> None:
        job = await self.left_open(repository)
        await self.ticks(1)
        await self.submit(repository, backend="beta")
        await self.move(repository, job)

        state = await repository.state("beta")

        assert state.claimable == 2
        assert state.oldest_claimable_s >= 0.9 * self.tick_s

    async def test_21_its_deadline_stays(self, repository: JobRepository) -> None:
        job = await self.left_open(repository, max_wait_s=self.tick_s)
        await self.move(repository, job)

        await self.ticks(1.5)

        assert [late.id for late in await repository.overdue()] == [job.id]

    async def test_21_it_is_found_by_its_new_backend_and_checkpoint_and_not_by_the_old(
        self, repository: JobRepository
    ) -> None:
        job = await self.left_open(repository, owner="alice")
        await repository.mark(job.id, favourite=True)
        # Enough that an index of searches has entered it, where that is done in the background.
        for _ in range(70):
            await self.submit(repository, backend="gamma")
        await repository.overdue()
        await repository.catch_up()
        await self.move(repository, await repository.get(job.id))

        async def found(**query: object) -> list[str]:
            asked = attrs.evolve(JobQuery(limit=200), **query)  # type: ignore[arg-type]
            return [each.id for each in (await repository.list(asked)).jobs if each.owner == "alice"]

        for more in (
            {},
            {"owner": "alice"},
            {"text": "lighthouse"},
            {"favourite": True},
            {"owner": "alice", "text": "lig"},
        ):
            assert await found(backend="beta", **more) == [job.id]
            assert await found(backend="alpha", **more) == []
        assert await found(checkpoint="core", text="lighthouse") == [job.id]
        assert await found(checkpoint="tiny") == []
        with pytest.raises(QueueFull):
            await repository.add(attrs.evolve(job, id="b" * 32, backend="beta"), limits=QueueLimits(max_queued=1))

    async def test_21_it_is_claimed_by_its_new_checkpoint(self, repository: JobRepository) -> None:
        await self.move(repository, await self.left_open(repository))

        async def claim(only: str) -> Job | None:
            suits = Preference(only=frozenset({only}))
            return await repository.claim_next("beta", worker="w", token="t", lease_s=self.tick_s, preference=suits)

        assert await claim("tiny") is None
        assert await claim("core") is not None

    async def test_22_those_that_may_be_moved_are_given_the_stranded_ones_first(
        self, repository: JobRepository
    ) -> None:
        await self.submit(repository)
        await self.claim(repository, "token-0", ticks=99)
        taken = [await self.left_open(repository, priority=9 - n) for n in range(4)]
        running = [await self.claim(repository, f"token-{n}", ticks=99) for n in range(4)]
        assert [job.id for job in running] == [job.id for job in taken]
        low, high = await self.left_open(repository), await self.left_open(repository, priority=1)
        await self.left_open(repository, backend="beta")
        await self.submit(repository)
        stranded = await self.strand(repository, running[1])
        throttled = await self.strand(repository, running[2], LeaseReason.THROTTLED)
        paid = running[3].intending(0, "task").with_call("task", CallState.IN_DOUBT)
        await self.park(repository, paid, LeaseReason.STRANDED)

        movable = await repository.movable("alpha")

        assert [job.id for job in movable] == [stranded.id, throttled.id, high.id, low.id]
        assert movable[0] == stranded
        pages = [await repository.movable("alpha", skip=n, limit=2) for n in (0, 1, 3, 4)]
        ids = [job.id for job in movable]
        assert [[job.id for job in page] for page in pages] == [ids[:2], ids[1:3], ids[3:], []]

    async def test_22_whoever_is_claimed_moved_or_ended_may_be_moved_no_more(self, repository: JobRepository) -> None:
        jobs = [await self.left_open(repository) for _ in range(4)]
        await self.move(repository, jobs[1])
        await repository.save(jobs[2].cancel(now=await repository.now()))
        claimed = await self.claim(repository)

        assert claimed.id == jobs[0].id
        assert [job.id for job in await repository.movable("alpha")] == [jobs[3].id]
        # It may be, but there is nowhere left for it to go: that is for whoever moves to see.
        assert [job.id for job in await repository.movable("beta")] == [jobs[1].id]

    async def test_22_a_stranded_one_is_claimed_again_in_the_end(self, repository: JobRepository) -> None:
        await self.left_open(repository)
        stranded = await self.strand(repository, await self.claim(repository))
        assert await self.nothing_to_claim(repository)
        await self.ticks(2.5)

        assert [job.id for job in await repository.movable("alpha")] == [stranded.id]
        again = await self.claim(repository, "token-2")

        assert (again.id, again.attempt, again.crashes) == (stranded.id, 1, 0)
        assert not await repository.movable("alpha")
        assert again.lease is not None
        assert again.lease.until - again.lease.since <= timedelta(seconds=2.5 * self.tick_s)

    async def test_22_a_heartbeat_changes_nothing_about_it(self, repository: JobRepository) -> None:
        await self.left_open(repository)
        stranded = await self.strand(repository, await self.claim(repository))
        assert stranded.lease is not None

        await repository.beat(stranded.id, token=stranded.lease.token, lease_s=9 * self.tick_s)

        assert [job.id for job in await repository.movable("alpha")] == [stranded.id]
