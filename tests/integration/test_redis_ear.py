"""A channel of Redis is heard from the loop: each message, and that the connection is over, however it ends."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool

from adapters.redis_line import listen
from redis_server import RedisServer, shared_server
from redis_setting import until

PATIENCE_S = 10.0


@pytest.fixture
def server(request: pytest.FixtureRequest) -> RedisServer:
    return shared_server(request.config)


@asynccontextmanager
async def _listening(
    url: str, channel: str
) -> AsyncIterator[tuple["asyncio.Queue[bytes | None]", "asyncio.Task[None]"]]:
    """What is heard, and the task that hears it."""
    heard: asyncio.Queue[bytes | None] = asyncio.Queue()
    task: asyncio.Task[None] = asyncio.create_task(
        listen(ConnectionPool.from_url(url, protocol=2, socket_timeout=2.0), channel, heard.put_nowait)
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield heard, task
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_messages_come_in_order_after_word_that_earlier_ones_were_missed(server: RedisServer) -> None:
    channel = f"test-{secrets.token_hex(4)}"
    async with _listening(server.url, channel) as (heard, _):
        first = await heard.get()
        with server.admin() as admin:
            for number in range(3):
                admin.publish(channel, f"{number}")
                admin.publish(f"{channel}-of-others", "nothing for us")

        assert [first, *[await heard.get() for _ in range(3)]] == [None, b"0", b"1", b"2"]


async def test_a_connection_that_is_lost_ends_it(server: RedisServer) -> None:
    async with _listening(server.url, f"test-{secrets.token_hex(4)}") as (heard, task):
        await heard.get()
        with server.admin() as admin:
            admin.client_kill_filter(_type="pubsub")

        with pytest.raises(redis_errors.ConnectionError):
            await task


async def test_a_channel_that_is_forbidden_ends_it() -> None:
    with RedisServer() as server:
        with server.admin() as admin:
            admin.execute_command("ACL", "SETUSER", "deaf", "on", "nopass", "+@all", "~*", "resetchannels")
        async with _listening(server.url.replace("redis://", "redis://deaf:x@"), "bell") as (_, task):
            with pytest.raises(redis_errors.ResponseError, match="NOPERM"):
                await task


async def test_silence_is_no_end_but_a_redis_that_has_fallen_silent_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.redis_line.ear._SILENCE_S", 0.3)
    with RedisServer() as server:
        async with _listening(server.url, "bell") as (heard, task):
            await heard.get()
            await until(lambda: server.info("commandstats").get("cmdstat_ping", {}).get("calls", 0) >= 3)
            assert not task.done()

            server.freeze()
            try:
                with pytest.raises(redis_errors.TimeoutError):
                    await task
            finally:
                server.thaw()
