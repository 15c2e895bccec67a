"""What the doorbell on Dramatiq is tried on: a namespace of its own on a real Redis, and those who ring and hear.

May import pytest, redis-py, the adapter under test and the neighbouring modules of the tests.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import redis

from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener, default_broker_url
from adapters.dramatiq_queue.ring import queue_of
from imaging_core.errors import Unavailable
from redis_server import RedisServer, shared_server
from redis_setting import until

#: Longest wait for a ring that must be heard, in s.
PATIENCE_S = 10.0

OnRing = Callable[[str], Awaitable[bool | None]]


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
        self, *backends: str, on_ring: OnRing, most: int = 2, free: Callable[[str], int] | None = None
    ) -> AsyncIterator[DramatiqListener]:
        listener = DramatiqListener(self.url, backends, on_ring, most=most, free=free, namespace=self.namespace)
        await listener.start()
        try:
            yield listener
        finally:
            await listener.stop()

    @pytest.fixture
    def unpolled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a poll that never comes within the test, only the bell can wake a listener."""
        monkeypatch.setattr("adapters.dramatiq_queue.inbox.IDLE_S", 3_600.0)

    async def until_heard(self, server: redis.Redis) -> None:
        """Return as soon as a listener hears the bell, by the server's own count."""
        channel = f"{self.namespace}:bell".encode()
        await until(lambda: dict(server.pubsub_numsub(channel))[channel] == 1)

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


async def nothing(_: str) -> None:
    """Take a ring and do nothing."""


def into(heard: "asyncio.Queue[str]", word: str) -> OnRing:
    async def on_ring(_: str) -> None:
        await heard.put(word)

    return on_ring


async def insist(action: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await action()
            except Unavailable:
                await asyncio.sleep(0.05)
