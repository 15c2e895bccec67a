"""The promise 18 of a job repository: a backend that an operator stopped begins nothing.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from contracts.job_setting import FIRST, RepositorySetting
from imaging_core.jobs import JobStatus, LeaseReason
from imaging_core.ports import JobRepository, Pause, QueueState


class PausePromises(RepositorySetting):
    """Promise 18."""

    async def test_18_a_paused_backend_begins_nothing_until_it_is_resumed(self, repository: JobRepository) -> None:
        waiting = await self.submit(repository)
        other = await self.submit(repository, backend="beta")
        before = await repository.now()

        pause = await repository.pause("alpha", reason="New drivers", by="key-1")

        assert before <= pause.since <= await repository.now()
        assert pause == Pause(since=pause.since, reason="New drivers", by="key-1")
        assert await self.nothing_to_claim(repository)
        assert (await self.claim(repository, "token-2", backend="beta")).id == other.id
        late = await self.submit(repository, priority=9)
        state = await repository.state("alpha")
        assert (state.claimable, state.paused) == (2, pause)
        assert await repository.position(waiting) == 1

        await repository.resume("alpha")

        assert (await repository.state("alpha")).paused is None
        assert [(await self.claim(repository, f"token-{n}")).id for n in (3, 4)] == [late.id, waiting.id]

    async def test_18_jobs_under_way_go_on_but_are_not_taken_over(self, repository: JobRepository) -> None:
        ends, crashes, parked = [await self.start(repository, f"token-{n}") for n in range(3)]
        await self.park(repository, parked, LeaseReason.DRAIN, ticks=0.5)
        await repository.pause("alpha")

        await repository.beat(ends.id, token="token-0", lease_s=9 * self.tick_s)
        assert (await self.finish(repository, ends, "token-0")).status is JobStatus.FINISHED
        await self.ticks(2.5)
        assert await self.nothing_to_claim(repository)
        assert (await repository.state("alpha")).claimable == 2

        await repository.resume("alpha")

        taken = {(await self.claim(repository, f"next-{n}")).id for n in range(2)}
        assert taken == {crashes.id, parked.id}

    async def test_18_paused_again_it_keeps_since_when(self, repository: JobRepository) -> None:
        first = await repository.pause("alpha", reason="New drivers", by="key-1")
        await self.ticks(1)

        again = await repository.pause("alpha", reason="Still at it")

        assert again == Pause(since=first.since, reason="Still at it", by=None)
        assert (await repository.state("alpha")).paused == again

    async def test_18_resuming_what_is_not_paused_changes_nothing(self, repository: JobRepository) -> None:
        await repository.resume("alpha")
        assert await repository.state("alpha") == QueueState()
        job = await self.submit(repository)

        await repository.resume("alpha")

        assert (await self.claim(repository, FIRST)).id == job.id

    async def test_18_another_process_finds_the_pause(self, repository: JobRepository) -> None:
        await self.submit(repository)
        pause = await repository.pause("alpha", reason='A "quoted" reason, ümlauts and\na line')

        found = await self.reopened(repository)

        assert (await found.state("alpha")).paused == pause
        assert await self.nothing_to_claim(found)
