"""The doorbell on Dramatiq and Redis: it rings, it wakes, it bears garbage and outages, and it stops at once."""

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import dramatiq
import pytest
import redis
from dramatiq import Message

from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener, default_broker_url
from adapters.dramatiq_queue.broker import BellBroker
from adapters.dramatiq_queue.ring import message_for, queue_of
from adapters.dramatiq_queue.server import BrokerServer
from contracts.job_queue import CutOffQueueContract, JobQueueContract
from imaging_core.errors import Unavailable
from imaging_core.jobs import new_job_id
from imaging_core.ports import JobQueue
from redis_server import RedisServer, shared_server
from redis_setting import until

#: Longest wait for a ring that must be heard, in s.
PATIENCE_S = 10.0

OnRing = Callable[[str], Awaitable[None]]


class OnBroker:
    """A doorbell in a namespace of its own on the shared server."""

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        return shared_server(request.config)

    @pytest.fixture(autouse=True)
    def broker(self, server: RedisServer) -> None:
        self.url = default_broker_url(server.url)
        self.namespace = f"test-{secrets.token_hex(4)}"

    @pytest.fixture
    async def queue(self) -> AsyncIterator[DramatiqJobQueue]:
        queue = DramatiqJobQueue(self.url, namespace=self.namespace)
        yield queue
        await queue.aclose()

    @asynccontextmanager
    async def listening(
        self, *backends: str, on_ring: OnRing, threads: int = 2, free: Callable[[str], int] | None = None
    ) -> AsyncIterator[DramatiqListener]:
        listener = DramatiqListener(self.url, backends, on_ring, threads=threads, free=free, namespace=self.namespace)
        await listener.start()
        try:
            yield listener
        finally:
            await listener.stop()

    @pytest.fixture
    def client(self) -> Iterator[redis.Redis]:
        """The broker's database, as Dramatiq sees it."""
        with redis.Redis.from_url(self.url) as client:
            yield client

    def waiting(self, client: redis.Redis, backend: str = "alpha") -> int:
        """Messages that lie in a queue."""
        return int(client.llen(f"{self.namespace}:{queue_of(backend)}"))

    def bodies(self, client: redis.Redis, backend: str = "alpha") -> int:
        """Messages that lie in a queue or are held by a worker."""
        return int(client.hlen(f"{self.namespace}:{queue_of(backend)}.msgs"))


class TestDramatiqJobQueue(OnBroker, JobQueueContract):
    """Every promise of JobQueue."""

    @asynccontextmanager
    async def listener(
        self, queue: JobQueue, backend: str, heard: "asyncio.Queue[str]", *, busy: asyncio.Event | None = None
    ) -> AsyncIterator[None]:
        async def on_ring(name: str) -> None:
            heard.put_nowait(name)
            if busy is not None:
                await busy.wait()

        async with self.listening(backend, on_ring=on_ring):
            yield


class TestCutOffQueue(CutOffQueueContract):
    """Nobody listens on the port."""

    @pytest.fixture
    async def cut_off(self) -> AsyncIterator[JobQueue]:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            queue = DramatiqJobQueue(f"redis://:open-sesame@127.0.0.1:{bound.getsockname()[1]}/1")
            yield queue
            await queue.aclose()

    async def test_the_sentence_names_the_setting_and_no_secret(self, cut_off: JobQueue) -> None:
        with pytest.raises(Unavailable) as refused:
            await cut_off.ring("alpha", new_job_id())

        assert "IMAGING_BROKER_URL" in str(refused.value)
        assert "open-sesame" not in f"{refused.value!r}{refused.value}{cut_off!r}"


