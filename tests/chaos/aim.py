"""Finds, from outside, a process that has a call in flight, so that a blow to it hits something.

Whatever is known comes from the log of the fake Stability. May import the standard library and this package.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from chaos.blows import Blow
from chaos.supervised import Unit

#: Longest wait for a call to aim at, in s; then the blow falls at any moment.
PATIENCE_S = 3.0
#: Of so many blows one falls at any moment, since those between two calls have something to hit as well.
ANY_MOMENT_OF = 4


class Calls:
    """The calls that are at the fake now; reads only what its log has grown by."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self._open: dict[str, dict[str, Any]] = {}

    def charged(self) -> list[dict[str, Any]]:
        """The charges that were written down since the last look."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as log:
            log.seek(self._read)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        lines = [json.loads(line) for line in whole.splitlines()]
        for line in lines:
            if line["event"] == "charge":
                self._open[line["call"]] = line
            else:
                self._open.pop(line["call"], None)
        return [line for line in lines if line["event"] == "charge"]

    def of(self, unit: Unit) -> list[str]:
        """The calls that the present life of that process has in flight."""
        self.charged()
        since = unit.lives[-1][0] if unit.lives else 0.0
        return [name for name, call in self._open.items() if call["caller"] == unit.caller and call["time"] >= since]

    def under_way(self, name: str) -> bool:
        """Whether that call has not been answered yet."""
        self.charged()
        return name in self._open


@attrs.define(kw_only=True)
class Aimed:
    """A strike at one of several processes: most of the time in the middle of a call of its, else at any moment."""

    units: Sequence[Unit]
    strike: Callable[[Unit], Blow | None]
    calls: Calls
    rng: random.Random
    #: How long a call takes, in s.
    call_s: float
    #: Whether a process may be struck now.
    fit: Callable[[Unit], bool]
    _turn: int = 0
    _odd_one: int = 0

    def __call__(self) -> Blow | None:
        """Strike; None when nobody is fit to be struck."""
        unit = self._target()
        if unit is None:
            return None
        blow = self.strike(unit)
        if blow is not None:
            self._turn += 1
        return blow

    def _target(self) -> Unit | None:
        if self._turn % ANY_MOMENT_OF == 0:
            self._odd_one = self.rng.randrange(ANY_MOMENT_OF)
        moment = self.rng.uniform(0.0, 0.8) * self.call_s
        if self._turn % ANY_MOMENT_OF != self._odd_one:
            give_up = time.monotonic() + PATIENCE_S
            while time.monotonic() < give_up:
                calling = [unit for unit in self.units if self.fit(unit) and self.calls.of(unit)]
                if calling:
                    unit = self.rng.choice(calling)
                    name = self.rng.choice(self.calls.of(unit) or [""])
                    _sleep_while(lambda name=name: self.calls.under_way(name), moment)  # type: ignore[misc]
                    if self.fit(unit) and self.calls.of(unit):
                        return unit
                time.sleep(0.02)
        else:
            time.sleep(moment)
        anybody = [unit for unit in self.units if self.fit(unit)]
        return self.rng.choice(anybody) if anybody else None


def _sleep_while(going_on: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and going_on():
        time.sleep(0.02)


def another_lives(units: Sequence[Unit]) -> Callable[[Unit], bool]:
    """Fit is who is ready while another is too: a take-over needs somebody to take over."""
    return lambda unit: unit.ready and any(other.ready for other in units if other is not unit)
