"""What is asked again and again: status and pictures, beside the floors of one read and one round trip."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis.asyncio
from redis._parsers import BaseParser, _AsyncRESP2Parser

from benchmarks.bare import BareServer
from benchmarks.figures import Figure, at_least
from benchmarks.http_load import Answer, Connection, flood, run
from benchmarks.picture_load import download
from benchmarks.rigs import Baseline, Embedded, OnRedis, Rig, alternated, stability
from benchmarks.work import reaches
from redis_server import RedisServer

PICTURE = 1_500_000
CONNECTIONS = 8
#: Pictures of one run: half a second of the quickest.
DOWNLOADS = 800


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
            paths[rig.name] = f"/image/{run(_finished(rig))}"
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "picture.png"
        file.write_bytes(os.urandom(PICTURE))
        rigs.append(stack.enter_context(BareServer(file)))
        paths["floor"] = "/file"
        pictures = {rig.name: run(_picture(rig.url, paths[rig.name])) for rig in rigs}
        for rig in alternated(rigs, runs):
            seconds = download(rig.url, paths[rig.name], pictures[rig.name], times=DOWNLOADS, connections=CONNECTIONS)
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
        paths = {rig.name: f"/status/{run(_finished(stack.enter_context(rig)))}" for rig in done}
        ids = {rig.name: f"/status/{run(_running(stack.enter_context(rig)))}" for rig in open_}
        server = stack.enter_context(RedisServer())
        for rig in alternated(done, runs):
            finished.add(rig.name, run(_rate(rig.url, paths[rig.name], 2000)))
            if rig.name != "baseline":
                headers = f"If-None-Match: {run(_etag(rig.url, paths[rig.name]))}\r\n"
                rate = run(_rate(rig.url, paths[rig.name], 2000, headers=headers, expected=304))
                unchanged.add(rig.name, rate)
        ways: list[tuple[str, Callable[[], float]]] = [
            # As redis-py comes, which is what the target names, and as quick as it can be made.
            ("floor", lambda: asyncio.run(_round_trips(server.url, 3000, _AsyncRESP2Parser))),
            ("floor with hiredis on uvloop", lambda: run(_round_trips(server.url, 3000))),
            *((rig.name, lambda rig=rig: run(_rate(rig.url, ids[rig.name], 1500))) for rig in open_),
        ]
        for name, measured in alternated(ways, runs):
            running.add(name, measured())
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
    """One async client, one key, one after the other; redis-py parses in Python unless hiredis is there."""
    async with redis.asyncio.from_url(url, protocol=2, **({"parser_class": parser} if parser else {})) as client:
        await client.set("key", b"x" * 1000)
        begin = time.perf_counter()
        for _ in range(number):
            await client.get("key")
        return number / (time.perf_counter() - begin)
