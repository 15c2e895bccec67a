"""uvicorn's HTTP/1.1 with an end to its patience: no half-sent head, half-sent body or unread answer holds on for ever.

uvicorn has a deadline for idle connections between two requests only. With httptools a new connection that sends nothing,
or a head that comes one byte a minute, stays for as long as its sender likes, and its head may grow without end.
Imports uvicorn, attrs and the API's problems.
"""

import asyncio
import socket
import struct
from typing import cast

import attrs
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.api.problems import Problem

#: struct linger: on, for 0 s.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
#: Longest piece of an answer that is sent together with its neighbours, in bytes.
_COPIED = 32_768


class _OnePacket:
    """A connection's transport that sends what is written in one turn of the loop at once.

    uvicorn writes an answer's head and its body one by one, which are two system calls here and two packets on the way,
    each of which wakes the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._unsent: list[bytes] = []
        # Everything else is the transport's own affair.
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Send it with what else is written now."""
        if len(data) > _COPIED:
            # To be joined it would be copied; uvloop hands all of them to the system in one call.
            unsent, self._unsent = self._unsent, []
            self._transport.writelines([*unsent, data])
        else:
            if not self._unsent:
                self._call_soon(self._send)
            self._unsent.append(data)

    def _send(self) -> None:
        if self._unsent:
            data, self._unsent = b"".join(self._unsent), []
            if not self._transport.is_closing():
                self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        """What the client has not taken yet, in bytes."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._unsent))

    def close(self) -> None:
        """Close it once everything is sent."""
        self._send()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Somebody else takes over: a WebSocket."""
        self._send()
        self._transport.set_protocol(protocol)


@attrs.frozen(kw_only=True)
class ConnectionLimits:
    """How long and how much a connection may ask for; times in s."""

    #: From the first byte of a request, or from the connection's beginning, to the end of the request's head.
    head_deadline_s: float = 15.0
    #: Longest head while it is incomplete, in bytes.
    max_head_bytes: int = 65_536
    #: How long the reader of an answer may take nothing of it.
    stalled_reader_s: float = 60.0
    #: How long a half-sent body may still go on once the server stops.
    closing_body_s: float = 2.0


class GuardedProtocol(HttpToolsProtocol):
    """One connection; every wait for its client has an end."""

    limits = ConnectionLimits()

    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    #: Whether a request's head has begun and is not whole; the same of its body.
    _in_head = False
    _in_body = False
    #: How many heads came whole, and how long the incomplete one is so far, in bytes.
    _heads = 0
    _head_bytes = 0

    # --- a head that does not end ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client is there; its first head must come in time."""
        super().connection_made(cast("asyncio.Transport", _OnePacket(transport)))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Pass it on, and see what is still missing afterwards."""
        heads, outside_body = self._heads, not self._in_body
        super().data_received(data)
        if self.transport.is_closing():
            return
        # Blank lines between two requests begin none, but they do put off uvicorn's deadline for idle connections.
        none_ended = outside_body and heads == self._heads
        if none_ended:
            self._head_bytes += len(data)
        if self._head_bytes > self.limits.max_head_bytes:
            self._refuse("head-too-large", 431, f"The head may have at most {self.limits.max_head_bytes} bytes.")
        elif (none_ended or self._in_head) and self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """The last byte of a head."""
        self._in_head, self._in_body = False, True
        self._heads += 1
        self._head_bytes = 0
        _cancel(self._head_timer)
        self._head_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        super().on_message_complete()
        self._in_body = False

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_deadline_s, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # The answer to the request before is under way, and goes first.
            self._await_head()
        elif self._in_head:
            self._refuse("head-too-slow", 408, f"The head must come within {self.limits.head_deadline_s:g} s.")
        else:
            # Nothing was asked, so there is nothing to answer.
            self.transport.close()

    def _refuse(self, kind: str, status: int, detail: str) -> None:
        if self.cycle is None or self.cycle.response_complete:
            answer = Problem(kind, status, detail, headers={"connection": "close"}).response()
            lines = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
            self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + bytes(answer.body))
        self.transport.close()

    # --- an answer that nobody reads ---------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The client does not keep up; it has to get on with it."""
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        _cancel(self._reader_timer)
        self._reader_timer = None

    def _watch_reader(self, left: int) -> None:
        self._reader_timer = self.loop.call_later(self.limits.stalled_reader_s, self._look_at_reader, left)

    def _look_at_reader(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < before:
            # Slow, but reading.
            self._watch_reader(left)
        else:
            # Without a reset the kernel would keep what is never read, and the connection, for many minutes more.
            wire = self.transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()

    # --- the end -----------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """The server stops: a request that is whole gets its answer, one that is not gets a moment more."""
        super().shutdown()
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self._body_timer = self.loop.call_later(self.limits.closing_body_s, self._give_body_up)

    def _give_body_up(self) -> None:
        if self.cycle.more_body:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        for timer in (self._head_timer, self._reader_timer, self._body_timer):
            _cancel(timer)
        super().connection_lost(exc)


def guarded(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """The protocol with these limits, as uvicorn wants it: a class."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
