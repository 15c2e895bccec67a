"""The Redis repository keeps every promise of its port, and those that only a server across a network can break."""

import asyncio
import json

import attrs
import pytest

from adapters.redis import RedisJobRepository, RedisLink
from contracts.job_moving import MovingSetting
from contracts.job_repository import CutOffRepositoryContract, JobRepositoryContract
from contracts.samples import NOON, a_job, a_request, an_event
from imaging_core.errors import JobConflict, JobDeleted, StaleJob, Unavailable, UnreadableJob
from imaging_core.events import EventKind
from imaging_core.jobs import SCHEMA, Job, JobStatus
from imaging_core.ports import Idempotency, JobEvents, JobQuery, JobRepository, Preference, QueueLimits
from redis_server import RedisServer
from redis_setting import OnOwnRedis, OnRedis, dead_link

__all__ = ["dead_link"]


class TestRedisJobRepository(OnRedis, JobRepositoryContract):
    """Every promise of JobRepository."""


class TestBesideAnOlderVersion(OnRedis):
    """Which knows nothing of checkpoints."""

    async def test_a_job_that_it_added_is_claimed_and_one_that_it_claimed_is_gone(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        taken, older = [await self.submit(repository, request=a_request(checkpoint="A")) for _ in range(2)]
        await link.command("HDEL", link.key("job", older.id), "checkpoint")
        await link.command("DEL", link.key("checkpoints", "alpha"))
        for name in await link.command("ZRANGE", link.key("ready", "alpha"), 0, 0):
            await link.command("ZREM", link.key("ready", "alpha"), name)
        mine = await self.submit(repository, request=a_request(checkpoint="A"))
        prefers_a = Preference(only=frozenset("A"), loaded="A")

        claims = [
            await repository.claim_next("alpha", worker="w", token=f"t{n}", lease_s=60, preference=prefers_a)
            for n in range(3)
        ]

        assert [job and job.id for job in claims] == [older.id, mine.id, None]
        assert (await repository.get(taken.id)).status is JobStatus.QUEUED


class TestCutOffRedisRepository(CutOffRepositoryContract):
    """Nobody listens on the port."""

    @pytest.fixture
    def cut_off(self, dead_link: RedisLink) -> JobRepository:
        return RedisJobRepository(dead_link)


class TestAnotherProcess(OnRedis):
    """What is remembered here is never told once another has changed it."""

    async def test_what_another_writes_is_seen_at_the_next_look(
        self, repository: RedisJobRepository, link: RedisLink
    ) -> None:
        other = RedisJobRepository(link)
        job = await self.start(repository)
        assert await repository.get(job.id) is await repository.get(job.id)
        await other.save(job.succeeded([], now=await other.now()), token="token-1")
        ended = await repository.get(job.id)
        assert ended.status is JobStatus.FINISHED
        await other.mark(job.id, favourite=True)
        assert (await repository.get(job.id)).favourite
        await other.delete(ended)
        with pytest.raises(JobDeleted):
            await repository.get(job.id)


class TestAnswersThatGetLost(OnRedis):
    """A script that ran although its answer never came, and is sent again."""

    @pytest.fixture
    def repository(self, link: RedisLink) -> "ForgetfulRepository":
        return ForgetfulRepository(link, log_length=100)

    async def test_a_save_said_again_is_the_same_save(
        self, repository: "ForgetfulRepository", events: JobEvents
    ) -> None:
        job = await self.start(repository)
        cursor = await events.cursor()
        done = job.succeeded([], now=await repository.now())
        told = [an_event(done, EventKind.FINISHED)]

        repository.lose_next_answer()
        with pytest.raises(Unavailable):
            await repository.save(done, token="token-1", events=told)
        saved = await repository.save(done, token="token-1", events=told)

        assert saved == await repository.get(job.id)
        assert saved.version == job.version + 1
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.FINISHED)]

    async def test_a_save_whose_answer_came_is_not_repeated(self, repository: "ForgetfulRepository") -> None:
        job = await self.submit(repository)
        await repository.save(attrs.evolve(job, priority=1))

        with pytest.raises(StaleJob):
            await repository.save(attrs.evolve(job, priority=1))

    async def test_a_claim_nobody_learnt_of_goes_on_with_the_next_claim(
        self, repository: "ForgetfulRepository", events: JobEvents
    ) -> None:
        job = await self.submit(repository)
        cursor = await events.cursor()
        repository.lose_next_answer()
        with pytest.raises(Unavailable):
            await repository.claim_next("alpha", worker="w", token="lost", lease_s=60)
        other = await self.submit(repository, priority=9)

        found = await repository.claim_next("alpha", worker="w", token="found", lease_s=60)

        assert found is not None
        assert (found.id, found.attempt, found.crashes) == (job.id, 1, 0)
        assert found.lease is not None
        assert found.lease.token == "found"
        assert found == await repository.get(job.id)
        assert (await self.claim(repository, "next")).id == other.id
        kinds = [kind for job_id, kind in await self.events_since(repository, events, cursor) if job_id == job.id]
        assert kinds == [EventKind.STARTED]

    async def test_a_claim_nobody_learnt_of_that_went_on_elsewhere_stays_there(
        self, repository: "ForgetfulRepository"
    ) -> None:
        job = await self.submit(repository)
        repository.lose_next_answer()
        with pytest.raises(Unavailable):
            await repository.claim_next("alpha", worker="w", token="lost", lease_s=self.tick_s)
        await repository.save((await repository.get(job.id)).cancelled(now=await repository.now()))

        assert await self.nothing_to_claim(repository)

    async def test_an_add_sent_twice_by_the_client_is_one_job(self, link: RedisLink, events: JobEvents) -> None:
        repository = RedisJobRepository(link)
        sent = SendingTwice(link)
        twice = RedisJobRepository(sent)
        cursor = await events.cursor()
        job = a_job(await repository.now())

        stored = await twice.add(
            job,
            events=[an_event(job)],
            idempotency=Idempotency(key="k", fingerprint="f"),
            limits=QueueLimits(max_queued=1),
        )
        claimed = await twice.claim_next("alpha", worker="w", token="t", lease_s=60)

        assert stored == attrs.evolve(job, version=1)
        assert claimed is not None
        ended = await twice.save(claimed.succeeded([], now=NOON), token="t")
        await twice.delete(ended)
        assert (await repository.list(JobQuery())).jobs == ()
        assert await self.events_since(repository, events, cursor) == [
            (job.id, EventKind.QUEUED),
            (job.id, EventKind.STARTED),
        ]
        with pytest.raises(JobConflict):
            await twice.add(job)


