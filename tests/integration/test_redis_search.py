"""Searches of the Redis repository once jobs are in its index: nothing is missed, and little is looked at."""

import threading
from datetime import timedelta

import attrs
import pytest

from adapters.redis import RedisJobRepository, RedisLink, job_search, listing
from adapters.redis.job_search import WINDOW, catch_up
from contracts.job_moving import MovingSetting
from contracts.job_searching import MarkPromises
from contracts.samples import NOON, a_job, a_request
from imaging_core.errors import Unavailable
from imaging_core.jobs import Job, JobStatus
from imaging_core.ports import JobPage, JobQuery, JobRepository
from imaging_core.searching import Candidates, grams, search
from redis_setting import OnRedis


async def entered(link: RedisLink) -> int:
    """How many jobs may be in the index."""
    return int(await link.command("GET", link.key("searched")) or 0) * job_search.CHUNK


async def swept(repository: JobRepository) -> None:
    """Once, as every process does again and again."""
    await repository.overdue()
    await repository.catch_up()


class Entered(OnRedis):
    """Every job is in the index before anything is asked, in chunks of eight."""

    @pytest.fixture(autouse=True)
    def chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(job_search, "CHUNK", 8)
        # Few jobs are searched for as many are.
        monkeypatch.setattr(listing, "_FEW", -1)

    async def enter_all(self, link: RedisLink) -> None:
        """As the sweep does, after as many submits as make a chunk full."""
        await link.command("INCRBY", link.key("seq"), 8)
        await catch_up(link)
        for status in JobStatus:
            assert await link.command("ZCOUNT", link.key("list", status), await entered(link), "+inf") == 0


class TestSearchOfWhatIsEntered(Entered, MarkPromises):
    """The promises about searches and marks."""

    @pytest.fixture
    def repository(self, link: RedisLink) -> JobRepository:
        setting = self

        class EnteredFirst(RedisJobRepository):
            async def list(self, query: JobQuery) -> JobPage:
                await setting.enter_all(link)
                return await super().list(query)

        return EnteredFirst(link, log_length=100)


