"""Runs a test double as a process of its own, so that tests meet real sockets, real crashes and real restarts.

May import the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

_TESTS = Path(__file__).resolve().parents[1]


class ServerProcess:
    """`python -m <module> --port N ...` as a subprocess that says `READY port=<n>` on stdout once it accepts.

    Used as a context manager it is started on entry and stopped on exit. `kill` and `start` may be called in between
    to play an outage: the port stays the same after the first start.
    """

    def __init__(self, module: str, args: Sequence[str] = (), *, port: int = 0) -> None:
        self.module = module
        self.port = port
        self._args = list(args)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._stderr: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL on the loopback interface, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when the server does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.module} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 30.0) -> None:
        """Start the server and return once it accepts connections; raises RuntimeError with its stderr if it doesn't."""
        if self.running:
            raise RuntimeError(f"{self.module} is already running on port {self.port}")
        self.stop()
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_TESTS), os.environ.get("PYTHONPATH", "")]))
        }
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, "--port", str(self.port), *self._args],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=env,
        )
        lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=_pump, args=(self._process.stdout, lines), daemon=True)
        self._reader.start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            line = ""
        if not line.startswith("READY port="):
            message = f"{self.module} did not become ready within {timeout} s; it wrote {line!r} and {self._errors()!r}"
            self.kill()
            raise RuntimeError(message)
        self.port = int(line.removeprefix("READY port="))

    def stop(self, timeout: float = 5.0) -> None:
        """End the server politely (SIGTERM), by force after `timeout` seconds; no effect when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would; no effect when it does not run."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._stderr is not None:
            self._stderr.close()
        self._process = None

    def freeze(self) -> None:
        """Stop the server's clock (SIGSTOP): connections are still accepted by the kernel, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def _errors(self) -> str:
        if self._stderr is None:
            return ""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _pump(stream: IO[str] | None, lines: queue.Queue[str]) -> None:
    """Read to the end, so that a chatty server never blocks on a full pipe; an ended one yields an empty line."""
    if stream is not None:
        for line in stream:
            lines.put(line.strip())
    lines.put("")
