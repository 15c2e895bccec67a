"""Many at a time: a thousand pollers, a thousand open streams; imports the rigs and the load client."""

import asyncio
import time
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from benchmarks.figures import Figure, at_most, percentile
from benchmarks.http_load import Connection, run
from benchmarks.rigs import Embedded, OnRedis, Rig, alternated, memory, stability
from benchmarks.work import one_by_one

CROWD = 1000


def pollers(runs: int) -> list[Figure]:
    """A thousand clients that look once a second, while jobs are submitted one by one."""
    alone = Figure(name="slowest of 20 jobs, nobody polls", unit="s")
    crowded = Figure(
        name="slowest of 20 jobs beside 1,000 pollers at 1 Hz",
        unit="s",
        targets=(at_most("redis", 1, against=None), at_most("embedded", 1, against=None)),
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability()).url
        rigs: list[Rig] = [OnRedis(provider), Embedded(provider)]
        for rig in rigs:
            stack.enter_context(rig)
            run(one_by_one(rig, 3))
        for rig in alternated(rigs, min(runs, 3)):
            alone.add(rig.name, max(run(one_by_one(rig, 20))))
            crowded.add(rig.name, run(_beside_pollers(rig)))
    return [alone, crowded]


async def _beside_pollers(rig: Rig) -> float:
    async with Connection(rig.url) as connection:
        path = f"/status/{(await connection.post('/images', {'prompt': 'a lighthouse'})).json()['image_id']}"
    stop = asyncio.Event()
    # A thousand clients' requests over a hundred connections, each of which asks ten times a second.
    pollings = [asyncio.create_task(_poll(rig.url, path, number / 1000, stop)) for number in range(CROWD // 10)]
    try:
        return max(await one_by_one(rig, 20))
    finally:
        stop.set()
        await asyncio.gather(*pollings)


async def _poll(url: str, path: str, offset_s: float, stop: asyncio.Event) -> None:
    await asyncio.sleep(offset_s)
    async with Connection(url) as connection:
        while not stop.is_set():
            await connection.get(path)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.1)


def streams(runs: int) -> list[Figure]:
    """A thousand open event streams."""
    cost = Figure(
        name="memory of an open event stream",
        unit="KB",
        targets=(at_most("redis", 50, against=None), at_most("embedded", 50, against=None)),
    )
    reach = Figure(
        name="an event reaches 1,000 streams",
        unit="s",
        targets=(at_most("redis", 1, against=None), at_most("embedded", 1, against=None)),
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability()).url
        rigs: list[Rig] = [OnRedis(provider), Embedded(provider)]
        for rig in rigs:
            stack.enter_context(rig)
            run(one_by_one(rig, 3))
            kilobytes, seconds = run(_stream(rig, runs))
            cost.add(rig.name, kilobytes)
            for value in seconds:
                reach.add(rig.name, value)
    return [cost, reach]


async def _stream(rig: Rig, runs: int) -> tuple[float, list[float]]:
    pid = next(iter(rig.pids().values()))
    before = memory(pid)
    parts = urlsplit(rig.url)
    streams = []
    for _ in range(CROWD):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        streams.append((reader, writer))
    await asyncio.sleep(1)
    each = (memory(pid) - before) * 1024 / CROWD
    seconds = []
    for number in range(runs):
        async with Connection(rig.url) as connection:
            begin = time.perf_counter()
            answer = await connection.post("/images", {"prompt": f"a lighthouse, number {number}"})
            name = answer.json()["image_id"].encode()
            took = await asyncio.gather(*(_sees(reader, name, begin) for reader, _ in streams))
            seconds.append(percentile(took, 1))
    for _, writer in streams:
        writer.close()
    return each, seconds


async def _sees(reader: asyncio.StreamReader, name: bytes, begin: float) -> float:
    """Seconds until the stream says that this job is finished."""
    named = False
    while True:
        line = await reader.readline()
        assert line, "the stream ended"
        named = named or (line.startswith(b"data:") and name in line and b'"finished"' in line)
        if named:
            return time.perf_counter() - begin
