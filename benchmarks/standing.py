"""What the service costs before anybody asks: start, memory, idle round trips; imports the rigs."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, at_most
from benchmarks.rigs import Baseline, Embedded, OnRedis, Rig, memory, stability

BIN = Path(sys.executable).parent
#: How long an idle worker's round trips are counted, in s.
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
    """Idle processes: resident memory and commands sent to Redis."""
    resident = Figure(
        name="resident memory, idle",
        unit="MB",
        targets=(
            at_most("redis api", 110, against=None),
            at_most("redis worker", 120, against=None),
            at_most("embedded all", 160, against=None),
        ),
    )
    trips = Figure(name="idle commands to Redis", unit="/s", targets=(at_most("api and worker", 20, against=None),))
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
                    trips.add("api and worker", _commands(rig))
    return [resident, trips]


def _commands(rig: OnRedis) -> float:
    before = int(rig.redis.info("stats")["total_commands_processed"])
    time.sleep(IDLE_S)
    return (int(rig.redis.info("stats")["total_commands_processed"]) - before) / IDLE_S
