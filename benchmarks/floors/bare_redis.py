"""The least that a durable job takes in two processes with Redis: `uvicorn benchmarks.floors.bare_redis:app` takes jobs and tells
their ends, `python -m benchmarks.floors.bare_redis` makes them.

Redis keeps them as the service's does, in a file that is synced each second.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import hiredis

from benchmarks.floors.bare_job import RECORD, Door, made
from benchmarks.http_load import run

#: Jobs at once.
_SLOTS = 200


class Wire(asyncio.Protocol):
    """One connection that many ask through at once."""

    def __init__(self, heard: Callable[[bytes], None] | None = None) -> None:
        """With `heard` it listens: every message that is published goes there."""
        self._reader = hiredis.Reader()
        self._asked: deque[asyncio.Future[object]] = deque()
        self._heard = heard

    @classmethod
    async def to(cls, url: str, heard: Callable[[bytes], None] | None = None) -> "Wire":
        """Connected to the Redis at that URL."""
        parts = urlsplit(url)
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda: cls(heard), parts.hostname or "127.0.0.1", parts.port or 6379
        )
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, *commands: tuple[str | bytes, ...]) -> object:
        """All of them in one round trip; the answer to the last."""
        futures = [asyncio.get_running_loop().create_future() for _ in commands]
        self._asked.extend(futures)
        self._transport.write(b"".join(map(hiredis.pack_command, commands)))  # type: ignore[arg-type]  # any length
        return await futures[-1]

    def data_received(self, data: bytes) -> None:
        """Some answers, or messages."""
        self._reader.feed(data)
        while (found := self._reader.gets()) is not False:
            if self._asked:
                self._asked.popleft().set_result(found)
            elif self._heard is not None and isinstance(found, list):
                self._heard(found[2])


class Taking:
    """The process that answers."""

    async def open(self) -> None:
        """Connect, and listen for ends."""
        self._ends: dict[bytes, asyncio.Future[None]] = {}
        self._wire = await Wire.to(os.environ["FLOOR_REDIS"])
        listening = await Wire.to(os.environ["FLOOR_REDIS"], lambda job_id: self._ends[job_id].set_result(None))
        await listening.ask(("SUBSCRIBE", "ends"))

    async def submit(self, job_id: str) -> "asyncio.Future[None]":
        """Keep a new job and ring for it."""
        end = self._ends[job_id.encode()] = asyncio.get_running_loop().create_future()
        await self._wire.ask(("SET", job_id, RECORD), ("LPUSH", "waiting", job_id))
        return end


async def make() -> None:
    """Make jobs as they come, for ever."""
    url = os.environ["FLOOR_REDIS"]
    wire, waiting = await Wire.to(url), await Wire.to(url)
    tasks: set[asyncio.Task[None]] = set()
    free = asyncio.Semaphore(_SLOTS)

    async def one(job_id: str) -> None:
        await wire.ask(("SET", job_id, RECORD))
        await made(job_id, lambda job_id: wire.ask(("SET", job_id, RECORD)))
        await wire.ask(("SET", job_id, RECORD), ("PUBLISH", "ends", job_id))
        free.release()

    while True:
        await free.acquire()
        answer = await waiting.ask(("BRPOP", "waiting", "0"))
        assert isinstance(answer, list), answer
        task = asyncio.create_task(one(answer[1].decode()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


app = Door(Taking())

if __name__ == "__main__":
    run(make())
