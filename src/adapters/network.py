"""TCP and TLS for httpcore over asyncio itself, for the adapters that call others; imports httpcore.

Not httpcore's own, over anyio, whose scopes, locks and checkpoints took a third of the processor time of a call.
"""

import asyncio
import ipaddress
import socket
import ssl
from asyncio.staggered import staggered_race
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import httpcore

#: How long one address may take before the next is tried beside it, in s: RFC 8305.
NEXT_AFTER_S = 0.25
#: How many bytes may wait to be read before the other side has to wait.
_ENOUGH = 256 << 10
#: httpcore's names for what asyncio knows of a connection.
_NAMES = {"client_addr": "sockname", "server_addr": "peername"}


class Line(httpcore.AsyncNetworkStream, asyncio.Protocol):
    """One connection; one reads and one writes at a time. Raises httpcore's errors."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._arrived: deque[bytes] = deque()
        self._size = 0
        self._held_up = False
        #: No more arrives; with what went wrong, if anything did.
        self._ended = False
        self._error: Exception | None = None
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, at most that much; nothing at the end."""
        if not (self._arrived or self._ended):
            self._news.clear()
            await _within(timeout, self._news, httpcore.ReadTimeout)
        if self._arrived:
            return self._taken(max_bytes)
        if self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send it; returns when there is room for more."""
        if self._ended:
            # uvloop knows only RuntimeError for it.
            raise httpcore.WriteError("the connection is closed") from self._error
        self._transport.write(buffer)
        if not self._room.is_set():
            await _within(timeout, self._room, httpcore.WriteTimeout)
        if self._error is not None:
            raise httpcore.WriteError(str(self._error)) from self._error

    async def aclose(self) -> None:
        """Let go of it at once, without the farewells of TLS: whoever needs them knows the length of an answer."""
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Line":
        """The same connection, encrypted from here on."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                secure = await loop.start_tls(self._transport, self, ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        self._transport = cast("asyncio.Transport", secure)
        return self

    def get_extra_info(self, info: str) -> Any:
        """What is known of it, by httpcore's names; None for what is not."""
        return self._transport.get_extra_info(_NAMES.get(info, info))

    def _taken(self, most: int) -> bytes:
        data = self._arrived.popleft()
        if len(data) > most:
            self._arrived.appendleft(data[most:])
            data = data[:most]
        self._size -= len(data)
        if self._held_up and self._size <= _ENOUGH and not self._ended:
            self._held_up = False
            self._transport.resume_reading()
        return data

    # --- as asyncio tells it -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something has arrived."""
        self._arrived.append(data)
        self._size += len(data)
        if self._size > _ENOUGH and not self._held_up:
            self._held_up = True
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> None:
        """Nothing more will; asyncio closes it."""
        self._ended = True
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._ended, self._error = True, exc
        self._news.set()
        self._room.set()

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self._room.clear()

    def resume_writing(self) -> None:
        """It was sent."""
        self._room.set()


async def _within(timeout: float | None, event: asyncio.Event, error: type[Exception]) -> None:
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError as over:
        raise error from over


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections, and knows which: httpcore lets go of one whose TLS handshake is cancelled without closing it."""

    def __init__(self) -> None:
        self._opened: list[Line] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of the host that takes one, to be closed with this."""
        try:
            async with asyncio.timeout(timeout):
                line = await self._first(await _addresses(host, port), port, local_address)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for option in socket_options or ():
            line.get_extra_info("socket").setsockopt(*option)
        return line

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        for line in self._opened:
            await line.aclose()

    async def _first(self, addresses: Sequence[str], port: int, local_address: str | None) -> Line:
        if len(addresses) == 1:
            return await self._open(addresses[0], port, local_address)
        attempts = [partial(self._open, address, port, local_address) for address in addresses]
        line, _, errors = await staggered_race(attempts, NEXT_AFTER_S)
        if line is None:
            raise next((error for error in errors if error is not None), OSError("there is no address"))
        return cast("Line", line)

    async def _open(self, address: str, port: int, local_address: str | None) -> Line:
        local = None if local_address is None else (local_address, 0)
        _, line = await asyncio.get_running_loop().create_connection(Line, address, port, local_addr=local)
        self._opened.append(line)
        return line


async def _addresses(host: str, port: int) -> list[str]:
    """Where a host is, the two families in turn, so that one that leads nowhere costs no more than a moment."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    seen: dict[int, int] = {}
    ranked = []
    for family, _, _, _, (address, *_) in found:
        seen[family] = seen.get(family, 0) + 1
        ranked.append((seen[family], address))
    # Within a rank the resolver's order stays, in which the preferred family is first.
    return list(dict.fromkeys(str(address) for _, address in sorted(ranked, key=lambda each: each[0])))
