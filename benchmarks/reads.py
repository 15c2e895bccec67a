"""What is asked again and again: status and pictures, beside the floors of one read and one round trip."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis.asyncio
from redis._parsers import BaseParser, _AsyncRESP2Parser

from benchmarks.figures import Figure, at_least
from benchmarks.http_load import Answer, Connection, flood
from benchmarks.picture_load import download
from benchmarks.rigs import ROOT, Baseline, Embedded, OnRedis, Rig, answers, stability
from benchmarks.work import reaches
from imaging_process import free_port
from redis_server import RedisServer

PICTURE = 1_500_000
CONNECTIONS = 8
#: Pictures of one run: half a second of the quickest.
DOWNLOADS = 800


class BareServer:
    """uvicorn with the service's own loop and parser, around a bare ASGI app."""

    name = "floor"

    def __init__(self, file: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._file = file

    def __enter__(self) -> Self:
        serve = [str(Path(sys.executable).parent / "uvicorn"), "benchmarks.floors.bare_asgi:app", "--lifespan", "off"]
        serve += ["--port", self.url.rsplit(":", 1)[1], "--no-access-log", "--log-level", "error"]
        environment = os.environ | {"FLOOR_FILE": str(self._file), "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(serve, env=environment)
        answers(self.url + "/")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def pids(self) -> dict[str, int]:
        """The one process."""
        return {"api": self._process.pid}


async def _finished(rig: Rig) -> str:
    async with Connection(rig.url) as connection:
        answer = await connection.post("/images", {"prompt": "a lighthouse"})
        job_id = str(answer.json()["image_id"])
        await reaches(connection, job_id, "finished")
        return job_id


async def _rate(url: str, path: str, requests: int, *, headers: str = "", expected: int = 200) -> float:
    async def one(connection: Connection) -> Answer:
        answer = await connection.get(path, headers)
        assert answer.status == expected, answer.status
        return answer

    todo: list[Any] = [one] * requests
    begin = time.perf_counter()
    await flood(url, todo, CONNECTIONS)
    return requests / (time.perf_counter() - begin)


def downloads(runs: int) -> list[Figure]:
    """A 1.5 MB picture."""
    figure = Figure(
        name="downloads of 1.5 MB",
        unit="/s",
        targets=(
            at_least("redis", 4),
            at_least("embedded", 4),
            at_least("redis", 0.8, against="floor"),
            at_least("embedded", 0.8, against="floor"),
        ),
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability(picture_bytes=PICTURE)).url
        rigs: list[Rig] = [Baseline(provider), OnRedis(provider), Embedded(provider)]
        paths = {}
        for rig in rigs:
            stack.enter_context(rig)
            paths[rig.name] = f"/image/{asyncio.run(_finished(rig))}"
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "picture.png"
        file.write_bytes(os.urandom(PICTURE))
        rigs.append(stack.enter_context(BareServer(file)))
        paths["floor"] = "/file"
        pictures = {rig.name: asyncio.run(_picture(rig.url, paths[rig.name])) for rig in rigs}
        for _ in range(runs):
            for rig in rigs:
                seconds = download(
                    rig.url, paths[rig.name], pictures[rig.name], times=DOWNLOADS, connections=CONNECTIONS
                )
                figure.add(rig.name, DOWNLOADS / seconds)
    return [figure]


async def _picture(url: str, path: str) -> bytes:
    async with Connection(url) as connection:
        answer = await connection.get(path)
        assert answer.status == 200, answer.status
        assert len(answer.body) >= PICTURE, len(answer.body)
        return answer.body


def statuses(runs: int) -> list[Figure]:
    """GET /status of a finished job, of a running one, and with the ETag of the last answer."""
    finished = Figure(
        name="status of a finished job", unit="/s", targets=(at_least("redis", 2), at_least("embedded", 2))
    )
    running = Figure(
        name="status of a running job",
        unit="/s",
        targets=(at_least("redis", 0.6, against="floor"), at_least("embedded", 0.6, against="floor")),
    )
    unchanged = Figure(name="status unchanged (304)", unit="/s")
    with ExitStack() as stack:
        quick = stack.enter_context(stability()).url
        slow = stack.enter_context(stability(delay_s=3600)).url
        done: list[Rig] = [Baseline(quick), OnRedis(quick), Embedded(quick)]
        open_: list[Rig] = [OnRedis(slow, IMAGING_GRACE_S="0"), Embedded(slow, IMAGING_GRACE_S="0")]
        paths = {rig.name: f"/status/{asyncio.run(_finished(stack.enter_context(rig)))}" for rig in done}
        ids = {rig.name: f"/status/{asyncio.run(_running(stack.enter_context(rig)))}" for rig in open_}
        server = stack.enter_context(RedisServer())
        for _ in range(runs):
            for rig in done:
                finished.add(rig.name, asyncio.run(_rate(rig.url, paths[rig.name], 2000)))
                if rig.name != "baseline":
                    tag = asyncio.run(_etag(rig.url, paths[rig.name]))
                    headers = f"If-None-Match: {tag}\r\n"
                    unchanged.add(
                        rig.name, asyncio.run(_rate(rig.url, paths[rig.name], 2000, headers=headers, expected=304))
                    )
            for rig in open_:
                running.add(rig.name, asyncio.run(_rate(rig.url, ids[rig.name], 1500)))
            running.add("floor", asyncio.run(_round_trips(server.url, 3000, _AsyncRESP2Parser)))
            running.add("floor with hiredis", asyncio.run(_round_trips(server.url, 3000)))
    return [finished, running, unchanged]


async def _running(rig: Rig) -> str:
    async with Connection(rig.url) as connection:
        job_id = str((await connection.post("/images", {"prompt": "a lighthouse"})).json()["image_id"])
        await reaches(connection, job_id, "started")
        return job_id


async def _etag(url: str, path: str) -> str:
    async with Connection(url) as connection:
        return (await connection.get(path)).headers["etag"]


async def _round_trips(url: str, number: int, parser: type[BaseParser] | None = None) -> float:
    """One async client, one key, one after the other; redis-py as it comes parses in Python, and with hiredis in C."""
    async with redis.asyncio.from_url(url, protocol=2, **({"parser_class": parser} if parser else {})) as client:
        await client.set("key", b"x" * 1000)
        begin = time.perf_counter()
        for _ in range(number):
            await client.get("key")
        return number / (time.perf_counter() - begin)
