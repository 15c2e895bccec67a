"""What promises 3 and 21 of a job repository say of credits: they are set aside in the step that adds or moves the job, or not at all.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from datetime import date, timedelta

import attrs
import pytest

from contracts.job_moving import ASKED, MovingSetting
from contracts.samples import a_job, an_event
from imaging_core.errors import JobConflict, JobNotFound, QueueFull, StaleJob
from imaging_core.events import EventKind
from imaging_core.jobs import Job
from imaging_core.key_ports import CreditClaim, CreditsRefused, Reservation, SpendBook
from imaging_core.ports import Idempotency, JobEvents, JobRepository, QueueLimits

TODAY = date(2026, 5, 1)
TOMORROW = TODAY + timedelta(days=1)


def a_claim(
    job: Job, wanted: float, *, day: date = TODAY, mine: float | None = None, total: float | None = None
) -> CreditClaim:
    """Credits that a job claims."""
    one = Reservation(job_id=job.id, owner=job.owner, day=day, credits=wanted)
    return CreditClaim(reservation=one, owner_limit=mine, total_limit=total)


class PayingPromises(MovingSetting):
    """Those of promises 3 and 21."""

    async def test_3_what_new_jobs_claim_is_set_aside_with_them(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        dear, cheap, free = [a_job(owner="alice") for _ in range(3)]
        claims = [a_claim(dear, 2.5, mine=4.0, total=4.0), a_claim(cheap, 1.5, mine=4.0, total=4.0), a_claim(free, 0.0)]

        await repository.add_all([dear, cheap, free], events=[an_event(dear)], claims=claims)

        assert [await book.spent(TODAY, owner=owner) for owner in ("alice", "bob", None)] == [4.0, 0.0, 4.0]
        assert {one.job_id: one.credits for one in await book.open(older_s=0)} == {dear.id: 2.5, cheap.id: 1.5}

    async def test_3_beyond_a_limit_all_together_nothing_is_stored(
        self, repository: JobRepository, book: SpendBook, events: JobEvents
    ) -> None:
        first, second = a_job(owner="alice"), a_job(owner="alice")
        cursor = await events.cursor()

        for mine, total, whose in (3.9, None, "owner"), (4.0, 3.9, "total"):
            with pytest.raises(CreditsRefused) as refused:
                await repository.add_all(
                    [first, second],
                    events=[an_event(first), an_event(second)],
                    idempotency=Idempotency(key="k", fingerprint="f"),
                    claims=[a_claim(job, 2.0, mine=mine, total=total) for job in (first, second)],
                )
            assert refused.value.whose == whose

        for job in (first, second):
            with pytest.raises(JobNotFound):
                await repository.get(job.id)
        assert await repository.known(Idempotency(key="k", fingerprint="f")) == ()
        assert await self.events_since(repository, events, cursor) == []
        assert await book.spent(TODAY) == 0.0
        assert (await repository.state("alpha")).claimable == 0

    async def test_3_refused_for_another_reason_or_known_a_submit_sets_nothing_aside(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        first, more = a_job(owner="alice"), [a_job(owner="alice") for _ in range(2)]
        key = Idempotency(key="k", fingerprint="f")
        await repository.add_all([first], idempotency=key, claims=[a_claim(first, 2.0, total=2.0)])

        with pytest.raises(QueueFull):
            await repository.add_all(more, limits=QueueLimits(max_queued=2), claims=[a_claim(job, 1.0) for job in more])
        with pytest.raises(JobConflict):
            await repository.add_all([more[0], first], claims=[a_claim(more[0], 1.0), a_claim(first, 1.0)])
        known = await repository.add_all([more[0]], idempotency=key, claims=[a_claim(more[0], 1.0, total=2.0)])

        assert [job.id for job in known] == [first.id]
        assert await book.spent(TODAY) == 2.0
        assert [one.job_id for one in await book.open(older_s=0)] == [first.id]

    async def waiting(self, repository: JobRepository, aside: float = 0.0) -> Job:
        """A job that may be moved, with credits set aside for it."""
        job = a_job(await repository.now(), asked=ASKED, owner="alice")
        (stored,) = await repository.add_all([job], claims=[a_claim(job, aside)])
        return stored

    async def pay(self, repository: JobRepository, job: Job, claim: CreditClaim, **limits: int) -> Job:
        """The job, moved with that claim."""
        moved = self.elsewhere(job)
        told = [an_event(moved, EventKind.MOVED)]
        return await repository.move(moved, events=told, limits=QueueLimits(**limits), claim=claim)

    async def test_21_what_is_claimed_takes_the_place_of_what_was_set_aside(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        free, dear, cheap = [await self.waiting(repository, aside) for aside in (0.0, 2.0, 9.0)]

        await self.pay(repository, free, a_claim(free, 3.0))
        await self.pay(repository, dear, a_claim(dear, 5.5))
        await self.pay(repository, cheap, a_claim(cheap, 0.0))

        assert [await book.spent(TODAY, owner=owner) for owner in ("alice", "bob", None)] == [8.5, 0.0, 8.5]
        found = {one.job_id: one.credits for one in await book.open(older_s=0)}
        assert found == {free.id: 3.0, dear.id: 5.5, cheap.id: 0.0}
        await book.settle(dear.id, credits=5.0)
        assert await book.spent(TODAY) == 8.0

    async def test_21_what_costs_nothing_and_never_did_is_not_in_the_book(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        job = await self.waiting(repository)

        await self.pay(repository, job, a_claim(job, 0.0, mine=0.0, total=0.0))

        assert list(await book.open(older_s=0)) == []

    async def test_21_its_own_share_of_the_day_does_not_stand_in_its_way(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        jobs = [await self.waiting(repository, 3.0) for _ in range(3)]

        # 9 of 10 are set aside: one more credit is there, and for the last less is taken.
        await self.pay(repository, jobs[0], a_claim(jobs[0], 4.0, mine=10.0, total=10.0))
        with pytest.raises(CreditsRefused):
            await self.pay(repository, jobs[1], a_claim(jobs[1], 3.1, mine=10.0))
        await self.pay(repository, jobs[2], a_claim(jobs[2], 2.5, mine=1.0, total=1.0))

        assert await book.spent(TODAY) == 9.5

    async def test_21_on_another_day_the_whole_of_it_counts_there(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        job = await self.waiting(repository, 5.0)

        with pytest.raises(CreditsRefused):
            await self.pay(repository, job, a_claim(job, 5.0, day=TOMORROW, total=4.9))
        await self.pay(repository, job, a_claim(job, 5.0, day=TOMORROW, total=5.0))

        assert [await book.spent(day) for day in (TODAY, TOMORROW)] == [0.0, 5.0]

    async def test_21_beyond_a_limit_neither_the_job_nor_the_book_changes(
        self, repository: JobRepository, book: SpendBook, events: JobEvents
    ) -> None:
        job = await self.waiting(repository, 2.0)
        cursor = await events.cursor()

        for mine, total, whose in (2.9, None, "owner"), (3.0, 2.9, "total"):
            with pytest.raises(CreditsRefused) as refused:
                await self.pay(repository, job, a_claim(job, 3.0, mine=mine, total=total))
            assert refused.value.whose == whose

        assert await repository.get(job.id) == job
        assert await self.events_since(repository, events, cursor) == []
        assert await book.spent(TODAY, owner="alice") == 2.0
        assert (await self.pay(repository, job, a_claim(job, 3.0, mine=3.0, total=3.0))).backend == "beta"

    async def test_21_refused_for_another_reason_the_book_does_not_change(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        await self.submit(repository, backend="beta")
        full, gone = await self.waiting(repository), await self.waiting(repository, 2.0)
        await repository.save(gone.cancel(now=await repository.now()))

        with pytest.raises(QueueFull):
            await self.pay(repository, full, a_claim(full, 3.0), max_queued=1)
        with pytest.raises(StaleJob):
            await self.pay(repository, gone, a_claim(gone, 3.0))
        with pytest.raises(StaleJob):
            await self.pay(repository, attrs.evolve(full, version=full.version + 1), a_claim(full, 3.0))

        assert await book.spent(TODAY) == 2.0
        assert [one.job_id for one in await book.open(older_s=0)] == [gone.id]

    async def test_21_what_was_settled_too_early_is_set_aside_anew(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        job = await self.waiting(repository, 3.0)
        # As an older version does with an open job that it cannot read.
        await book.settle(job.id, credits=3.0)

        with pytest.raises(CreditsRefused):
            await self.pay(repository, job, a_claim(job, 40.0, total=10.0))
        await self.pay(repository, job, a_claim(job, 7.0, total=7.0))
        assert [one.credits for one in await book.open(older_s=0)] == [7.0]
        await book.settle(job.id, credits=0.0)

        assert await book.spent(TODAY) == 0.0

    async def test_21_of_moves_at_once_no_more_succeed_than_the_day_allows(
        self, repository: JobRepository, book: SpendBook
    ) -> None:
        jobs = [await self.waiting(repository) for _ in range(6)]

        moves = [self.pay(repository, job, a_claim(job, 3.0, total=12.0)) for job in [*jobs, jobs[0]]]
        got = await asyncio.gather(*moves, return_exceptions=True)

        assert sum(isinstance(answer, Job) for answer in got) == 4
        assert await book.spent(TODAY) == 12.0
        assert (await repository.state("beta")).claimable == 4
