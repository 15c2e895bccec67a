"""Jobs that ended before a version knew for how long jobs are kept expire like all others."""

from collections.abc import Iterable

import pytest

from adapters.redis import RedisLink, ageing
from adapters.redis.ageing import age_older
from imaging_core.jobs import Job, JobStatus
from imaging_core.ports import JobQuery, JobRepository
from redis_setting import OnRedis


class TestJobsOfAnOlderVersion(OnRedis):
    """They are in the lists, and nowhere that says when they ended."""

    async def as_of_old(self, link: RedisLink, jobs: Iterable[Job]) -> None:
        """Leave these as an older version did."""
        for job in jobs:
            await link.command("HDEL", link.key("job", job.id), "ended", "expires")
            for place in ("ended", "expires"):
                await link.command("ZREM", link.key(place), job.id)
        await link.command("DEL", link.key("aged"))

    async def entered(self, link: RedisLink) -> set[str]:
        """Ids of the jobs that will expire."""
        return {
            id_.decode()
            for place in ("ended", "expires")
            for id_ in await link.command("ZRANGE", link.key(place), 0, -1)
        }

    async def test_they_expire(self, repository: JobRepository, link: RedisLink) -> None:
        plain = await self.finished(repository)
        own = await self.finished(repository, keep_days=0.0)
        cancelled = await repository.save((await self.submit(repository)).cancelled(now=await repository.now()))
        await self.as_of_old(link, [plain, own, cancelled])

        assert [job.id for job in await repository.expired()] == [own.id]
        found = await repository.expired(keep_days=0.0)
        assert {job.id for job in found} == {plain.id, own.id, cancelled.id}

    async def test_one_that_was_deleted_is_not_entered_again(self, repository: JobRepository, link: RedisLink) -> None:
        job = await self.finished(repository)
        await self.as_of_old(link, [job])
        await repository.delete(job)

        assert await repository.expired(keep_days=0.0) == []
        assert await self.entered(link) == set()

    async def test_one_that_an_older_process_ends_later_is_not_passed_by(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        before = await self.finished(repository)
        still_open = await self.submit(repository)
        after = await self.submit(repository)
        after = await repository.save(after.cancelled(now=await repository.now()))
        await self.as_of_old(link, [before, after])

        await age_older(link)
        assert await self.entered(link) == {before.id}
        ended = await repository.save(still_open.cancelled(now=await repository.now()))
        await link.command("HDEL", link.key("job", ended.id), "ended")
        await link.command("ZREM", link.key("ended"), ended.id)

        await age_older(link)
        assert await self.entered(link) == {before.id, ended.id, after.id}

    async def test_however_many_there_are_one_look_is_short(
        self, repository: JobRepository, link: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ageing, "BATCH", 2)
        monkeypatch.setattr(ageing, "BATCHES", 2)
        jobs = [await self.submit(repository) for _ in range(7)]
        jobs = [await repository.save(job.cancelled(now=await repository.now())) for job in jobs]
        await self.as_of_old(link, jobs)

        await age_older(link)
        assert await self.entered(link) == {job.id for job in jobs[:4]}
        await age_older(link)
        assert await self.entered(link) == {job.id for job in jobs}
        # Nothing is left to look at, and looking again changes nothing.
        mark = await link.command("GET", link.key("aged"))
        await age_older(link)
        assert await link.command("GET", link.key("aged")) == mark
        assert len((await repository.list(JobQuery(statuses=frozenset({JobStatus.CANCELLED})))).jobs) == 7
