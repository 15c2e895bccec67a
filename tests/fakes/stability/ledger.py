"""Writes down every call and every charge the moment it happens, so that the count outlives this process and its clients.

May import the standard library.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from pathlib import Path
from typing import Any


class Ledger:
    """An append-only file of JSON lines: `charge` when credits are taken, `call` when the answer has left."""

    def __init__(self, path: Path | None) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = None if path is None else os.open(path, flags, 0o644)
        self.charged_calls = 0
        self.charged_credits = 0.0
        self.by_prompt: dict[str, dict[str, float]] = {}

    def charge(
        self, *, call: str, path: str, model: str | None, prompt: str, caller: str, credits_taken: float
    ) -> None:
        """Take credits for a prompt; the line is in the file before this returns."""
        self.charged_calls += 1
        self.charged_credits += credits_taken
        entry = self.by_prompt.setdefault(prompt, {"calls": 0, "credits": 0.0})
        entry["calls"] += 1
        entry["credits"] += credits_taken
        self._append(
            event="charge",
            call=call,
            path=path,
            model=model,
            prompt=prompt,
            caller=caller,
            credits=credits_taken,
            time=time.time(),
        )

    def call(self, **facts: Any) -> None:
        """Record one answered (or abandoned) request."""
        self._append(event="call", **facts)

    def _append(self, **facts: Any) -> None:
        if self._file is not None:
            os.write(self._file, (json.dumps(facts, ensure_ascii=False) + "\n").encode())


class RateLimit:
    """At most `requests` in any `period` seconds per key; the next one locks that key out for `lockout` seconds."""

    def __init__(self, *, requests: int = 150, period: float = 10.0, lockout: float = 60.0) -> None:
        self.enabled = True
        self.requests = requests
        self.period = period
        self.lockout = lockout
        #: How often a key was locked out, how many requests were refused, and the most ever let through in one period.
        self.lockouts = 0
        self.refused = 0
        self.peak = 0
        self._seen: dict[str, deque[float]] = {}
        self._locked: dict[str, float] = {}

    def admit(self, key: str) -> bool:
        """Count a request; False while locked out, and for the request that causes it."""
        if not self.enabled:
            return True
        now = time.monotonic()
        if self._locked.get(key, 0.0) > now:
            self.refused += 1
            return False
        seen = self._seen.setdefault(key, deque())
        while seen and seen[0] <= now - self.period:
            seen.popleft()
        if len(seen) >= self.requests:
            self._locked[key] = now + self.lockout
            self.lockouts += 1
            self.refused += 1
            seen.clear()
            return False
        seen.append(now)
        self.peak = max(self.peak, len(seen))
        return True
