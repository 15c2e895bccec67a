"""Who listens on Dramatiq's doorbell: woken at once, idle in between, and not put off by garbage or by neighbours."""

import asyncio
import json
import time

import pytest
import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from adapters.dramatiq_queue import DramatiqJobQueue
from adapters.dramatiq_queue.inbox import IDLE_S
from adapters.dramatiq_queue.ring import message_for, queue_of
from adapters.redis_line.line import _Wire
from bell_setting import PATIENCE_S, OnBroker, into, nothing
from imaging_core.ids import new_job_id
from redis_server import RedisServer
from redis_setting import until


class TestListening(OnBroker):
    """What a worker does with the rings."""

    @pytest.mark.usefixtures("unpolled")
    async def test_an_idle_worker_is_woken_instead_of_polling_faster(
        self, queue: DramatiqJobQueue, server: RedisServer
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listening("alpha", on_ring=heard.put):
            with server.admin() as admin:
                await self.until_heard(admin)
            for _ in range(20):
                await queue.ring("alpha", new_job_id())
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_a_ring_without_its_announcement_is_found_by_looking(
        self, client: redis.Redis, queue: DramatiqJobQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def deaf(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr("adapters.dramatiq_queue.listener.listen", deaf)
        monkeypatch.setattr("adapters.dramatiq_queue.inbox.IDLE_S", 0.1)
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listening("alpha", on_ring=heard.put):
            await queue.ring("alpha", new_job_id())

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0)

    async def test_an_idle_worker_hardly_talks_to_redis(self) -> None:
        with RedisServer() as server:
            self.url = server.broker_url
            async with self.listening("alpha", "beta", "gamma", on_ring=nothing):
                await asyncio.sleep(0.5)
                before = server.info("stats")["total_commands_processed"]
                scripts = server.info("commandstats")["cmdstat_evalsha"]["calls"]
                began = time.monotonic()
                await asyncio.sleep(2.0)
                passed = time.monotonic() - began
                after = server.info("stats")["total_commands_processed"]
                looked = server.info("commandstats")["cmdstat_evalsha"]["calls"] - scripts

        # Each of the three looks once in IDLE_S, which is one round trip, and three commands for Redis; ours cost a few more.
        assert looked <= 3 * (1 + passed / IDLE_S)
        assert (after - before) / passed < 10

    async def test_rings_of_one_backend_never_keep_out_another_s(self, queue: DramatiqJobQueue) -> None:
        released = asyncio.Event()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            if backend == "alpha":
                await released.wait()

        async with self.listening("alpha", "beta", on_ring=on_ring, most=4):
            for _ in range(10):
                await queue.ring("alpha", new_job_id())
            await queue.ring("beta", new_job_id())

            got = [await asyncio.wait_for(heard.get(), PATIENCE_S) for _ in range(3)]
            released.set()

        assert sorted(got) == ["alpha", "alpha", "beta"]

    async def test_rings_that_a_process_cannot_take_stay_for_others(
        self, queue: DramatiqJobQueue, client: redis.Redis
    ) -> None:
        slots = {"alpha": 1}
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            slots[backend] -= 1
            await heard.put("busy")

        async with self.listening("alpha", on_ring=on_ring, most=8, free=lambda name: slots[name]) as busy:
            await queue.ring("alpha", new_job_id())
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "busy"
            await until(lambda: self.bodies(client) == 0)
            for _ in range(2):
                await queue.ring("alpha", new_job_id())

            async with self.listening("alpha", on_ring=into(heard, "idle"), most=1):
                got = [await asyncio.wait_for(heard.get(), PATIENCE_S) for _ in range(2)]
            await queue.ring("alpha", new_job_id())
            slots["alpha"] = 1
            busy.nudge("alpha")
            got.append(await asyncio.wait_for(heard.get(), PATIENCE_S))

        assert got == ["idle", "idle", "busy"]

    async def test_a_ring_that_a_process_does_not_take_any_more_goes_to_others_at_once(
        self, queue: DramatiqJobQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Nobody looks by himself within the test.
        monkeypatch.setattr("adapters.dramatiq_queue.inbox.IDLE_S", 3_600.0)
        room, refused = 1, 0
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def refusing(_: str) -> bool:
            nonlocal room, refused
            room, refused = 0, refused + 1
            return False

        async with self.listening("alpha", on_ring=refusing, free=lambda _: room):
            await queue.ring("alpha", new_job_id())
            await until(lambda: refused)
            async with self.listening("alpha", on_ring=into(heard, "another")):
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "another"
                await until(lambda: self.bodies(client) == 0)

        assert refused == 1

    async def test_an_error_of_the_taker_costs_one_ring_only(
        self, queue: DramatiqJobQueue, client: redis.Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            if heard.qsize() == 1:
                raise RuntimeError("on purpose")

        async with self.listening("alpha", on_ring=on_ring):
            await queue.ring("alpha", new_job_id())
            await queue.ring("alpha", new_job_id())
            await until(lambda: heard.qsize() == 2)
            await until(lambda: self.bodies(client) == 0)

        assert "A ring could not be taken" in caplog.text

    @pytest.mark.parametrize(
        "garbage",
        [
            b"",
            b"not json",
            b"[1, 2]",
            b'{"queue_name": "imaging-alpha"}',
            b"\xff\xfe",
            json.dumps(message_for("alpha", "x").asdict() | {"options": None, "args": []}).encode(),
            json.dumps(message_for("alpha", "x").asdict() | {"kwargs": [], "args": []}).encode(),
        ],
    )
    async def test_garbage_is_passed_over_and_its_neighbours_are_heard(
        self, queue: DramatiqJobQueue, client: redis.Redis, garbage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        await queue.ring("alpha", new_job_id())
        name = f"{self.namespace}:{queue_of('alpha')}"
        client.hset(f"{name}.msgs", "garbage", garbage)
        client.rpush(name, "garbage", "without-a-body")
        await queue.ring("alpha", new_job_id())

        async with self.listening("alpha", on_ring=heard.put, most=4):
            for _ in range(2):
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0 and not client.keys(f"{self.namespace}:__acks__*"))

        assert "unreadable" in caplog.text

    @pytest.mark.usefixtures("unpolled")
    async def test_a_ring_behind_much_garbage_is_heard_without_a_wait(
        self, queue: DramatiqJobQueue, client: redis.Redis
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        client.rpush(f"{self.namespace}:{queue_of('alpha')}", *(f"without-a-body-{n}" for n in range(20)))
        await queue.ring("alpha", new_job_id())

        async with self.listening("alpha", on_ring=heard.put, most=2):
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    @pytest.mark.usefixtures("unpolled")
    async def test_rings_whose_answer_was_lost_are_fetched_anew(
        self, queue: DramatiqJobQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask, lost = _Wire.ask, list[object]()

        async def lossy(wire: _Wire, data: bytes, answers: int) -> object:
            answer = await ask(wire, data, answers)
            if b"\r\nfetch\r\n" in data and answer and not lost:
                lost.append(answer)
                raise redis.ConnectionError("on purpose")
            return answer

        monkeypatch.setattr(_Wire, "ask", lossy)
        heard: asyncio.Queue[str] = asyncio.Queue()
        await queue.ring("alpha", new_job_id())

        async with self.listening("alpha", on_ring=heard.put):
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0 and not client.keys(f"{self.namespace}:__acks__*"))

        assert lost

    @pytest.mark.parametrize(
        "change",
        [
            {"kwargs": {"version": 2, "job_id": "x"}},
            {"kwargs": {"job_id": "x"}},
            {"kwargs": {"version": 1, "job_id": 7}},
            {"actor_name": "somebody_else"},
            {"args": (1, 2, 3)},
            {"options": {"eta": 99_999_999_999_999}, "kwargs": {"version": 2}},
        ],
    )
    async def test_a_message_of_an_unknown_version_is_acknowledged(
        self, queue: DramatiqJobQueue, client: redis.Redis, change: dict[str, object], caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        foreign: Message[None] = Message(**{**message_for("alpha", new_job_id()).asdict(), **change})
        RedisBroker(url=self.url, middleware=[], namespace=self.namespace).enqueue(foreign)  # type: ignore[no-untyped-call]
        await queue.ring("alpha", new_job_id())

        async with self.listening("alpha", on_ring=heard.put):
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0)

        assert heard.empty()
        assert "no ring of this version" in caplog.text

    async def test_a_message_holds_a_job_id_and_nothing_else_of_it(
        self, queue: DramatiqJobQueue, client: redis.Redis
    ) -> None:
        job_id = new_job_id()
        await queue.ring("alpha", job_id)

        (body,) = client.hvals(f"{self.namespace}:{queue_of('alpha')}.msgs")

        message = json.loads(body)
        assert (message["args"], message["kwargs"]) == ([], {"version": 1, "job_id": job_id})
