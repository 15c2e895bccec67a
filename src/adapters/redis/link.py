"""The one way to a Redis: one shared line, short time-outs, scripts by name; imports redis-py, stdlib and the core.

One link serves the repository, the events and the gate of a process; whoever made it closes it.
"""

import asyncio
import functools
import hashlib
import re
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from adapters.redis.clock import ServerClock
from adapters.redis.faults import translated
from adapters.redis_line import Line, address_of

#: How long Redis may take to answer, in s. It must be well below a lease.
ANSWER_S: Final = 5.0
CONNECT_S: Final = 2.0


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
            self._line = Line(self._pool(answer_s), answer_s=answer_s)
        except (ValueError, TypeError):
            # What urllib and redis-py say may hold a part of the URL, and so of the password.
            raise ValueError(f"{setting} is not a URL like redis://:password@host:6379/0.") from None
        self.clock = ServerClock(self._ask_time)

    def __repr__(self) -> str:
        return f"RedisLink({self.address!r}, prefix={self.prefix!r})"

    def key(self, *parts: str) -> str:
        """A key of this service."""
        return self.prefix + ":".join(parts)

    async def script(self, name: str, *args: str | bytes | float) -> Any:
        """What the Lua script of that name returns; it is one atomic step."""
        text, digest = _script(name)
        with translated(self.address, self.setting):
            try:
                return await self._line.ask("EVALSHA", digest, 1, self.prefix, *args)
            except NoScriptError:
                return await self._line.ask("EVAL", text, 1, self.prefix, *args)

    async def command(self, *args: str | bytes | float) -> Any:
        """What Redis answers to a command, as it comes: pairs of names and values lie flat."""
        with translated(self.address, self.setting):
            return await self._line.ask(*args)

    async def transaction(self, *commands: tuple[str | bytes | float, ...]) -> list[Any]:
        """The answers to several commands that nothing comes between."""
        with translated(self.address, self.setting):
            return await self._line.together(*commands)

    async def answers(self, *commands: tuple[str | bytes | float, ...]) -> list[Any]:
        """The answers to several commands, asked at once; those of others may come between them.

        For reads: without memory Redis refuses whatever is queued in a transaction, a read as well.
        """
        return await asyncio.gather(*(self.command(*command) for command in commands))

    def blocking_line(self, block_s: float) -> Line:
        """Another connection, for a command that may rightly stay silent for `block_s`.

        The caller closes it and translates its errors.
        """
        answer_s = block_s + self._answer_s
        return Line(self._pool(answer_s), answer_s=answer_s)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._line.close()

    def _pool(self, answer_s: float) -> ConnectionPool:
        return ConnectionPool.from_url(
            self._url,
            max_connections=1,
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

    async def _ask_time(self) -> int:
        seconds, micros = await self.command("TIME")
        return int(seconds) * 1_000_000 + int(micros)


def _only_over_tcp(url: str) -> dict[str, bool]:
    """What a connection takes unless it leads through a socket's file, which has nobody to keep awake."""
    return {} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}


@functools.cache
def _script(name: str) -> tuple[str, str]:
    """A script's text and its digest, by which Redis knows it once it has seen it."""
    text = _source(name)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _source(name: str) -> str:
    """A script's text behind the functions that all of them share, comments and indentation left out."""
    folder = resources.files("adapters.redis") / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", name))
    return re.sub(r"(?m)^\s*(--.*)?\n|^\s+", "", text)
