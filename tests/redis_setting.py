"""What the promises of the Redis adapters are tried on: a real server, a prefix per test, a clock nobody can hurry.

May import pytest, the adapters under test and the neighbouring modules of the tests.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import ClassVar

import pytest

from adapters.redis import RedisJobEvents, RedisJobRepository, RedisLink, RedisSpendBook
from contracts.job_setting import RepositorySetting
from imaging_core.key_ports import SpendBook
from imaging_core.ports import JobEvents, JobRepository
from redis_server import RedisServer, shared_server


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; TimeoutError when it does not within 10 s."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


class OnRedis(RepositorySetting):
    """A repository and its events on the shared server."""

    tick_s: ClassVar[float] = 0.3
    slack_s: ClassVar[float] = 0.25
    certain: ClassVar[bool] = False
    forgets_after: ClassVar[int] = 400

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        return shared_server(request.config)

    @pytest.fixture
    async def link(self, server: RedisServer) -> AsyncIterator[RedisLink]:
        link = RedisLink(server.url, prefix=f"test-{secrets.token_hex(4)}:")
        yield link
        await link.aclose()

    @pytest.fixture
    def repository(self, link: RedisLink) -> JobRepository:
        # Redis trims a stream in nodes of a hundred entries.
        return RedisJobRepository(link, log_length=100)

    @pytest.fixture
    def book(self, link: RedisLink) -> SpendBook:
        return RedisSpendBook(link)

    @pytest.fixture
    async def events(self, link: RedisLink) -> AsyncIterator[JobEvents]:
        events = RedisJobEvents(link)
        yield events
        await events.aclose()

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class OnOwnRedis(OnRedis):
    """The same on a server of the test's own, which it may kill, freeze, fill or reconfigure."""

    @pytest.fixture
    def server(self) -> Iterator[RedisServer]:
        with RedisServer() as server:
            yield server


@pytest.fixture
async def dead_link() -> AsyncIterator[RedisLink]:
    """A link to a port where nobody listens."""
    with socket.socket() as bound:
        # Bound but not listening: connections are refused, and nobody else can take the port.
        bound.bind(("127.0.0.1", 0))
        link = RedisLink(f"redis://:open-sesame@127.0.0.1:{bound.getsockname()[1]}/0")
        yield link
        await link.aclose()