class TestAMoveSentTwice(OnRedis, MovingSetting):
    """By the client, as after a broken connection."""

    async def test_it_is_one_move(self, repository: JobRepository, link: RedisLink, events: JobEvents) -> None:
        job = await self.left_open(repository)
        cursor = await events.cursor()

        moved = await self.move(RedisJobRepository(SendingTwice(link)), job, max_queued=1)

        assert moved == await repository.get(job.id)
        assert moved.version == job.version + 1
        assert await self.events_since(repository, events, cursor) == [(job.id, EventKind.MOVED)]
        assert (await repository.state("beta")).claimable == 1


class ForgetfulRepository(RedisJobRepository):
    """Loses the answer of the next script once told to."""

    _lose = False

    def lose_next_answer(self) -> None:
        self._lose = True

    async def _write(self, script: str, *arguments: str | bytes | int) -> list[object]:
        answer = await super()._write(script, *arguments)
        if self._lose:
            self._lose = False
            raise Unavailable("The answer was lost.")
        return answer


class SendingTwice(RedisLink):
    """A link whose client sends each script once more, as redis-py does after a broken connection."""

    def __init__(self, link: RedisLink) -> None:
        self.__dict__.update(link.__dict__)

    async def script(self, name: str, *args: str | bytes | float) -> object:
        await super().script(name, *args)
        return await super().script(name, *args)


