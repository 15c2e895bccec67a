"""A Redis that would lose accepted jobs is refused at start, with the command that mends it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.redis import RedisLink, UnsuitableRedis, VolatileRedis, check_durability
from imaging_core.errors import Unavailable
from redis_server import RedisServer
from redis_setting import dead_link

__all__ = ["dead_link"]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def link(server: RedisServer) -> AsyncIterator[RedisLink]:
    link = RedisLink(server.url)
    yield link
    await link.aclose()


async def test_a_server_with_an_append_only_file_is_accepted(link: RedisLink) -> None:
    await check_durability(link)


@pytest.mark.parametrize(
    ("name", "bad", "good"), [("appendonly", "no", "yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")]
)
async def test_a_server_that_would_lose_jobs_is_refused_with_its_cure(
    server: RedisServer, link: RedisLink, name: str, bad: str, good: str
) -> None:
    server.configure(**{name: bad})

    with pytest.raises(VolatileRedis) as refused:
        await check_durability(link)

    cure = f"redis-cli -h 127.0.0.1 -p {server.port} CONFIG SET {name} {good}"
    assert cure in str(refused.value)
    await check_durability(link, allow_volatile=True)
    with server.admin() as admin:
        admin.execute_command(*cure.split()[5:])
    await check_durability(link)


async def test_a_replica_is_refused_though_volatile_is_allowed(server: RedisServer, link: RedisLink) -> None:
    with server.admin() as admin:
        admin.replicaof("127.0.0.1", "1")

    with pytest.raises(UnsuitableRedis, match="read-only replica"):
        await check_durability(link, allow_volatile=True)


async def test_a_server_that_does_not_answer_is_not_judged(dead_link: RedisLink) -> None:
    with pytest.raises(Unavailable) as refused:
        await check_durability(dead_link)

    assert "open-sesame" not in str(refused.value)
