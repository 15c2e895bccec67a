"""Keeps `imaging` processes alive as a supervisor would, while somebody else ends them.

May import the standard library and the process settings beside this package.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from chaos.blows import Blow
from imaging_process import catches, clean_environment

#: Pause before a process that ended is started again, in s.
RESTART_S = 0.2
#: Longest wait for a process to be ready, in s: these machines are shared.
READY_S = 60.0
#: Longest wait until a process that is to end politely can hear of it, in s.
HEARING_S = 10.0


class Unit:
    """`imaging COMMAND`, started again whenever it ends, until closed; what it says goes to one file over all lives."""

    def __init__(
        self, name: str, *command: str, says: str, folder: Path, settings: Mapping[str, str], caller: str = ""
    ) -> None:
        """`says` is its sentence of readiness."""
        self.name = name
        self.caller = caller
        self.exits: list[int] = []
        #: From when to when it was ready, in each of its lives; the present one has no end.
        self.lives: list[tuple[float, float]] = []
        self._command = [str(Path(sys.executable).parent / "imaging"), *command]
        self._says = says.encode()
        self._folder = folder
        self.settings = dict(settings)
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._spoke_from = 0
        self._told: set[int] = set()
        self._closing = threading.Event()
        self._guard = threading.Lock()
        self._watching: threading.Thread | None = None

    def start(self) -> Self:
        """Start it and stand by."""
        self._spawn()
        self._watching = threading.Thread(target=self._keep_alive, name=f"supervisor-{self.name}", daemon=True)
        self._watching.start()
        return self

    @property
    def pid(self) -> int:
        """The process of its present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything it said, in all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def ready(self) -> bool:
        """Whether its present life has said that it is ready."""
        with self._guard:
            if self._process is None or self._process.poll() is not None:
                return False
            since = self._spoke_from
        with self._log.open("rb") as log:
            log.seek(since)
            return self._says in log.read()

    @property
    def hears(self) -> bool:
        """Whether its present life can be told to stop: an interpreter that has run none of our code yet dies of it."""
        with self._guard:
            return self._process is not None and catches(self._process.pid, signal.SIGTERM)

    @property
    def told(self) -> bool:
        """Whether its present life was told to stop: a second signal would end it at once, as it should."""
        return self._process is not None and self._process.pid in self._told

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until it is ready; RuntimeError with its last words if it never is."""
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready within {timeout_s:g} s:\n{self.output[-3000:]}")
            time.sleep(0.02)

    def _spawn(self) -> None:
        with self._guard, self._log.open("ab") as log:
            self._spoke_from = log.tell()
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=clean_environment(self.settings),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _keep_alive(self) -> None:
        while not self._closing.is_set():
            assert self._process is not None
            ready_at: float | None = None
            while self._process.poll() is None and ready_at is None:
                if self.ready:
                    ready_at = time.time()
                    self.lives.append((ready_at, math.inf))
                else:
                    time.sleep(0.05)
            self.exits.append(self._process.wait())
            if ready_at is not None and self.lives[-1][1] == math.inf:
                self.lives[-1] = (self.lives[-1][0], time.time())
            if not self._closing.wait(RESTART_S):
                self._spawn()

    # --- blows -------------------------------------------------------------------------------------------

    def kill(self) -> Blow | None:
        """SIGKILL; None when it was not running."""
        return self._hit("kill", signal.SIGKILL)

    def terminate(self) -> Blow | None:
        """SIGTERM; None when it was not running."""
        blow = self._hit("term", signal.SIGTERM)
        self._told.add(self.pid)
        return blow

    def freeze(self, seconds: float) -> Blow | None:
        """SIGSTOP, and SIGCONT after that time; None when it was not running."""
        begun = self._hit("freeze", signal.SIGSTOP)
        if begun is None:
            return None
        pid = self.pid
        if self.lives:
            self.lives[-1] = (self.lives[-1][0], begun.at)
        self._closing.wait(seconds)
        if self.pid == pid and self._hit("thaw", signal.SIGCONT) is not None:
            self.lives.append((time.time(), math.inf))
        return Blow(at=begun.at, until=time.time(), kind="freeze", unit=self.name, caller=self.caller)

    def _hit(self, kind: str, number: signal.Signals) -> Blow | None:
        with self._guard:
            if self._process is None or self._process.poll() is not None:
                return None
            now = time.time()
            os.kill(self._process.pid, number)
        return Blow(at=now, until=now, kind=kind, unit=self.name, caller=self.caller)

    def close(self) -> None:
        """End it for good: politely first."""
        self._closing.set()
        if self._process is not None:
            self._hit("thaw", signal.SIGCONT)
            self._await_hearing()
            if not self.told:
                self.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._watching is not None:
            self._watching.join(5)

    def _await_hearing(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + HEARING_S
        while self._process.poll() is None and not self.hears and time.monotonic() < deadline:
            time.sleep(0.02)
