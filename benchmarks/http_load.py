"""A lean HTTP/1.1 client over keep-alive connections, so that what is measured is the server; imports the standard library."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import attrs


@attrs.frozen(kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection; one request at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        # A whole picture fits into the buffer: fewer turns of the loop for each download.
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=1 << 22)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    async def get(self, path: str, headers: str = "") -> Answer:
        """GET."""
        return await self._exchange(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())

    async def post(self, path: str, body: dict[str, Any], headers: str = "") -> Answer:
        """POST JSON."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}"
        return await self._exchange(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)

    async def _exchange(self, request: bytes) -> Answer:
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(request)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        length = int(headers.get("content-length", 0))
        return Answer(
            status=int(first.split(" ", 2)[1]),
            headers=headers,
            body=await self._reader.readexactly(length) if length else b"",
        )


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
