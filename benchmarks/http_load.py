"""A lean HTTP/1.1 client over keep-alive connections, so that what is measured is the server; imports uvloop."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import attrs
import uvloop

T = TypeVar("T")

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class Answer:
    """What came back."""

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By name in small letters; read only where somebody asks for them."""
        lines = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in lines}

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One connection; one request at a time. Two thirds of what each costs with asyncio's streams."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._transport: asyncio.Transport | None = None
        self._come = bytearray()
        #: Length of the answer's head, and of the answer with it; 0 while the head is not whole.
        self._head = self._whole = 0
        self._answer: asyncio.Future[Answer] | None = None

    async def __aenter__(self) -> Self:
        self._transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()

    async def get(self, path: str, headers: str = "") -> Answer:
        """GET."""
        return await self.exchange(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())

    async def post(self, path: str, body: dict[str, Any], headers: str = "") -> Answer:
        """POST JSON."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}"
        return await self.exchange(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    async def exchange(self, request: bytes) -> Answer:
        """Send these bytes and read an answer that has a length."""
        assert self._transport is not None
        assert not self._transport.is_closing(), "the server has hung up"
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        assert self._answer is not None, "an answer that nobody asked for"
        self._come += data
        if not self._whole:
            self._head = self._come.find(b"\r\n\r\n") + 4
            if self._head < 4:
                return
            length = _LENGTH.search(self._come, 0, self._head)
            self._whole = self._head + (int(length[1]) if length else 0)
        if len(self._come) >= self._whole:
            assert len(self._come) == self._whole, "more than one answer"
            head, body = bytes(self._come[: self._head - 4]), bytes(self._come[self._head :])
            self._come.clear()
            self._whole = 0
            # HTTP/1.1 200 OK
            self._answer.set_result(Answer(status=int(head[9:12]), head=head, body=body))

    def connection_lost(self, error: Exception | None) -> None:
        """The server hung up, or we did."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up in the middle of an answer"))


async def flood(url: str, requests: Sequence[Callable[[Connection], Awaitable[Any]]], connections: int) -> list[Any]:
    """Every answer, in order, asked for over that many connections as fast as they come."""
    answers: list[Any] = [None] * len(requests)
    todo = iter(range(len(requests)))

    async def one() -> None:
        async with Connection(url) as connection:
            for index in todo:
                answers[index] = await requests[index](connection)

    await asyncio.gather(*(one() for _ in range(connections)))
    return answers


def run(load: Coroutine[Any, Any, T]) -> T:
    """What asyncio.run does, on the loop that costs the load least; the service has the same."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)