class TestTheIndex(Entered):
    """What is in it, and how long."""

    async def some(self, repository: JobRepository, number: int, **changes: object) -> list[Job]:
        """Jobs of which each has its number in its prompt, three digits long."""
        requests = [a_request(prompt=f"fox {100 + place}") for place in range(number)]
        return [await self.submit(repository, request=request, **changes) for request in requests]

    async def looked_at(self, link: RedisLink, query: JobQuery) -> tuple[list[str], int]:
        """The prompts found in one page, and how many jobs were read for it."""
        read = 0

        class Counting(listing.Listing):
            async def read(self, before: int | None, most: int) -> Candidates:
                nonlocal read
                candidates = await super().read(before, most)
                read += len(candidates.jobs)
                return candidates

        found = await search(query, None, Counting(link, query).read)
        return [job.request.prompt for job in found.jobs], read

    async def test_the_sweep_enters_what_was_added(self, repository: JobRepository, link: RedisLink) -> None:
        await self.some(repository, 20)
        await swept(repository)

        # Numbers begin with 1, so the first chunk has seven of them.
        assert await entered(link) == 16

    async def test_a_sweep_enters_a_chunk_only_when_their_prompts_take_long(
        self, repository: JobRepository, link: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.some(repository, 20)
        # However little work it was, it has taken so long.
        monkeypatch.setattr(job_search, "WORK_S", 0)

        await swept(repository)
        assert await entered(link) == 8
        await swept(repository)
        assert await entered(link) == 16

    async def test_a_prompt_of_very_many_parts_is_found_by_each_of_them(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        long = "".join(chr(0x4E00 + place) for place in range(job_search.MOST_TERMS))
        job = await self.submit(repository, request=a_request(prompt=long))
        await self.some(repository, 5)
        await self.enter_all(link)

        for text in (long[0], long[100:120], long[-2:]):
            assert await self.looked_at(link, JobQuery(text=text)) == ([job.request.prompt], 1)
        # It may be looked at in vain.
        assert (await self.looked_at(link, JobQuery(text="squirrel")))[0] == []

    async def test_prompts_are_taken_apart_beside_the_loop(
        self, repository: JobRepository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads = set[threading.Thread]()

        def noting(prompt: str) -> set[str]:
            threads.add(threading.current_thread())
            return grams(prompt)

        monkeypatch.setattr(job_search, "grams", noting)
        await self.some(repository, 10)
        await swept(repository)

        assert threads
        assert threading.main_thread() not in threads

    async def test_a_search_reads_hardly_more_than_it_finds(self, repository: JobRepository, link: RedisLink) -> None:
        await self.some(repository, 100)
        await self.enter_all(link)

        assert await self.looked_at(link, JobQuery(text="FOX 177")) == (["fox 177"], 1)
        assert await self.looked_at(link, JobQuery(text="squirrel")) == ([], 0)
        assert await self.looked_at(link, JobQuery(checkpoint="other")) == ([], 0)
        assert await self.looked_at(link, JobQuery(text="fox", owner="bob")) == ([], 0)
        found, read = await self.looked_at(link, JobQuery(text="fox", limit=3))
        assert (found, read) == (["fox 199", "fox 198", "fox 197"], 4)

    async def test_what_is_not_entered_yet_is_found_too(self, repository: JobRepository, link: RedisLink) -> None:
        await self.some(repository, 12)
        await swept(repository)
        await self.some(repository, 3)

        assert await entered(link) == 8
        found = await self.looked_at(link, JobQuery(text="fox"))
        assert found[0] == [f"fox {100 + place}" for place in (2, 1, 0, *range(11, -1, -1))]

    async def test_a_rare_status_is_found_among_many_that_fit(self, repository: JobRepository, link: RedisLink) -> None:
        jobs = await self.some(repository, 40)
        for job in (jobs[3], jobs[30]):
            await repository.save(job.cancel(now=await repository.now()))
        await self.enter_all(link)

        query = JobQuery(text="fox", statuses=frozenset({JobStatus.CANCELLED}))
        assert await self.looked_at(link, query) == (["fox 130", "fox 103"], 2)
        assert await self.looked_at(link, attrs.evolve(query, owner="bob")) == ([], 0)

    async def test_gaps_in_the_numbers_are_passed_over(self, repository: JobRepository, link: RedisLink) -> None:
        await self.some(repository, 3)
        await link.command("INCRBY", link.key("seq"), 100 * WINDOW)
        await self.some(repository, 20)
        await swept(repository)

        assert await entered(link) > 100 * WINDOW
        found, read = await self.looked_at(link, JobQuery(text="fox 101"))
        assert found == ["fox 101", "fox 101"]
        # Beside them the few that are not entered yet.
        assert read < 2 + 8

    async def test_a_job_takes_256_bytes(self, repository: JobRepository, link: RedisLink) -> None:
        await self.some(repository, 40)
        await self.enter_all(link)

        assert await link.command("KEYS", link.key("search", "*")) == [link.key("search", "0").encode()]
        assert await link.command("MEMORY", "USAGE", link.key("search", "0")) < WINDOW * 257

    async def test_what_is_searched_for_goes_with_the_last_job_of_its_window(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        jobs = [await repository.save(job.cancel(now=await repository.now())) for job in await self.some(repository, 8)]
        await self.enter_all(link)
        kept = link.key("search", "0")

        for job in jobs:
            assert await link.command("EXISTS", kept) == 1
            await repository.delete(job)

        assert await link.command("EXISTS", kept) == 0

    async def test_an_index_that_has_no_room_hides_nothing(
        self, repository: JobRepository, link: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.some(repository, 20)

        async def full(*_: object) -> None:
            raise Unavailable("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(link, "script", full)
            await catch_up(link)

        assert await entered(link) == 0
        assert (await self.looked_at(link, JobQuery(text="fox 100")))[0] == ["fox 100"]

    async def test_jobs_of_an_older_version_are_bounded_by_their_submit(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        """It did not note when a job was created."""
        for job in await self.some(repository, 3):
            await link.command("HDEL", link.key("job", job.id), "created")
        now = await repository.now()

        hour = timedelta(hours=1)
        assert [
            len((await repository.list(query)).jobs)
            for query in (
                JobQuery(created_from=NOON, created_before=now + hour),
                JobQuery(created_from=now + hour),
                JobQuery(created_before=now - hour, created_from=NOON + hour),
            )
        ] == [3, 0, 0]

    async def test_a_span_of_time_reads_only_what_is_about_it(self, repository: JobRepository, link: RedisLink) -> None:
        start = await repository.now() - timedelta(days=20)
        for day in range(20):
            await repository.add(a_job(start + timedelta(days=day), request=a_request(prompt=f"day {day}")))

        since, until = (start + timedelta(days=day) for day in (5, 8))
        found = await self.looked_at(link, JobQuery(created_from=since, created_before=until))
        assert found == (["day 7", "day 6", "day 5"], 4)
        assert await self.looked_at(link, JobQuery(created_before=start)) == ([], 1)
        assert await self.looked_at(link, JobQuery(created_from=start + timedelta(days=30))) == ([], 0)


class TestJobsThatWereMoved(Entered, MovingSetting):
    """A job is searched for by the backend and the checkpoint it has now, whenever the index took note of it."""

    async def some(self, repository: JobRepository, number: int) -> list[Job]:
        """Waiting jobs that may be moved."""
        return [await self.left_open(repository, owner="alice") for _ in range(number)]

    async def found(self, repository: JobRepository, backend: str) -> list[set[str]]:
        """Whose ids two searches give: by the prompt, and by the checkpoint that a moved job has."""
        queries = (JobQuery(backend=backend, text="lighthouse"), JobQuery(backend=backend, checkpoint="core"))
        return [{job.id for job in (await repository.list(query)).jobs} for query in queries]

    async def test_one_that_is_in_the_index_is_entered_anew(self, repository: JobRepository, link: RedisLink) -> None:
        jobs = await self.some(repository, 20)
        await self.enter_all(link)
        for job in (jobs[0], jobs[9], jobs[19]):
            await self.move(repository, job)

        assert await entered(link) >= 24
        assert await self.found(repository, "beta") == [{job.id for job in (jobs[0], jobs[9], jobs[19])}] * 2
        assert await self.found(repository, "alpha") == [
            {job.id for job in jobs} - {jobs[n].id for n in (0, 9, 19)},
            set(),
        ]

    async def test_one_that_was_just_read_to_be_entered_is_read_anew(
        self, repository: JobRepository, link: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = await self.some(repository, 12)
        script, moved = link.script, list[Job]()

        async def meanwhile(name: str, *args: str | bytes | float) -> object:
            if name == "enter" and not moved:
                moved.append(await self.move(repository, jobs[3]))
            return await script(name, *args)

        monkeypatch.setattr(link, "script", meanwhile)
        await self.enter_all(link)

        assert moved
        assert await entered(link) >= 16
        assert await self.found(repository, "beta") == [{jobs[3].id}] * 2