class TestListening(OnBroker):
    """What a worker does with the rings."""

    async def test_an_idle_worker_is_woken_instead_of_polling_faster(
        self, queue: DramatiqJobQueue, server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # With a poll that never comes within the test, only the bell can wake it.
        monkeypatch.setattr("adapters.dramatiq_queue.inbox.IDLE_S", 3_600.0)
        heard: asyncio.Queue[str] = asyncio.Queue()
        channel = f"{self.namespace}:bell".encode()
        async with self.listening("alpha", on_ring=heard.put):
            with server.admin() as admin:
                await until(lambda: dict(admin.pubsub_numsub(channel))[channel] == 1)
            for _ in range(20):
                await queue.ring("alpha", new_job_id())
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_a_ring_without_its_announcement_is_found_by_looking(
        self, client: redis.Redis, queue: DramatiqJobQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adapters.dramatiq_queue.broker.BellBroker.announce", lambda *_: None)
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listening("alpha", on_ring=heard.put):
            await queue.ring("alpha", new_job_id())

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0)

    async def test_an_idle_worker_hardly_talks_to_redis(self) -> None:
        with RedisServer() as server:
            self.url = server.broker_url
            async with self.listening("alpha", "beta", "gamma", on_ring=_nothing):
                await asyncio.sleep(0.5)
                before = server.info("stats")["total_commands_processed"]
                scripts = server.info("commandstats")["cmdstat_evalsha"]["calls"]
                began = time.monotonic()
                await asyncio.sleep(2.0)
                passed = time.monotonic() - began
                after = server.info("stats")["total_commands_processed"]
                looked = server.info("commandstats")["cmdstat_evalsha"]["calls"] - scripts

        # A look is one round trip, and three commands for Redis; ours cost a few more.
        assert looked / passed < 5
        assert (after - before) / passed < 20

    async def test_rings_of_one_backend_never_keep_out_another_s(self, queue: DramatiqJobQueue) -> None:
        released = asyncio.Event()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            if backend == "alpha":
                await released.wait()

        async with self.listening("alpha", "beta", on_ring=on_ring, threads=4):
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

        async with self.listening("alpha", on_ring=on_ring, threads=8, free=lambda name: slots[name]) as busy:
            await queue.ring("alpha", new_job_id())
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "busy"
            await until(lambda: self.bodies(client) == 0)
            for _ in range(2):
                await queue.ring("alpha", new_job_id())

            async with self.listening("alpha", on_ring=_into(heard, "idle"), threads=1):
                got = [await asyncio.wait_for(heard.get(), PATIENCE_S) for _ in range(2)]
            await queue.ring("alpha", new_job_id())
            slots["alpha"] = 1
            busy.nudge("alpha")
            got.append(await asyncio.wait_for(heard.get(), PATIENCE_S))

        assert got == ["idle", "idle", "busy"]

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

        async with self.listening("alpha", on_ring=heard.put, threads=4):
            for _ in range(2):
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0 and not client.keys(f"{self.namespace}:__acks__*"))

        assert "unreadable" in caplog.text

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
        BellBroker(BrokerServer(self.url), namespace=self.namespace).enqueue(foreign)
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


