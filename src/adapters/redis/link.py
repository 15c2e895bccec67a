"""The one way to a Redis: a bounded pool, short time-outs, scripts by name; imports redis-py, stdlib and the core.

One link serves the repository, the events and the gate of a process; whoever made it closes it.
"""

import functools
import re
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError

from adapters.redis.cancels import cancels_heeded
from adapters.redis.clock import ServerClock
from adapters.redis.faults import address_of, translated

#: How long Redis may take to answer, in s. It must be well below a lease.
ANSWER_S: Final = 5.0
CONNECT_S: Final = 2.0
#: Most connections of one link. Commands take well under a millisecond, so few serve many.
CONNECTIONS: Final = 24


class RedisLink:
    """A client of one Redis database and the prefix under which everything of this service lives there.

    Nothing connects before the first command. Every error leaves as `Unavailable`.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "imaging:",
        setting: str = "IMAGING_REDIS_URL",
        answer_s: float = ANSWER_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        """Prepare a link; `setting` is the name under which people set the URL, for sentences.

        Raises ValueError for a URL that is none, without repeating it.
        """
        self.prefix = prefix
        self.setting = setting
        self._url = url
        self._answer_s, self._connect_s = answer_s, connect_s
        try:
            self.address = address_of(url)
            self._client = self._make_client(answer_s, CONNECTIONS)
        except (ValueError, TypeError):
            # What urllib and redis-py say may hold a part of the URL, and so of the password.
            raise ValueError(f"{setting} is not a URL like redis://:password@host:6379/0.") from None
        self._scripts: dict[str, AsyncScript] = {}
        self.clock = ServerClock(self._ask_time)

    def __repr__(self) -> str:
        return f"RedisLink({self.address!r}, prefix={self.prefix!r})"

    def key(self, *parts: str) -> str:
        """A key of this service."""
        return self.prefix + ":".join(parts)

    async def script(self, name: str, *args: str | bytes | float) -> Any:
        """What the Lua script of that name returns; it is one atomic step."""
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(_source(name))
        with translated(self.address, self.setting), cancels_heeded():
            return await script(keys=[self.prefix], args=args)

    async def command(self, *args: str | bytes | float) -> Any:
        """What Redis answers to a command."""
        with translated(self.address, self.setting):
            return await execute(self._client, *args)

    async def transaction(self, *commands: tuple[str | bytes | float, ...]) -> list[Any]:
        """The answers to several commands that nothing comes between."""
        with translated(self.address, self.setting), cancels_heeded():
            async with self._client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute()
                return answers

    def blocking_client(self, block_s: float) -> Redis:
        """Another client with one connection, for a command that may rightly stay silent for `block_s`.

        The caller closes it and translates its errors.
        """
        return self._make_client(block_s + self._answer_s, 1)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _make_client(self, answer_s: float, connections: int) -> Redis:
        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=connections,
            timeout=self._answer_s,
            socket_timeout=answer_s,
            socket_connect_timeout=self._connect_s,
            **_only_over_tcp(self._url),
            health_check_interval=30,
            # RESP3 would only add maintenance notifications here, and asks for a HELLO that old proxies lack.
            protocol=2,
            # Once, for a connection that Redis closed while it lay in the pool. A time-out is not repeated: the caller
            # would wait twice. Every script bears being sent twice.
            retry=Retry(ConstantBackoff(0.02), 1, supported_errors=(RedisConnectionError,)),
        )
        return Redis.from_pool(pool)

    async def _ask_time(self) -> int:
        seconds, micros = await self.command("TIME")
        return int(seconds) * 1_000_000 + int(micros)


def _only_over_tcp(url: str) -> dict[str, bool]:
    """What a connection takes unless it leads through a socket's file, which has nobody to keep awake."""
    return {} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}


async def execute(client: Redis, *args: str | bytes | float) -> Any:
    """What Redis answers to a command, errors as redis-py raises them."""
    with cancels_heeded():
        return await client.execute_command(*args)  # type: ignore[no-untyped-call]


@functools.cache
def _source(name: str) -> str:
    """A script's text behind the functions that all of them share, comments and indentation left out."""
    folder = resources.files("adapters.redis") / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", name))
    return re.sub(r"(?m)^\s*(--.*)?\n|^\s+", "", text)
