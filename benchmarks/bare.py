"""The floors as processes: the parts that the service is made of, with nothing of it; imports the rigs.

Each is started and asked like the designs that are compared.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from benchmarks.rigs import KEY, ROOT, answers, started, stop
from imaging_process import free_port
from redis_server import RedisServer


def _serve(app: str, url: str, lifespan: str) -> list[str]:
    """uvicorn with the service's own loop and parser."""
    serve = [str(Path(sys.executable).parent / "uvicorn"), f"benchmarks.floors.{app}:app", "--lifespan", lifespan]
    return [*serve, "--port", url.rsplit(":", 1)[1], "--no-access-log", "--log-level", "error"]


class BareServer:
    """Two bytes, or a file by one read."""

    name = "floor"

    def __init__(self, file: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._file = file

    def __enter__(self) -> Self:
        environment = os.environ | {"FLOOR_FILE": str(self._file), "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(_serve("bare_asgi", self.url, "off"), env=environment)
        answers(self.url + "/")
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def pids(self) -> Mapping[str, int]:
        """The one process."""
        return {"api": self._process.pid}


class BareJobs:
    """The least that a durable job takes, in one process with SQLite, or in two with Redis."""

    def __init__(self, provider: str, *, on_redis: bool, worker: bool = True) -> None:
        self.name = "floor on Redis" if on_redis else "floor embedded"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._provider = provider
        self._on_redis = on_redis
        self._worker = worker
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            environment = os.environ | {
                "FLOOR_FOLDER": stack.enter_context(tempfile.TemporaryDirectory()),
                "FLOOR_STABILITY": self._provider,
                "FLOOR_KEY": KEY,
                "FLOOR_WORKER": "yes" if self._worker else "no",
                "PYTHONPATH": str(ROOT),
            }
            commands = {"api": _serve("bare_redis" if self._on_redis else "bare_embedded", self.url, "on")}
            if self._on_redis:
                environment["FLOOR_REDIS"] = stack.enter_context(RedisServer()).url
            if self._on_redis and self._worker:
                commands["worker"] = [sys.executable, "-m", "benchmarks.floors.bare_redis"]
            self._pids = started(stack, commands, environment)
            answers(self.url + "/")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pids(self) -> Mapping[str, int]:
        """api, and on Redis the worker."""
        return self._pids
