"""Writes down what happens as JSON lines the moment it happens, so that the account outlives a kill.

May import the standard library.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Journal:
    """Events in order, each with `event` and `time` (monotonic seconds, comparable between processes of one host)."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, **facts: Any) -> None:
        """Append one event; the line is in the file before this returns."""
        if self._file is not None:
            line = json.dumps({"event": event, "time": time.monotonic(), **facts}, default=str) + "\n"
            os.write(self._file, line.encode())
