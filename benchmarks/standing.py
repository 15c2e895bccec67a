"""What the service costs before anybody asks: start, memory, idle traffic to Redis; imports the rigs."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, at_most
from benchmarks.rigs import Baseline, Embedded, OnRedis, Rig, memory, stability

BIN = Path(sys.executable).parent
#: How long the traffic of idle processes is counted, in s.
IDLE_S = 10


def starts(runs: int) -> list[Figure]:
    """From the command to its answer."""
    help_ = Figure(name="imaging --help", unit="s", targets=(at_most("imaging", 0.3, against=None),))
    ready = Figure(
        name="from the command to ready",
        unit="s",
        targets=(
            at_most("api", 2, against="import fastapi, uvicorn"),
            at_most("worker", 2, against="import fastapi, uvicorn"),
            at_most("embedded", 2, against="import fastapi, uvicorn"),
        ),
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability()).url
        # As an image has it, and every second start: compiled, wherever this runs.
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        compiled: dict[str, Any] = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        for run in range(runs + 1):
            begin = time.perf_counter()
            subprocess.run([BIN / "imaging", "--help"], check=True, stdout=subprocess.DEVNULL, env=_quiet() | compiled)
            helped = time.perf_counter() - begin
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import fastapi, uvicorn"], check=True, env=_quiet() | compiled)
            imported = time.perf_counter() - begin
            with OnRedis(provider, **compiled) as redis, Embedded(provider, **compiled) as embedded:
                took = {**redis.start_s, **embedded.start_s}
            if run == 0:
                # Nobody starts from cold files twice.
                continue
            help_.add("imaging", helped)
            ready.add("import fastapi, uvicorn", imported)
            for role, seconds in took.items():
                ready.add(role, seconds)
    return [help_, ready]


def _quiet() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("IMAGING_")}


def standing(runs: int) -> list[Figure]:
    """Idle processes: resident memory, and what they ask of Redis."""
    resident = Figure(
        name="resident memory, idle",
        unit="MB",
        targets=(
            at_most("redis api", 110, against=None),
            at_most("redis worker", 120, against=None),
            at_most("embedded all", 160, against=None),
        ),
    )
    commands = Figure(name="idle commands to Redis", unit="/s", targets=(at_most("api and worker", 20, against=None),))
    trips = Figure(name="idle round trips to Redis", unit="/s", targets=(at_most("api and worker", 10, against=None),))
    with ExitStack() as stack:
        provider = stack.enter_context(stability()).url
        rigs: list[Rig] = [Baseline(provider), OnRedis(provider), Embedded(provider)]
        for rig in rigs:
            stack.enter_context(rig)
        # What is loaded right after a start has been loaded by then.
        time.sleep(3)
        for rig in rigs:
            for role, pid in rig.pids().items():
                resident.add(f"{rig.name} {role}", memory(pid))
            if isinstance(rig, OnRedis):
                for _ in range(min(runs, 3)):
                    by_scripts, by_clients = _asked(rig)
                    commands.add("api and worker", by_scripts + by_clients)
                    trips.add("api and worker", by_clients)
    return [resident, commands, trips]


def _asked(rig: OnRedis) -> tuple[float, float]:
    """How many commands scripts and clients give Redis a second: only the latter are round trips."""
    seen = Counter[bool]()
    with rig.redis.admin() as admin, admin.monitor() as monitor:
        ends = time.monotonic() + IDLE_S
        while time.monotonic() < ends:
            seen[monitor.next_command()["client_type"] == "lua"] += 1
    return seen[True] / IDLE_S, seen[False] / IDLE_S
