"""The command `imaging` as a process of its own, as users start it; imports the standard library and httpx."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

#: Longest wait for anything, in s: generous, since these machines are shared.
PATIENCE_S = 60.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """The first truthy answer; AssertionError that says what never came."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {timeout_s} s")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether that process has said what the signal does to it; True where no one can tell, False when it is gone."""
    if not Path("/proc/self/status").exists():
        return True
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(caught) and bool(int(caught[0], 16) >> (number - 1) & 1)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This environment without anybody's settings, and with these."""
    ours = ("IMAGING_", "STABILITY_", "REDIS_", "SD_", "STABLE_", "AWS_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | {"PYTHONUNBUFFERED": "1"} | dict(settings)


class Imaging:
    """`imaging COMMAND` with these settings, running from entry to exit."""

    def __init__(self, *command: str, folder: Path, within: Sequence[str] = (), **settings: str) -> None:
        """`within` is what the command line begins with, to run it in another place."""
        self._within = within
        self._command = command
        self.folder = folder
        self.port = int(settings.get("IMAGING_PORT", free_port()))
        self._settings = {"IMAGING_PORT": str(self.port), "IMAGING_DATA_DIR": str(folder / "data"), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Everything it said since its last start."""
        self._output.seek(self._begins)
        return self._output.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start it; it may need a while to be ready."""
        self._begins = self._output.seek(0, os.SEEK_END)
        script = Path(sys.executable).parent / "imaging"
        self._process = subprocess.Popen(
            [*self._within, script, *self._command],
            cwd=self.folder,
            env=clean_environment(self._settings),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def started(self, sentence: str) -> Self:
        """Start it and wait until it has said that."""
        self.start()
        self.says(sentence)
        return self

    def says(self, sentence: str) -> None:
        """Wait until it has said that; AssertionError with its output when it ends instead."""

        def said() -> bool:
            assert self._process is not None
            if sentence in self.output:
                return True
            assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.output}"
            return False

        until(said, f"{sentence!r} from imaging {' '.join(self._command)}")

    def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit status, once it has ended."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._output.close()


def submit(url: str, path: str = "/images", **body: object) -> str:
    """The id of an accepted job."""
    # Loading certificates that plain HTTP does not need takes longer than the service.
    answer = httpx.post(url + path, json=body, timeout=30, verify=False)  # noqa: S501
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/status/{answer.json()['image_id']}"
    return str(answer.json()["image_id"])


def end_of(url: str, image_id: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    """The status of a job once it has ended."""

    def status() -> dict[str, Any] | None:
        try:
            told = client.get(f"{url}/status/{image_id}")
        except httpx.TransportError:
            return None
        answer: dict[str, Any] = told.raise_for_status().json()
        return answer if answer["status"] in ("finished", "failed", "cancelled") else None

    with httpx.Client(timeout=30, verify=False) as client:  # noqa: S501
        ended: dict[str, Any] = until(status, f"the end of job {image_id}", timeout_s)
    return ended
