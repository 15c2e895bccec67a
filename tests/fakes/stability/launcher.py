"""Starts the fake as a process and reads what it wrote down, also after it was killed.

May import the standard library; a client library here would double the time the fake takes to start.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes.process import ServerProcess


class StabilityProcess(ServerProcess):
    """A running fake. `log`, `calls` and `charges` read the file, so that they hold across `kill` and `start`."""

    def __init__(self, *, log: Path, port: int = 0, **settings: Any) -> None:
        args = ["--log", str(log)]
        for name, value in settings.items():
            for item in value if isinstance(value, (list, tuple)) else [value]:
                text = {True: "on", False: "off"}[item] if isinstance(item, bool) else str(item)
                args += [f"--{name.replace('_', '-')}", text]
        super().__init__("fakes.stability", args, port=port)
        self.log_path = log

    def control(self, **wish: Any) -> dict[str, Any]:
        """Order faults and change settings (see `operator.control`); the counts afterwards."""
        return self._ask("/__control", json.dumps(wish).encode())

    def order(self, fault: str, **details: Any) -> dict[str, Any]:
        """Order one fault: value, times (None = for ever), marker, path, charged."""
        return self.control(faults=[{"fault": fault, **details}])

    def state(self) -> dict[str, Any]:
        """The counts of the running process."""
        return self._ask("/__state")

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, body, timeout=10) as answer:
                said: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None
        return said

    def log(self) -> list[dict[str, Any]]:
        """Every line written so far, oldest first; a line torn by a crash is left out."""
        if not self.log_path.exists():
            return []
        whole, _, _ = self.log_path.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def calls(self) -> list[dict[str, Any]]:
        """The answered or abandoned requests, in the order in which they ended."""
        return [line for line in self.log() if line["event"] == "call"]

    def charges(self) -> dict[str, dict[str, float]]:
        """`{prompt: {"calls": n, "credits": x}}`: what was paid, counted outside of the service."""
        paid: dict[str, dict[str, float]] = {}
        for line in self.log():
            if line["event"] == "charge":
                entry = paid.setdefault(line["prompt"], {"calls": 0, "credits": 0.0})
                entry["calls"] += 1
                entry["credits"] += line["credits"]
        return paid


@contextlib.contextmanager
def launch(*, log: Path | None = None, port: int = 0, **settings: Any) -> Iterator[StabilityProcess]:
    """A fake on a free port (or `port`) for the time of the block; the settings are those of `Settings`."""
    with tempfile.TemporaryDirectory(prefix="fake-stability-") as folder:
        server = StabilityProcess(log=log or Path(folder) / "log.jsonl", port=port, **settings)
        with server:
            yield server
