"""Hears what is published on a channel of a Redis, on the event loop; imports redis-py and hiredis.

redis-py reads such a connection through asyncio's streams, with a time-out and a health check for each message.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

import hiredis
from redis import exceptions as redis_errors
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from adapters.redis_line.cancels import cancels_heeded

#: How long a channel may be silent before Redis is asked whether it is still there, and how long it may take to say so, in s.
_SILENCE_S: Final = 15.0

Heard = Callable[[bytes | None], None]


async def listen(pool: ConnectionPool, channel: str, heard: Heard) -> NoReturn:
    """Tell `heard` each message of a channel until cancelled; first None, since what came before was missed.

    `pool` says how to connect. Raises the errors of redis-py once the connection is lost, refused or dead silent.
    """
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        with cancels_heeded():
            await connection.connect()
        await _Ear(connection, heard).listen(channel)
    finally:
        await connection.disconnect(nowait=True)


class _Ear(asyncio.Protocol):
    """An open connection that listens."""

    def __init__(self, connection: AbstractConnection, heard: Heard) -> None:
        self._heard = heard
        self._reader = hiredis.Reader()
        self._ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._silent = True
        # As in `Line`: redis-py has no public way to it, and nothing is under way when it has connected.
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # type: ignore[union-attr]
        self._transport.set_protocol(self)

    async def listen(self, channel: str) -> NoReturn:
        """Subscribe and hand out what comes; raises what ended it."""
        self._say("SUBSCRIBE", channel)
        asked = True
        while True:
            self._silent = True
            await asyncio.wait((self._ended,), timeout=_SILENCE_S)
            if self._ended.done():
                raise self._ended.result()
            if self._silent and asked:
                raise redis_errors.TimeoutError("Redis has fallen silent.")
            asked = self._silent
            if asked:
                self._say("PING")

    def _say(self, *words: str) -> None:
        self._transport.write(cast("bytes", hiredis.pack_command(words)))  # type: ignore[arg-type]  # as in `Line`

    def data_received(self, data: bytes) -> None:
        """Hand out what has come whole."""
        self._silent = False
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                self._take(answer)
        except hiredis.ProtocolError:
            self._end(redis_errors.ConnectionError("Redis said what nobody can understand."))

    def _take(self, answer: Any) -> None:
        match answer:
            case [b"message", _, bytes(text)]:
                self._heard(text)
            case [b"subscribe", *_]:
                self._heard(None)
            case hiredis.ReplyError():
                self._end(redis_errors.ResponseError(str(answer)))

    def connection_lost(self, error: Exception | None) -> None:
        """End the listening."""
        self._end(redis_errors.ConnectionError(f"The connection was lost: {error or 'Redis closed it'}"))

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
