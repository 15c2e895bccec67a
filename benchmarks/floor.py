"""The floors beside which the figures stand; imports the floors, Redis and SQLite."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bare import BareServer
from benchmarks.figures import Figure
from benchmarks.http_load import flood, run
from benchmarks.reads import PICTURE
from benchmarks.rigs import ROOT
from redis_server import RedisServer


def floors(runs: int) -> list[Figure]:
    """Bare answers, no-op jobs, commits, fsynced files."""
    hello = Figure(name="bare ASGI answers", unit="/s")
    noop = Figure(name="no-op Dramatiq jobs", unit="/s")
    commit = Figure(name="SQLite commits, synchronous=FULL", unit="/s")
    file = Figure(name="fsynced file of 1.5 MB", unit="ms")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        picture = folder / "picture.png"
        picture.write_bytes(os.urandom(PICTURE))
        server = stack.enter_context(BareServer(picture))
        redis = stack.enter_context(RedisServer())
        for number in range(runs):
            hello.add("floor", run(_hello(server.url, 4000)))
            environment = os.environ | {"FLOOR_REDIS": redis.url, "PYTHONPATH": str(ROOT)}
            actor = [sys.executable, "-m", "benchmarks.floors.noop_actor"]
            noop.add("floor", float(subprocess.check_output(actor, env=environment)))
            commit.add("floor", _commits(folder / f"{number}.db", 300))
            file.add("floor", _files(folder, 30))
    return [hello, noop, commit, file]


async def _hello(url: str, number: int) -> float:
    todo: list[Any] = [lambda connection: connection.get("/")] * number
    begin = time.perf_counter()
    await flood(url, todo, 8)
    return number / (time.perf_counter() - begin)


def _commits(path: Path, number: int) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, record TEXT)")
    begin = time.perf_counter()
    for _ in range(number):
        database.execute("INSERT INTO jobs (record) VALUES (?)", ("x" * 1000,))
    seconds = time.perf_counter() - begin
    database.close()
    return number / seconds


def _files(folder: Path, number: int) -> float:
    data = os.urandom(PICTURE)
    begin = time.perf_counter()
    for step in range(number):
        descriptor = os.open(folder / f"file-{step % 3}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.close(descriptor)
    return (time.perf_counter() - begin) / number * 1000