class TestServerTrouble(OnOwnRedis):
    """What the server's own misfortunes do."""

    async def test_a_kill_and_restart_loses_nothing(self, repository: JobRepository, server: RedisServer) -> None:
        waiting = await self.submit(repository)
        running = await self.start_of(repository, "beta")
        server.restart()

        assert await repository.get(waiting.id) == waiting
        assert (await repository.beat(running.id, token="token-1", lease_s=60)).cancel_requested is False
        assert (await self.claim(repository, "token-2")).id == waiting.id

    async def start_of(self, repository: JobRepository, backend: str) -> Job:
        return await self.start(repository, backend=backend)

    async def test_a_stopped_server_is_told_at_once_and_the_return_is_noticed(
        self, repository: JobRepository, server: RedisServer
    ) -> None:
        job = await self.submit(repository)
        server.kill()
        async with asyncio.timeout(1.0):
            with pytest.raises(Unavailable) as refused:
                await repository.get(job.id)
        assert "IMAGING_REDIS_URL" in str(refused.value)

        server.start()

        assert await repository.get(job.id) == job

    async def test_a_frozen_server_is_told_within_the_time_out(self, server: RedisServer) -> None:
        link = RedisLink(server.url, answer_s=0.2, connect_s=0.2)
        repository = RedisJobRepository(link)
        job = await self.submit(repository)
        server.freeze()
        try:
            async with asyncio.timeout(2.0):
                with pytest.raises(Unavailable):
                    await repository.get(job.id)
        finally:
            server.thaw()

        assert await repository.get(job.id) == job
        await link.aclose()

    async def test_out_of_memory_new_jobs_are_refused_and_running_ones_end(
        self, repository: JobRepository, events: JobEvents, server: RedisServer
    ) -> None:
        running = await self.start(repository)
        waiting = await self.submit(repository)
        parked = await self.claim(repository, "token-2")
        server.fill_memory()

        with pytest.raises(Unavailable) as refused:
            await self.submit(repository)
        assert "out of memory" in str(refused.value)
        await repository.beat(running.id, token="token-1", lease_s=60)
        assert parked.id == waiting.id
        parked = await self.park(repository, parked, ticks=0)
        again = await self.claim(repository, "token-3")
        told = an_event(running, EventKind.FINISHED)
        done = await repository.save(running.intending(0, "task"), token="token-1")
        done = await repository.save(done.succeeded([], now=NOON), token="token-1", events=[told])
        flagged = await repository.save(again.cancel(now=NOON))
        await repository.delete(done)

        assert flagged.cancel_requested
        assert (await repository.state("alpha")).started == 1
        server.free_memory()
        assert (await self.submit(repository)).status is JobStatus.QUEUED

    async def test_a_wrong_password_is_named_but_not_told(self, server: RedisServer) -> None:
        server.configure(requirepass="right-horse")
        for url in (server.url, server.url.replace("redis://", "redis://:wrong-horse@")):
            link = RedisLink(url)
            repository = RedisJobRepository(link)
            for use in (repository.get(a_job().id), repository.add(a_job()), repository.now()):
                with pytest.raises(Unavailable) as refused:
                    await use
                assert "password in IMAGING_REDIS_URL" in str(refused.value)
                assert "horse" not in f"{refused.value} {link!r}"
            await link.aclose()

        link = RedisLink(server.url.replace("redis://", "redis://:right-horse@"))
        assert (await RedisJobRepository(link).list(JobQuery())).jobs == ()
        await link.aclose()


class TestNewerVersions(OnRedis):
    """What a newer version wrote."""

    async def test_a_job_of_a_newer_schema_is_left_to_a_worker_that_can_read_it(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        newer = await self.submit(repository, priority=5)
        older = await self.submit(repository)
        body = json.loads(await link.command("HGET", link.key("job", newer.id), "body")) | {"schema": SCHEMA + 1}
        await link.command("HSET", link.key("job", newer.id), "schema", SCHEMA + 1, "body", json.dumps(body))

        assert (await self.claim(repository)).id == older.id
        assert await self.nothing_to_claim(repository)
        with pytest.raises(UnreadableJob):
            await repository.get(newer.id)

    async def test_a_page_of_those_that_may_be_moved_is_full_though_newer_and_ended_ones_stand_in_line(
        self, repository: JobRepository, link: RedisLink
    ) -> None:
        jobs = [await self.submit(repository, asked=a_request()) for _ in range(130)]
        for job in jobs[:110:2]:
            body = json.loads(await link.command("HGET", link.key("job", job.id), "body")) | {"schema": SCHEMA + 1}
            await link.command("HSET", link.key("job", job.id), "schema", SCHEMA + 1, "body", json.dumps(body))
        # Ended, deleted or claimed by an older version, which knows nothing of the line.
        await link.command("HSET", link.key("job", jobs[1].id), "status", "finished")
        await link.command("DEL", link.key("job", jobs[3].id))
        await link.command("HSET", link.key("job", jobs[5].id), "status", "started", "reason", "running")
        left = [job.id for n, job in enumerate(jobs) if n > 5 and (n % 2 or n >= 110)]

        for skip in (0, 3, 40, 71):
            page = await repository.movable("alpha", skip=skip, limit=50)
            assert [job.id for job in page] == left[skip : skip + 50]
        assert await link.command("ZCARD", link.key("movable", "alpha")) == 128


class TestTheClock(OnOwnRedis):
    """Reading the time costs no round trip while Redis talks to us anyway."""

    async def test_the_time_is_asked_for_once(self, repository: JobRepository, server: RedisServer) -> None:
        before = await repository.now()
        asked = server.info("commandstats")["cmdstat_time"]["calls"]
        times = [await repository.now() for _ in range(50)]
        assert server.info("commandstats")["cmdstat_time"]["calls"] == asked
        assert times == sorted(times)
        job = await self.start(repository)
        assert job.lease is not None
        assert before <= job.lease.since <= await repository.now()


def test_a_url_that_is_none_is_refused_without_repeating_it() -> None:
    for url in ("redis://:s3cret@host:port/0", "http://:s3cret@host", "s3cret", "redis://:s3cret@host:99x"):
        with pytest.raises(ValueError, match="IMAGING_REDIS_URL") as refused:
            RedisLink(url)
        assert "s3cret" not in str(refused.value)
        assert refused.value.__cause__ is None
