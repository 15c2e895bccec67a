"""The promises 10, 11 and 16 of a job repository: listings that lose nothing, what should have ended, and what may go.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from collections.abc import Sequence

import attrs
import pytest

from contracts.job_setting import RepositorySetting
from contracts.samples import a_failure
from imaging_core.errors import InvalidRequest
from imaging_core.jobs import OVERDUE_GRACE, Job, JobStatus, LeaseReason
from imaging_core.ports import JobQuery, JobRepository


class ListingPromises(RepositorySetting):
    """Promise 10."""

    async def pages(self, repository: JobRepository, query: JobQuery) -> list[list[Job]]:
        """Every page of a listing."""
        found = [await repository.list(query)]
        while (cursor := found[-1].cursor) is not None:
            assert len(found) < 100, "a listing must come to its end"
            found.append(await repository.list(attrs.evolve(query, cursor=cursor)))
        return [list(page.jobs) for page in found]

    async def ids(self, repository: JobRepository, query: JobQuery) -> list[str]:
        """The ids of a whole listing."""
        return [job.id for page in await self.pages(repository, query) for job in page]

    async def test_10_an_empty_repository_has_one_empty_page(self, repository: JobRepository) -> None:
        page = await repository.list(JobQuery())

        assert (page.jobs, page.cursor) == ((), None)

    async def test_10_the_newest_job_comes_first(self, repository: JobRepository) -> None:
        submitted = []
        for priority in (0, 5, -5, 0):
            submitted.append(await self.submit(repository, priority=priority))
            await self.ticks(0.1)

        assert list((await repository.list(JobQuery())).jobs) == submitted[::-1]

    async def test_10_pages_join_without_a_gap_or_an_overlap(self, repository: JobRepository) -> None:
        submitted = [(await self.submit(repository)).id for _ in range(6)]

        pages = await self.pages(repository, JobQuery(limit=2))

        assert [len(page) for page in pages] == [2, 2, 2]
        assert [job.id for page in pages for job in page] == submitted[::-1]
        assert [len(page) for page in await self.pages(repository, JobQuery(limit=4))] == [4, 2]

    async def test_10_jobs_that_stay_are_neither_skipped_nor_repeated_while_others_come_and_go(
        self, repository: JobRepository
    ) -> None:
        gone = [await self.finished(repository) for _ in range(2)]
        stay = [(await self.submit(repository)).id for _ in range(3)]
        last = await self.finished(repository, backend="beta")
        first = await repository.list(JobQuery(limit=2))

        await self.submit(repository)
        for job in (*gone, last):
            await repository.delete(job)
        rest = await self.ids(repository, JobQuery(limit=2, cursor=first.cursor))

        assert [job.id for job in first.jobs] == [last.id, stay[2]]
        assert rest == [stay[1], stay[0]]

    async def test_10_filters_by_status_backend_and_owner(self, repository: JobRepository) -> None:
        done = await self.finished(repository, owner="alice")
        failing = await self.start(repository, owner="bob")
        now = await repository.now()
        failed = await repository.save(failing.failed(a_failure(now), now=now), token="token-1")
        other = await self.start(repository, backend="beta", owner="alice")
        waiting = await self.submit(repository, owner="alice")
        nobodys = await self.submit(repository)

        async def found(**query: object) -> list[str]:
            return await self.ids(repository, attrs.evolve(JobQuery(limit=1), **query))  # type: ignore[arg-type]

        assert await found() == [nobodys.id, waiting.id, other.id, failed.id, done.id]
        assert await found(statuses=frozenset({JobStatus.FINISHED, JobStatus.FAILED})) == [failed.id, done.id]
        assert await found(statuses=frozenset()) == []
        assert await found(backend="beta") == [other.id]
        assert await found(owner="alice") == [waiting.id, other.id, done.id]
        assert await found(owner="alice", backend="alpha", statuses=frozenset({JobStatus.QUEUED})) == [waiting.id]
        assert await found(owner="mallory") == []

    async def test_10_a_filter_follows_the_status(self, repository: JobRepository) -> None:
        job = await self.submit(repository)
        queued, started = (JobQuery(statuses=frozenset({s})) for s in (JobStatus.QUEUED, JobStatus.STARTED))
        assert await self.ids(repository, queued) == [job.id]

        await self.claim(repository)

        assert await self.ids(repository, queued) == []
        assert await self.ids(repository, started) == [job.id]

    @pytest.mark.parametrize("cursor", ["", "nonsense", "-1", "1; DROP TABLE jobs", "9" * 40, "é\x00"])
    async def test_10_a_cursor_that_was_never_given_is_an_invalid_request(
        self, repository: JobRepository, cursor: str
    ) -> None:
        await self.submit(repository)

        with pytest.raises(InvalidRequest) as refused:
            await repository.list(JobQuery(cursor=cursor))

        assert [problem.field for problem in refused.value.problems] == ["cursor"]


class OverduePromises(RepositorySetting):
    """Promise 11."""

    async def overdue(self, repository: JobRepository) -> Sequence[str]:
        """Ids of what is overdue now."""
        return [job.id for job in await repository.overdue()]

    async def test_11_a_waiting_job_is_overdue_after_its_deadline(self, repository: JobRepository) -> None:
        job = await self.submit(repository, max_wait_s=2 * self.tick_s)
        await self.submit(repository)
        assert await self.overdue(repository) == []
        await self.ticks(1)
        assert await self.overdue(repository) == []
        await self.ticks(1.5)

        assert list(await repository.overdue()) == [job]

    async def test_11_a_running_attempt_is_overdue_after_its_time_out(self, repository: JobRepository) -> None:
        # The sweep leaves a grace after the time-out; a time-out that much shorter keeps this quick on a real clock.
        run_timeout_s = 2 * self.tick_s - OVERDUE_GRACE.total_seconds()
        job = await self.start(repository, run_timeout_s=run_timeout_s)
        await repository.beat(job.id, token="token-1", lease_s=20 * self.tick_s)
        await self.ticks(1)
        assert await self.overdue(repository) == []
        await self.ticks(1.5)

        assert await self.overdue(repository) == [job.id]

    async def test_11_a_parked_attempt_has_no_time_out(self, repository: JobRepository) -> None:
        run_timeout_s = self.tick_s - OVERDUE_GRACE.total_seconds()
        job = await self.start(repository, run_timeout_s=run_timeout_s)
        await self.park(repository, job, LeaseReason.THROTTLED, ticks=50)
        await self.ticks(1.5)

        assert await self.overdue(repository) == []

    async def test_11_a_job_that_ended_is_not_overdue(self, repository: JobRepository) -> None:
        done = await self.finished(repository, max_wait_s=self.tick_s)
        waiting = await self.submit(repository, max_wait_s=self.tick_s)
        await self.ticks(1.5)
        assert await self.overdue(repository) == [waiting.id]

        await repository.save(waiting.cancel(now=await repository.now()))

        assert await self.overdue(repository) == []
        assert (await repository.get(done.id)).status is JobStatus.FINISHED

    async def test_11_what_was_due_first_comes_first_and_only_as_many_as_asked(self, repository: JobRepository) -> None:
        waits = [1.0, 0.25, 0.75, 0.5]
        jobs = {wait: await self.submit(repository, max_wait_s=wait * self.tick_s) for wait in waits}
        await self.ticks(2)

        assert [job.id for job in await repository.overdue(limit=3)] == [jobs[w].id for w in (0.25, 0.5, 0.75)]
        assert len(await repository.overdue()) == 4


class ExpiryPromises(RepositorySetting):
    """Promise 16."""

    @property
    def tick_days(self) -> float:
        """One tick in days."""
        return self.tick_s / 86_400

    async def expired(self, repository: JobRepository, **asked: float) -> Sequence[str]:
        """Ids of what is to be deleted now."""
        return [job.id for job in await repository.expired(**asked)]  # type: ignore[arg-type]

    async def test_16_without_a_number_of_days_nothing_expires(self, repository: JobRepository) -> None:
        await self.finished(repository)
        await self.ticks(3)

        assert await self.expired(repository) == []

    async def test_16_an_ended_job_expires_after_its_own_days(self, repository: JobRepository) -> None:
        job = await self.finished(repository, keep_days=2 * self.tick_days)
        await self.ticks(1)
        assert await self.expired(repository) == []
        await self.ticks(1.5)

        assert list(await repository.expired()) == [job]
        # Its own days count, whatever others are given.
        assert await self.expired(repository, keep_days=500 * self.tick_days) == [job.id]

    async def test_16_others_expire_after_the_days_that_are_given(self, repository: JobRepository) -> None:
        job = await self.finished(repository)
        kept = await self.finished(repository, keep_days=500 * self.tick_days)
        await self.ticks(1.5)

        assert await self.expired(repository, keep_days=100 * self.tick_days) == []
        assert await self.expired(repository, keep_days=self.tick_days) == [job.id]
        assert (await repository.get(kept.id)).keep_days == kept.keep_days

    async def test_16_an_open_job_never_expires(self, repository: JobRepository) -> None:
        await self.start(repository, keep_days=0.0)
        await self.submit(repository, keep_days=0.0)
        await self.ticks(1)

        assert await self.expired(repository, keep_days=0.0) == []

    async def test_16_the_longest_expired_come_first_and_no_more_than_asked(self, repository: JobRepository) -> None:
        jobs = []
        for own in (True, False, True):
            jobs.append(await self.finished(repository, keep_days=0.0 if own else None))
            await self.ticks(0.2)

        assert await self.expired(repository, keep_days=0.0, limit=2) == [jobs[0].id, jobs[1].id]

    async def test_16_a_deleted_job_is_not_expired_any_more(self, repository: JobRepository) -> None:
        for job in (await self.finished(repository, keep_days=0.0), await self.finished(repository)):
            await repository.delete(job)
        await self.ticks(0.2)

        assert await self.expired(repository, keep_days=0.0) == []
