"""Reads server-sent events as a browser does; may import the standard library and httpx."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import httpx


@attrs.frozen(kw_only=True)
class Told:
    """One event."""

    kind: str
    #: The last id that was told, this event's or an earlier one's.
    id: str
    data: dict[str, Any]

    @property
    def ends(self) -> bool:
        """Whether it tells that its job has ended."""
        return self.data.get("status") in ("finished", "failed", "cancelled") and self.kind != "deleted"


class Parser:
    """Takes lines, gives events."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.comments = 0
        self.retry_ms: int | None = None
        self._kind = "message"
        self._data: list[str] = []

    def line(self, line: str) -> Told | None:
        """The event that this line completes, if it does."""
        if not line:
            told = None
            if self._data:
                told = Told(kind=self._kind, id=self.last_id, data=json.loads("\n".join(self._data)))
            self._kind, self._data = "message", []
            return told
        if line.startswith(":"):
            self.comments += 1
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self.last_id = value
        else:
            assert name == "retry", line
            self.retry_ms = int(value)
        return None


def told_in(lines: Iterable[str], parser: Parser | None = None) -> Iterator[Told]:
    """The events in these lines."""
    parser = parser or Parser()
    for line in lines:
        if (told := parser.line(line)) is not None:
            yield told


@contextmanager
def listening(client: httpx.Client, path: str, last_id: str = "", **headers: str) -> Iterator[Iterator[Told]]:
    """The events of a stream, while inside."""
    if last_id:
        headers["Last-Event-ID"] = last_id
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
        yield told_in(answer.iter_lines())


@asynccontextmanager
async def following(client: httpx.AsyncClient, path: str, last_id: str = "") -> AsyncIterator[AsyncIterator[Told]]:
    """The same without blocking; a stream that is over (204) has no events."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code in (200, 204), answer.status_code

        async def events() -> AsyncIterator[Told]:
            parser = Parser(last_id)
            async for line in answer.aiter_lines():
                if (told := parser.line(line)) is not None:
                    yield told

        yield events()
