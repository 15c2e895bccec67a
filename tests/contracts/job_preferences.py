"""The promise 19 of a job repository: who claims may prefer, but not for ever.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from contracts.job_setting import RepositorySetting
from contracts.samples import a_request
from imaging_core.jobs import Job, LeaseReason
from imaging_core.ports import JobRepository, Preference

A = Preference(loaded="A", passes=2)


class PreferencePromises(RepositorySetting):
    """Promise 19."""

    #: Claims so far, so that each has a token of its own.
    claims = 0

    async def wanting(self, repository: JobRepository, checkpoints: str, **changes: object) -> list[Job]:
        """Waiting jobs, one for each letter, which names its checkpoint; - for none."""
        requests = [a_request(checkpoint=None if name == "-" else name) for name in checkpoints]
        return [await self.submit(repository, request=request, **changes) for request in requests]

    async def served(self, repository: JobRepository, preference: Preference, most: int = 99) -> str:
        """The checkpoints of the jobs that are claimed with that preference from now on."""
        found = ""
        while len(found) < most:
            self.claims += 1
            job = await repository.claim_next(
                "alpha", worker="w", token=f"p{self.claims}", lease_s=99 * self.tick_s, preference=preference
            )
            if job is None:
                break
            found += job.request.checkpoint or "-"
        return found

    async def test_19_jobs_for_the_loaded_checkpoint_come_first(self, repository: JobRepository) -> None:
        await self.wanting(repository, "BABA")

        assert await self.served(repository, A) == "AABB"

    async def test_19_the_first_in_line_is_passed_over_so_often_and_no_more(self, repository: JobRepository) -> None:
        await self.wanting(repository, "BBAAAAAA")

        assert await self.served(repository, A) == "AABAABAA"

    async def test_19_it_is_the_same_count_whoever_passes_over(self, repository: JobRepository) -> None:
        await self.wanting(repository, "CAABB")

        assert await self.served(repository, A, 1) == "A"
        assert await self.served(repository, Preference(loaded="B", passes=2), 2) == "BC"

    async def test_19_a_job_that_names_no_checkpoint_is_passed_over_by_none(self, repository: JobRepository) -> None:
        await self.wanting(repository, "-A")

        assert await self.served(repository, A) == "-A"

    async def test_19_priority_goes_before_the_loaded_checkpoint(self, repository: JobRepository) -> None:
        await self.wanting(repository, "AA")
        await self.wanting(repository, "B", priority=1)

        assert await self.served(repository, A) == "BAA"

    async def test_19_what_does_not_suit_is_left_and_holds_up_nobody(self, repository: JobRepository) -> None:
        await self.wanting(repository, "BBB-ACA")

        assert await self.served(repository, Preference(only=frozenset("A"))) == "-AA"
        assert await self.served(repository, Preference(never=frozenset("BD"))) == "C"
        assert await self.nothing_left(repository, Preference(only=frozenset("A")))
        assert await self.served(repository, Preference()) == "BBB"

    async def test_19_a_loaded_checkpoint_that_does_not_suit_goes_before_nobody(
        self, repository: JobRepository
    ) -> None:
        await self.wanting(repository, "ABAC")

        assert await self.served(repository, Preference(loaded="A", never=frozenset("A"))) == "BC"
        assert await self.served(repository, Preference(loaded="A", only=frozenset("B"))) == ""
        assert await self.served(repository, A) == "AA"

    async def nothing_left(self, repository: JobRepository, preference: Preference) -> bool:
        """Whether nothing suits."""
        return await self.served(repository, preference) == ""

    async def test_19_a_job_that_was_given_back_suits_as_before(self, repository: JobRepository) -> None:
        (cold,) = await self.wanting(repository, "B")
        taken = await self.claim(repository)
        await self.wanting(repository, "BAAA")
        await self.park(repository, taken, LeaseReason.DRAIN, ticks=0)

        assert await self.nothing_left(repository, Preference(never=frozenset("AB")))
        assert await self.served(repository, A, 3) == "AAB"
        assert (await repository.get(cold.id)).lease != taken.lease
        assert await self.served(repository, A) == "AB"

    async def test_19_a_job_that_is_given_back_for_the_loaded_checkpoint_goes_first(
        self, repository: JobRepository
    ) -> None:
        await self.wanting(repository, "A")
        taken = await self.claim(repository)
        await self.wanting(repository, "BA")
        await self.submit(repository, request=taken.request, priority=-1)
        await self.park(repository, taken, LeaseReason.DRAIN, ticks=0)

        assert await self.served(repository, A) == "AABA"

    async def test_19_jumping_the_line_costs_a_newcomer_no_turn(self, repository: JobRepository) -> None:
        await self.wanting(repository, "BBBBA", owner="a")
        assert await self.served(repository, A, 1) == "A"

        await self.wanting(repository, "C", owner="b")

        assert await self.served(repository, Preference()) == "BCBBB"

    async def test_19_passes_outlive_a_restart(self, repository: JobRepository) -> None:
        await self.wanting(repository, "BAAA")
        assert await self.served(repository, A, 1) == "A"

        again = await self.reopened(repository)

        assert await self.served(again, A) == "ABA"

    async def test_19_passes_count_for_a_jobs_life_also_when_it_was_parked_or_taken_over(
        self, repository: JobRepository
    ) -> None:
        await self.wanting(repository, "BAAAA")
        assert await self.served(repository, A, 1) == "A"
        taken = await self.claim(repository)
        assert taken.request.checkpoint == "B"
        await self.park(repository, taken, LeaseReason.DRAIN, ticks=0)

        assert await self.served(repository, A, 1) == "A"
        taken = await self.claim(repository, "token-2", ticks=1)
        await self.ticks(1.5)

        assert await self.served(repository, A, 1) == "B", "it was passed over twice, though claimed twice since"
