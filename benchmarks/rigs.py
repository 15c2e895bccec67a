"""The designs that are compared, each as the processes people would run; imports the tests' process keepers.

A rig answers the same three requests: POST /images, GET /status/{id}, GET /image/{id}.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self, TypeVar
from urllib.parse import urlsplit

from fakes.process import ServerProcess
from imaging_process import PATIENCE_S, Imaging, free_port
from redis_server import RedisServer

T = TypeVar("T")

#: What ends after its answer has gone out has this long before others are measured, in s.
_REST_S = 0.2
KEY = "sk-benchmark-0000000000000000"
ROOT = Path(__file__).resolve().parents[1]


def memory(pid: int) -> float:
    """Resident memory of a process and its children, in MB, shared pages counted once per process."""
    total = 0.0
    for one in [pid, *_children(pid)]:
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except FileNotFoundError:
            continue
        total += next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
    return total


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    direct = [int(part) for part in text.split()]
    return [*direct, *(grand for child in direct for grand in _children(child))]


def stability(*, delay_s: float = 0.0, picture_bytes: int = 100_000) -> ServerProcess:
    """The fake provider, without its rate limit."""
    # A photo has about 1.5 bytes per px as PNG; its px are what decoding costs.
    side = round((picture_bytes / 1.5) ** 0.5 / 8) * 8
    options = ["--delay", str(delay_s), "--picture-bytes", str(picture_bytes), "--picture-side", str(side)]
    return ServerProcess("fakes.stability", [*options, "--keys", KEY, "--rate-limit", "off", "--balance", "1e9"])


class Rig(Protocol):
    """One design, running from entry to exit."""

    name: str
    url: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def pids(self) -> Mapping[str, int]:
        """The process of each role."""
        ...


class Baseline:
    """uvicorn, `rq worker` and Redis."""

    name = "baseline"

    def __init__(self, provider: str, *, worker: bool = True) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._provider = provider
        self._worker = worker
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # As it comes: whoever promises nothing writes no file either.
            redis = stack.enter_context(RedisServer("--appendonly", "no"))
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            environment = os.environ | {
                "BASELINE_FOLDER": folder,
                "BASELINE_REDIS": redis.url,
                "BASELINE_STABILITY": self._provider,
                "BASELINE_KEY": KEY,
                "PYTHONPATH": str(ROOT),
            }
            bin_ = Path(sys.executable).parent
            port = self.url.rsplit(":", 1)[1]
            serve = [str(bin_ / "uvicorn"), "benchmarks.baseline.app:app", "--port", port, "--no-access-log"]
            commands = {"api": [*serve, "--log-level", "error"]}
            if self._worker:
                commands["worker"] = [str(bin_ / "rq"), "worker", "images", "--url", redis.url, "--quiet"]
            self._pids = started(stack, commands, environment)
            answers(self.url + "/openapi.json")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pids(self) -> Mapping[str, int]:
        """api and worker."""
        return self._pids


class Embedded:
    """`imaging up --no-gui`."""

    name = "embedded"

    def __init__(self, provider: str, **settings: str) -> None:
        self._settings = _settings(provider) | settings

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.process = stack.enter_context(Imaging("up", "--no-gui", folder=folder, **self._settings))
            begin = time.perf_counter()
            self.process.start()
            self.url = self.process.url
            answers(self.url + "/readyz")
            #: Seconds from the command to ready, by role.
            self.start_s = {"embedded": time.perf_counter() - begin}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pids(self) -> Mapping[str, int]:
        """The one process."""
        return {"all": self.process.pid}


class OnRedis:
    """`imaging api` and `imaging worker`."""

    name = "redis"

    def __init__(self, provider: str, *, worker: bool = True, **settings: str) -> None:
        self._settings = _settings(provider) | settings
        self._with_worker = worker

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.redis = stack.enter_context(RedisServer())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = self._settings | {"IMAGING_REDIS_URL": self.redis.url}
            self.api = stack.enter_context(Imaging("api", folder=folder, **settings))
            begin = time.perf_counter()
            self.api.start()
            self.url = self.api.url
            answers(self.url + "/readyz")
            #: Seconds from the command to ready, by role.
            self.start_s = {"api": time.perf_counter() - begin}
            self._pids = {"api": self.api.pid}
            if self._with_worker:
                worker = stack.enter_context(Imaging("worker", folder=folder, **settings))
                begin = time.perf_counter()
                worker.start()
                _says(worker, "Worker ready")
                self.start_s["worker"] = time.perf_counter() - begin
                self._pids["worker"] = worker.pid
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pids(self) -> Mapping[str, int]:
        """api and worker."""
        return self._pids


def alternated(ways: Sequence[T], runs: int) -> Iterator[T]:
    """Each way in each run, another one first each time, and none beside what the one before left behind.

    Files that nobody synced are a burden on whoever syncs next, and the straightforward design syncs none of its own.
    """
    for run in range(runs):
        first = run % len(ways)
        for way in (*ways[first:], *ways[:first]):
            os.sync()
            time.sleep(_REST_S)
            yield way


def _settings(provider: str) -> dict[str, str]:
    return {
        "IMAGING_STABILITY_API_KEY": KEY,
        "IMAGING_STABILITY_BASE_URL": provider,
        # The provider's limit is not what is measured.
        "IMAGING_STABILITY_RATE": "1000000",
        "IMAGING_STABILITY_SLOTS": "200",
        "IMAGING_MAX_QUEUED": "1000000",
    }


def answers(url: str) -> None:
    """Wait until it does; looks often and cheaply, since the time until then is a figure and the processor is shared."""
    parts, deadline = urlsplit(url), time.monotonic() + PATIENCE_S
    while True:
        connection = http.client.HTTPConnection(parts.netloc, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", parts.path)
            if connection.getresponse().status == 200:
                return
        assert time.monotonic() < deadline, f"no answer of {url}"
        time.sleep(0.005)


def _says(process: Imaging, sentence: str) -> None:
    """Wait until it does; looks as often as `answers`, where the tests are content with each 50 ms."""
    deadline = time.monotonic() + PATIENCE_S
    while sentence not in process.output:
        assert time.monotonic() < deadline, f"it never said {sentence!r}"
        time.sleep(0.005)


def started(stack: ExitStack, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> dict[str, int]:
    """The process of each role, which ends with the stack."""
    pids = {}
    for role, command in commands.items():
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        stack.callback(stop, process)
        pids[role] = process.pid
    return pids


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End it, by force after 10 s."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
