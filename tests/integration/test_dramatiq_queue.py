"""The doorbell on Dramatiq and Redis: it rings, it wakes, it bears garbage and outages, and it stops at once."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dramatiq
import pytest
import redis

from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener, default_broker_url
from adapters.dramatiq_queue.ring import message_for
from bell_setting import PATIENCE_S, OnBroker, insist, nothing
from contracts.job_queue import CutOffQueueContract, JobQueueContract
from imaging_core.errors import Unavailable
from imaging_core.ids import new_job_id
from imaging_core.ports import JobQueue
from redis_server import RedisServer
from redis_setting import until


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


class TestStopping(OnBroker):
    """A stop is prompt and strands nothing."""

    async def test_rings_that_wait_here_go_back_for_others(self, queue: DramatiqJobQueue, client: redis.Redis) -> None:
        never = asyncio.Event()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def on_ring(backend: str) -> None:
            await heard.put(backend)
            await never.wait()

        async with self.listening("alpha", on_ring=on_ring, most=2):
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

    @pytest.mark.parametrize("turns", range(1, 6))
    async def test_a_stop_that_is_cancelled_leaves_nobody_listening(self, turns: int) -> None:
        never, heard = asyncio.Event(), asyncio.Event()
        with RedisServer() as server, server.admin() as admin:
            self.url = server.broker_url
            queue = DramatiqJobQueue(self.url, namespace=self.namespace)

            async def on_ring(_: str) -> None:
                heard.set()
                await never.wait()

            listener = DramatiqListener(self.url, ["alpha"], on_ring, namespace=self.namespace)
            await listener.start()
            await queue.ring("alpha", new_job_id())
            await asyncio.wait_for(heard.wait(), PATIENCE_S)
            await queue.aclose()

            stopping = asyncio.create_task(listener.stop())
            for _ in range(turns):
                await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.wait((stopping,))

            await until(lambda: len(asyncio.all_tasks()) == 1)
            # Whatever was still being given back may have taken a connection, which goes with who asked.
            await listener.stop()
            await until(lambda: len(admin.client_list()) == 1)

    async def test_a_wrong_password_is_named_but_not_told(self) -> None:
        with RedisServer("--requirepass", "right-horse") as server:
            for url in (server.broker_url, server.broker_url.replace("redis://", "redis://:wrong-horse@")):
                queue, listener = DramatiqJobQueue(url), DramatiqListener(url, ["alpha"], nothing)
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
            listener = DramatiqListener(url, ["alpha"], nothing)

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
            async with self.listening("alpha", on_ring=on_ring, most=2):
                await queue.ring("alpha", new_job_id())
                await asyncio.wait_for(heard.get(), PATIENCE_S)
                server.kill()
                # Its acknowledgement fails, is owed, and holds up neither thread nor stop.
                released.set()
                with pytest.raises(Unavailable):
                    await queue.ring("alpha", new_job_id())
                server.start()
                await insist(lambda: queue.ring("alpha", new_job_id()))
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
                with redis.Redis.from_url(self.url) as client:
                    await until(lambda: self.bodies(client) == 0 and self.waiting(client) == 0)
                    await until(lambda: not client.keys(f"{self.namespace}:__acks__*"))
            await queue.aclose()

    @pytest.mark.usefixtures("unpolled")
    async def test_a_bell_that_was_cut_off_is_heard_again(self, queue: DramatiqJobQueue, server: RedisServer) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listening("alpha", on_ring=heard.put):
            with server.admin() as admin:
                await self.until_heard(admin)
                admin.client_kill_filter(_type="pubsub")
                # Nobody hears this one's announcement; the bell looks once it is back.
                await queue.ring("alpha", new_job_id())
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"
                await self.until_heard(admin)
            await queue.ring("alpha", new_job_id())
            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_a_fetch_whose_answer_was_lost_strands_no_ring(
        self, queue: DramatiqJobQueue, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        listener = DramatiqListener(self.url, ["alpha"], heard.put, namespace=self.namespace)
        broker = listener._broker
        fetch = broker.fetch
        lost: list[object] = []

        async def lossy(queue_name: str, most: int) -> list[bytes | None]:
            answer = await fetch(queue_name, most)
            if answer and not lost:
                lost.append(answer)
                raise redis.TimeoutError("on purpose")
            return answer

        monkeypatch.setattr(broker, "fetch", lossy)
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
