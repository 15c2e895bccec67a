"""The least that a durable job consists of, with nothing of this service: the call, the pixels, the files, and the HTTP around it.

What is durable before what is as in the service: its promises are what these syncs are for.
"""

import asyncio
import json
import os
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from uuid import uuid4

from benchmarks.http_load import Connection

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

FOLDER = Path(os.environ.get("FLOOR_FOLDER", "."))
_BOUNDARY = "a" * 32
_pool, _alone = ThreadPoolExecutor(3), Lock()
#: What is kept of a job, in bytes; the service's records are about as long.
RECORD = b"x" * 1000


async def picture(prompt: str) -> bytes:
    """One call to the provider, over a connection of its own."""
    parts = {"prompt": prompt, "output_format": "png", "seed": "1"}
    form = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    body = f"{form}--{_BOUNDARY}--\r\n".encode()
    head = (
        "POST /v2beta/stable-image/generate/core HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: image/*\r\n"
        f"Authorization: Bearer {os.environ['FLOOR_KEY']}\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    async with Connection(os.environ["FLOOR_STABILITY"]) as connection:
        answer = await connection.exchange(head.encode() + body)
    assert answer.status == 200, answer.body
    return answer.body


def unpacked(png: bytes) -> int:
    """Bytes of its pixels; raises unless every checksum is right and all of them are there."""
    at, packed = 8, []
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        chunk = png[at + 4 : at + 8 + length]
        assert zlib.crc32(chunk) == int.from_bytes(png[at + 8 + length : at + 12 + length]), "a damaged picture"
        if chunk.startswith(b"IDAT"):
            packed.append(chunk[4:])
        at += 12 + length
    return len(zlib.decompress(b"".join(packed)))


def _together(first: Callable[[], object], *others: Callable[[], object]) -> None:
    """All of it at once, which is quickest on an idle machine; where others do the same, one after the other."""
    if _alone.acquire(blocking=False):
        try:
            begun = [_pool.submit(other) for other in others]
            first()
            for future in begun:
                future.result()
        finally:
            _alone.release()
    else:
        for one in (first, *others):
            one()


def store(job_id: str, data: bytes) -> None:
    """Picture and record in a folder of the job's: whole and durable before they have names, the picture's before the record's."""
    parent = FOLDER / job_id[:2]
    folder = parent / job_id
    parent.mkdir(exist_ok=True)
    folder.mkdir()
    inside, above = os.open(folder, os.O_RDONLY), os.open(parent, os.O_RDONLY)
    drafts = {}
    for name, content in (("0.png", data), ("0.json", RECORD)):
        drafts[name] = os.open(".", os.O_WRONLY | os.O_TMPFILE, 0o600, dir_fd=inside)
        written = os.write(drafts[name], content)
        assert written == len(content), "no room"
    _together(*(partial(os.fsync, descriptor) for descriptor in (*drafts.values(), above)), partial(unpacked, data))
    for name, descriptor in drafts.items():
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=inside, follow_symlinks=True)
        os.fsync(inside)
    for descriptor in (*drafts.values(), inside, above):
        os.close(descriptor)


async def made(job_id: str, commit: Callable[[str], Awaitable[object]]) -> None:
    """All that comes after the claim of a job and before its end; `commit` keeps a record and returns when it is durable."""
    await commit(job_id)
    await asyncio.to_thread(store, job_id, await picture("a lighthouse"))


class Jobs(Protocol):
    """What keeps and makes jobs."""

    async def open(self) -> None:
        """Connect."""
        ...

    async def submit(self, job_id: str) -> "asyncio.Future[None]":
        """Keep a new job; what it gives is done when the job has ended."""
        ...


class Door:
    """POST /images, with `Prefer: wait` or without, and GET /status/{image_id}, as an ASGI app."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._ends: dict[str, asyncio.Future[None]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await receive()
            await self._jobs.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["method"] == "GET":
            job_id = scope["path"].rpartition("/")[2]
            ended = job_id in self._ends and self._ends[job_id].done()
            await _answer(send, 200, job_id, "finished" if ended else "queued")
        else:
            json.loads((await receive())["body"])
            job_id = uuid4().hex
            end = self._ends[job_id] = await self._jobs.submit(job_id)
            if any(name == b"prefer" for name, _ in scope["headers"]):
                await end
                await _answer(send, 200, job_id, "finished")
            else:
                await _answer(send, 202, job_id, "queued")


async def _answer(send: Send, status: int, job_id: str, word: str) -> None:
    body = json.dumps({"image_id": job_id, "status": word}).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
