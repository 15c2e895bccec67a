"""The promise 6 of a job repository between owners: nobody's many jobs hold up another's few.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from contracts.job_setting import RepositorySetting
from imaging_core.jobs import Job, LeaseReason
from imaging_core.ports import JobRepository


class TurnPromises(RepositorySetting):
    """Promise 6, between owners."""

    async def queue(self, repository: JobRepository, names: str, **changes: object) -> list[Job]:
        """Waiting jobs, one for each letter, which names its owner."""
        return [await self.submit(repository, owner=name, **changes) for name in names]

    async def order(self, repository: JobRepository) -> str:
        """Whose jobs are claimed from now on, until there are no more."""
        owners = ""
        while job := await repository.claim_next(
            "alpha", worker="w", token=f"o{len(owners)}", lease_s=99 * self.tick_s
        ):
            owners += job.owner or "-"
        return owners

    async def test_6_one_owners_many_jobs_do_not_hold_up_anothers_single_one(self, repository: JobRepository) -> None:
        await self.queue(repository, "aaaaaaaa")
        await self.claim(repository)
        await self.claim(repository, "token-2")
        (single,) = await self.queue(repository, "b")

        assert await repository.position(single) == 1
        assert await self.order(repository) == "abaaaaa"

    async def test_6_owners_take_turns_and_each_owners_jobs_go_by_age(self, repository: JobRepository) -> None:
        jobs = await self.queue(repository, "aaaabbc")

        places = [await repository.position(job) for job in jobs]

        assert places == [0, 3, 5, 6, 1, 4, 2]
        assert await self.order(repository) == "abcabaa"

    async def test_6_jobs_added_together_take_turns_too(self, repository: JobRepository) -> None:
        jobs = await self.queue(repository, "aab", backend="beta")
        new = [self.like(job, n) for n, job in enumerate(jobs)]

        await repository.add_all(new)

        assert await self.order(repository) == "aba"

    def like(self, job: Job, number: int) -> Job:
        """Another job of the same owner, for the backend under test."""
        return Job(
            id=f"{number:032x}", backend="alpha", request=job.request, created_at=job.created_at, owner=job.owner
        )

    async def test_6_who_waited_for_nothing_has_saved_up_no_turns(self, repository: JobRepository) -> None:
        await self.queue(repository, "aaaa")
        for n in range(3):
            await self.claim(repository, f"token-{n}")

        await self.queue(repository, "bbbaa")

        assert await self.order(repository) == "abbaba"

    async def test_6_jobs_that_were_cancelled_cost_their_owner_nothing_later(self, repository: JobRepository) -> None:
        for job in await self.queue(repository, "aaaa"):
            await repository.save(job.cancel(now=await repository.now()))

        await self.queue(repository, "bbaa")

        assert await self.order(repository) == "baba"

    async def test_6_priority_goes_before_turns_and_has_turns_of_its_own(self, repository: JobRepository) -> None:
        await self.queue(repository, "aab")
        await self.queue(repository, "ccd", priority=1)
        await self.queue(repository, "ee", priority=-1)

        assert await self.order(repository) == "cdcabaee"

    async def test_6_jobs_of_nobody_are_one_owners(self, repository: JobRepository) -> None:
        await self.submit(repository)
        await self.submit(repository)
        await self.queue(repository, "a-")

        assert await self.order(repository) == "-a--"

    async def test_6_a_job_that_is_taken_over_keeps_its_turn(self, repository: JobRepository) -> None:
        await self.queue(repository, "ab")
        taken = await self.claim(repository)
        await self.queue(repository, "ab")
        await self.park(repository, taken, LeaseReason.DRAIN, ticks=0)

        assert await repository.position(await repository.get(taken.id)) == 0
        assert (await self.claim(repository, "token-2")).id == taken.id
        assert await self.order(repository) == "bab"

    async def test_6_turns_outlive_a_restart(self, repository: JobRepository) -> None:
        await self.queue(repository, "aaab")
        await self.claim(repository)

        again = await self.reopened(repository)
        await self.queue(again, "c")

        assert await self.order(again) == "baca"
