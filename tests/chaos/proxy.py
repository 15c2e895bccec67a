"""A TCP proxy before Redis that swallows the n-th reply to a kind of command; imports the standard library.

It reads the protocol only as far as it must to know which reply belongs to which command.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import Literal, Self

Way = Literal["cut", "black-hole"]

#: Words in a command that name what it does; Dramatiq's one script takes them as its first argument.
_WORDS = (b"fetch", b"enqueue", b"ack")
#: Commands after which replies no longer belong to commands one by one.
_PUSHES = (b"SUBSCRIBE", b"PSUBSCRIBE")


class SwallowingProxy:
    """Between our processes and one Redis; every method may be called from any thread."""

    def __init__(self, port: int) -> None:
        """`port` is the server's."""
        self.port = 0
        #: Replies that never arrived, in order: kind and way.
        self.swallowed: list[tuple[str, str]] = []
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._armed: dict[str, tuple[int, Way]] = {}
        self._passes = asyncio.Event()
        self._lines: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._passes.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for line in tuple(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    # --- what it does wrong ------------------------------------------------------------------------------

    def arm(self, kind: str, nth: int, way: Way) -> None:
        """Swallow the n-th reply from now to a command of that kind ("any" for all), then pass everything again."""
        self._loop.call_soon_threadsafe(self._armed.__setitem__, kind, (nth, way))

    def disarm(self) -> None:
        """Swallow nothing that was not swallowed yet."""
        self._loop.call_soon_threadsafe(self._armed.clear)

    def hold(self) -> None:
        """Let no command through until `release`; those that come meanwhile are lost."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def release(self) -> None:
        """Let commands pass again."""
        self._loop.call_soon_threadsafe(self._passes.set)

    def _verdict(self, kind: str) -> Way | None:
        for name in (kind, "any"):
            if name in self._armed:
                nth, way = self._armed[name]
                if nth > 1:
                    self._armed[name] = (nth - 1, way)
                    continue
                del self._armed[name]
                self.swallowed.append((kind, way))
                return way
        return None

    # --- lines -------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        up = None
        try:
            from_redis, up = await asyncio.open_connection("127.0.0.1", self._upstream)
            kinds: deque[str] = deque()
            ways = [
                asyncio.create_task(self._commands(reader, up, kinds)),
                asyncio.create_task(self._replies(from_redis, writer, kinds)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(task)
            for end in (writer, up):
                if end is not None:
                    end.transport.abort()

    async def _commands(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter, kinds: deque[str]) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw = await _value(reader)
                if not self._passes.is_set():
                    # What was held is never heard: whoever sent it is dead by the time of the release.
                    await self._passes.wait()
                    return
                kinds.append(_kind_of(raw))
                up.write(raw)
                await up.drain()

    async def _replies(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter, kinds: deque[str]) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw = await _value(reader)
                kind = kinds.popleft() if kinds and kinds[0] != "push" else "push"
                way = None if kind == "push" else self._verdict(kind)
                if way == "cut":
                    return
                if way == "black-hole":
                    # The connection stays, and nothing ever comes from it again.
                    while await reader.read(1 << 16):
                        pass
                    return
                down.write(raw)
                await down.drain()


async def _value(reader: asyncio.StreamReader) -> bytes:
    """One whole value of the protocol, as it came."""
    head = await reader.readuntil(b"\r\n")
    mark, number = head[:1], head[1:-2]
    if mark == b"$":
        return head if number == b"-1" else head + await reader.readexactly(int(number) + 2)
    if mark == b"*" and number != b"-1":
        return head + b"".join([await _value(reader) for _ in range(int(number))])
    return head


def _kind_of(command: bytes) -> str:
    words = command.split(b"\r\n")[2::2]
    if words[0].upper() in _PUSHES:
        return "push"
    for word in _WORDS:
        if word in words[:8]:
            return word.decode()
    return "other"
