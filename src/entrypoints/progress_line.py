"""One line on a terminal that shows how far a job is; imports stdlib only."""

import shutil
import sys
from typing import TextIO


class ProgressLine:
    """Draws over itself; shows nothing where standard error is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._begun = False

    def show(
        self,
        status: str,
        fraction: float | None = None,
        *,
        position: int | None = None,
        step: int | None = None,
        steps: int | None = None,
        eta_s: float | None = None,
    ) -> None:
        """How far it is: 0..1, its place in the queue, the sampling step, seconds to the end."""
        if not self._shown:
            return
        facts = [f"{status:<9}"]
        if position is not None:
            facts.append(f"number {position} in the queue")
        if fraction is not None:
            facts.append(_bar(fraction))
        if step is not None and steps:
            facts.append(f"step {step}/{steps}")
        if eta_s is not None:
            facts.append(f"{eta_s:.0f} s left")
        # A line that wraps could not be drawn over.
        line = "  ".join(facts)[: max(20, shutil.get_terminal_size().columns - 1)]
        self._stream.write(f"\r\x1b[K{line}")
        self._stream.flush()
        self._begun = True

    def end(self) -> None:
        """Take it away, so that what is said next begins a line of its own."""
        if self._begun:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._begun = False


def _bar(fraction: float, width: int = 24) -> str:
    filled = round(min(1.0, max(0.0, fraction)) * width)
    return f"[{'#' * filled}{'.' * (width - filled)}] {fraction:4.0%}"
