"""Downloads one picture over and over, for a sixth of what asyncio's streams cost the processor; imports the standard library.

With bodies of this size a client of streams needs more of the processor than the servers do, and would be what is measured.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

#: Room for one read of any connection, in bytes: small enough to stay in the processor's own memory while it is compared.
_ROOM = 256 << 10


class _Download:
    """One connection, which asks for the picture again as soon as it has come."""

    def __init__(self, url: str, path: str, expected: memoryview) -> None:
        parts = urlsplit(url)
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._expected = expected
        #: How much of the body has come; None while the head has not.
        self._come: int | None = None
        self.socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def ask(self) -> None:
        """Send the request."""
        self._come = None
        sent = self.socket.send(self._request)
        assert sent == len(self._request), "a socket took a part of a request"

    def read(self, room: bytearray) -> bool:
        """Take what has come and compare it; whether that was the end of the answer."""
        size = self.socket.recv_into(room)
        assert size, "the server hung up"
        start = 0
        if self._come is None:
            start = self._head(room, size)
            self._come = 0
        until = self._come + size - start
        # Compared where it lies: neither a slice of a bytearray nor a hash of it is free.
        assert room.startswith(self._expected[self._come : until], start), "other bytes than the first time"
        self._come = until
        return until == len(self._expected)

    def _head(self, room: bytearray, size: int) -> int:
        """Check status and length; where the body begins."""
        end = room.find(b"\r\n\r\n", 0, size)
        assert end > 0, "the head of an answer came in parts"
        status, *lines = bytes(room[:end]).lower().split(b"\r\n")
        assert status.split(b" ")[1] == b"200", status
        assert b"content-length: %d" % len(self._expected) in lines, lines
        return end + 4


def download(url: str, path: str, expected: bytes, *, times: int, connections: int) -> float:
    """Seconds until it has come that many times, each time with 200, its length and exactly these bytes."""
    room = bytearray(_ROOM)
    with ExitStack() as stack, select.epoll() as events:
        downloads = {}
        for _ in range(min(connections, times)):
            one = _Download(url, path, memoryview(expected))
            downloads[stack.enter_context(one.socket).fileno()] = one
            events.register(one.socket, select.EPOLLIN)
        begin = time.perf_counter()
        for one in downloads.values():
            one.ask()
        asked, ended = len(downloads), 0
        for one in _readable(events, downloads):
            if one.read(room):
                ended += 1
                if ended == times:
                    break
                if asked < times:
                    one.ask()
                    asked += 1
        return time.perf_counter() - begin


def _readable(events: select.epoll, downloads: dict[int, _Download]) -> Iterator[_Download]:
    """Connections with something to read, for ever."""
    while True:
        for descriptor, _ in events.poll():
            yield downloads[descriptor]