class TestStopping(OnBroker):
    """A stop is prompt and strands nothing."""

    async def test_rings_that_wait_here_go_back_for_others(self, queue: DramatiqJobQueue, client: redis.Redis) -> None:
        never = asyncio.Event()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            await never.wait()

        async with self.listening("alpha", on_ring=on_ring, threads=2):
            for _ in range(5):
                await queue.ring("alpha", new_job_id())
            for _ in range(2):
                await asyncio.wait_for(heard.get(), PATIENCE_S)
        assert self.waiting(client) == 5
        assert not client.keys(f"{self.namespace}:__acks__*")

        again: asyncio.Queue[str] = asyncio.Queue()
        async with self.listening("alpha", on_ring=again.put):
            for _ in range(5):
                await asyncio.wait_for(again.get(), PATIENCE_S)

    async def test_a_stop_is_prompt_idle_or_busy_or_without_a_server(self) -> None:
        never = asyncio.Event()
        with RedisServer() as server:
            self.url = server.broker_url
            queue = DramatiqJobQueue(self.url, namespace=self.namespace)
            heard: asyncio.Queue[str] = asyncio.Queue()

            async def on_ring(backend: str) -> None:
                await heard.put(backend)
                await never.wait()

            for busy, killed in ((False, False), (True, False), (True, True)):
                listener = DramatiqListener(self.url, ["alpha"], on_ring, namespace=self.namespace)
                await listener.start()
                if busy:
                    await queue.ring("alpha", new_job_id())
                    await asyncio.wait_for(heard.get(), PATIENCE_S)
                if killed:
                    server.kill()
                async with asyncio.timeout(3.0):
                    await listener.stop()
            await queue.aclose()

    async def test_a_wrong_password_is_named_but_not_told(self) -> None:
        with RedisServer("--requirepass", "right-horse") as server:
            for url in (server.broker_url, server.broker_url.replace("redis://", "redis://:wrong-horse@")):
                queue, listener = DramatiqJobQueue(url), DramatiqListener(url, ["alpha"], _nothing)
                for use in (queue.ring("alpha", new_job_id()), listener.start()):
                    with pytest.raises(Unavailable) as refused:
                        await use
                    assert "password in IMAGING_BROKER_URL" in str(refused.value)
                    assert "horse" not in str(refused.value)
                await listener.stop()
                await queue.aclose()

    async def test_a_start_without_a_server_is_loud(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"redis://:open-sesame@127.0.0.1:{bound.getsockname()[1]}/1"
            listener = DramatiqListener(url, ["alpha"], _nothing)

            with pytest.raises(Unavailable) as refused:
                await listener.start()

        assert "open-sesame" not in str(refused.value)
        await listener.stop()


class TestOutages(OnBroker):
    """A server that comes and goes."""

    async def test_rings_are_heard_again_after_a_restart_and_none_is_stranded(self) -> None:
        released = asyncio.Event()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            await released.wait()

        with RedisServer() as server:
            self.url = server.broker_url
            queue = DramatiqJobQueue(self.url, namespace=self.namespace)
            async with self.listening("alpha", on_ring=on_ring, threads=2):
                await queue.ring("alpha", new_job_id())
                await asyncio.wait_for(heard.get(), PATIENCE_S)
                server.kill()
                # Its acknowledgement fails, is owed, and holds up neither thread nor stop.
                released.set()
                with pytest.raises(Unavailable):
                    await queue.ring("alpha", new_job_id())
                server.start()
                await _insist(lambda: queue.ring("alpha", new_job_id()))
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
                with redis.Redis.from_url(self.url) as client:
                    await until(lambda: self.bodies(client) == 0 and self.waiting(client) == 0)
                    await until(lambda: not client.keys(f"{self.namespace}:__acks__*"))
            await queue.aclose()

    async def test_a_fetch_whose_answer_was_lost_strands_no_ring(
        self, queue: DramatiqJobQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listener = DramatiqListener(self.url, ["alpha"], heard.put, namespace=self.namespace)
        broker = listener._broker
        fetch = broker.do_fetch
        lost: list[object] = []

        def lossy(*arguments: object) -> object:
            answer = fetch(*arguments)
            if answer and not lost:
                lost.append(answer)
                raise redis.TimeoutError("on purpose")
            return answer

        monkeypatch.setattr(broker, "do_fetch", lossy, raising=False)
        await queue.ring("alpha", new_job_id())
        await listener.start()
        try:
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
            await until(lambda: self.bodies(client) == 0)
        finally:
            await listener.stop()
        assert len(lost) == 1

    async def test_a_bell_that_failed_rests_so_that_rings_do_not_pile_up(self) -> None:
        with RedisServer() as server:
            queue = DramatiqJobQueue(server.broker_url, namespace=self.namespace)
            await queue.ring("alpha", new_job_id())
            server.freeze()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    answers = await asyncio.gather(
                        *(queue.ring("alpha", new_job_id()) for _ in range(200)), return_exceptions=True
                    )
            finally:
                server.thaw()
            assert all(isinstance(answer, Unavailable) for answer in answers)
            await queue.aclose()


async def _nothing(_: str) -> None:
    """Take a ring and do nothing."""


def _into(heard: "asyncio.Queue[str]", word: str) -> OnRing:
    async def on_ring(_: str) -> None:
        await heard.put(word)

    return on_ring


async def _insist(action: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await action()
            except Unavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://localhost", "redis://localhost/1"),
        ("redis://localhost:6379/0", "redis://localhost:6379/1"),
        ("rediss://user:p%2Fw@host:1/4?ssl_cert_reqs=none", "rediss://user:p%2Fw@host:1/5?ssl_cert_reqs=none"),
        ("redis://host/2?db=7", "redis://host/2?db=8"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=4"),
        ("redis://host/15", "redis://host/14"),
    ],
)
def test_the_doorbell_is_in_the_next_database(url: str, broker: str) -> None:
    assert default_broker_url(url) == broker
    redis.ConnectionPool.from_url(broker)


def test_a_url_that_is_none_is_refused_without_repeating_it() -> None:
    uses: list[tuple[Callable[[str], object], str]] = [
        (default_broker_url, "redis://:s3cret@host/x"),
        (default_broker_url, "redis://:s3cret@host/1?db=x"),
        (DramatiqJobQueue, "redis://:s3cret@host:port/0"),
        (DramatiqJobQueue, "http://:s3cret@host"),
    ]
    for use, url in uses:
        with pytest.raises(ValueError, match="redis://") as refused:
            use(url)
        assert "s3cret" not in str(refused.value)


def test_nothing_global_is_set() -> None:
    code = """
import dramatiq.broker, dramatiq.message
encoder = dramatiq.message.get_encoder()
from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener
queue = DramatiqJobQueue("redis://127.0.0.1:1/1")
listener = DramatiqListener("redis://127.0.0.1:1/1", ["alpha"], None)
assert dramatiq.broker.global_broker is None
assert dramatiq.message.get_encoder() is encoder
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_dramatiq_s_own_message_is_what_lies_in_the_queue() -> None:
    message = message_for("alpha", "id")
    assert dramatiq.Message.decode(message.encode()) == message
