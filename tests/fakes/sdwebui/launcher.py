"""Starts the fake server for a test, and reads its log.

May import the standard library, attrs, and the process runner beside this package.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from fakes.process import ServerProcess


@attrs.frozen(kw_only=True)
class LoggedCall:
    """One generation call as the server saw it; times are monotonic seconds of the host."""

    number: int
    #: txt2img or img2img.
    route: str
    task_id: str
    #: The JSON as received.
    body: dict[str, Any]
    received: float
    #: When it got the lock; None while it waits.
    started: float | None = None
    ended: float | None = None
    #: HTTP status, None while it runs.
    status: int | None = None
    #: ok, interrupted, or the error.
    outcome: str | None = None
    #: Whether another generation call was at the server at the same time, running or waiting.
    overlapped: bool = False
    #: Checkpoint loads so far, the one at start-up included.
    loads: int = 0
    #: The checkpoint in memory at its end.
    checkpoint: str | None = None


class FakeWebUI(ServerProcess):
    """A running fake WebUI. `stop`, `start` and `kill` play outages on the same port; the log goes on."""

    def __init__(self, *arguments: str, port: int = 0, log: Path) -> None:
        super().__init__("fakes.sdwebui", [*arguments, "--log", str(log)], port=port)
        self._log = log

    def events(self) -> list[dict[str, Any]]:
        """Every line of the log: received, started, ended, load, interrupt."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def log(self) -> list[LoggedCall]:
        """Every generation call since the first start, in order of arrival."""
        calls: list[LoggedCall] = []
        latest: dict[int, int] = {}
        for event in self.events():
            match event["event"]:
                case "received":
                    latest[event["call"]] = len(calls)
                    calls.append(
                        LoggedCall(
                            number=event["call"],
                            route=event["route"],
                            task_id=event["task_id"],
                            body=event["body"],
                            received=event["time"],
                        )
                    )
                case "started":
                    place = latest[event["call"]]
                    calls[place] = attrs.evolve(calls[place], started=event["time"])
                case "ended":
                    place = latest[event["call"]]
                    facts = {key: event[key] for key in ("status", "outcome", "overlapped", "loads", "checkpoint")}
                    calls[place] = attrs.evolve(calls[place], ended=event["time"], **facts)
        return calls

    def interrupts(self) -> list[str | None]:
        """The task each interrupt hit, None for one that hit nothing."""
        return [event["task_id"] for event in self.events() if event["event"] == "interrupt"]

    def control(self, **switches: Any) -> dict[str, Any]:
        """Turn switches and get a snapshot of the server.

        step_seconds, load_seconds, stall, deaf; fail={"shape", "at", "times"}; deliver={"how", "route", "times"};
        options={...}, reset_options, hashed=[names], loaded=name, delete_checkpoint=name, refuse_seconds.
        """
        data = json.dumps(switches).encode() if switches else None
        request = urllib.request.Request(f"{self.url}/__control", data, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            snapshot: dict[str, Any] = json.load(answer)
        return snapshot

    def wait(self, condition: Callable[[dict[str, Any]], bool], timeout: float = 10.0) -> dict[str, Any]:
        """Poll the snapshot until a condition holds; raises TimeoutError with the last one."""
        deadline = time.monotonic() + timeout
        while True:
            snapshot = self.control()
            if condition(snapshot):
                return snapshot
            if time.monotonic() > deadline:
                raise TimeoutError(f"the fake WebUI never came to that state; it is at {snapshot}")
            time.sleep(0.01)


@contextlib.contextmanager
def launch(*arguments: str, port: int = 0, log: Path | None = None) -> Iterator[FakeWebUI]:
    """Run a fake WebUI for the length of a block; arguments are those of `python -m fakes.sdwebui`."""
    with tempfile.TemporaryDirectory(prefix="fake-webui-") as folder:
        server = FakeWebUI(*arguments, port=port, log=log or Path(folder) / "webui.jsonl")
        with server:
            yield server
