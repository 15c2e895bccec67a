"""`python -m benchmarks`: measures everything, or the themes named, and prints a table; imports the themes.

Give it a quiet machine: two cores are shared by the load, the service, Redis and the provider's double.
"""

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

from benchmarks import crowds, floor, growth, page, reads, report, retention, standing, work
from benchmarks.figures import Figure, Measure

THEMES: dict[str, Measure] = {
    "latency": work.latency_and_burst,
    "concurrency": work.concurrency,
    "submits": work.submits,
    "downloads": reads.downloads,
    "statuses": reads.statuses,
    "pollers": crowds.pollers,
    "streams": crowds.streams,
    "starts": standing.starts,
    "standing": standing.standing,
    "lists": growth.lists,
    "growth": growth.growth,
    "retention": retention.retention,
    "floors": floor.floors,
}

#: Only when they are named: they take up to half an hour and some gigabytes.
ASIDE = {"growth", "retention"}

#: Longest time of one theme, in s: what hangs must not take the others along.
_LONGEST_S = 400


class TooLong(Exception):
    """A theme did not end in time."""


def main() -> int:
    """Measure, print, keep; 1 when a target was missed or a theme failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("themes", nargs="*", metavar="THEME", help=", ".join(THEMES))
    parser.add_argument("--runs", type=int, default=5, help="alternated runs of each figure")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--docs", type=Path, help="folder whose performance.md gets the numbers and plots")
    options = parser.parse_args()
    if unknown := set(options.themes) - set(THEMES):
        parser.error(f"there is no theme {', '.join(sorted(unknown))}; there are: {', '.join(THEMES)}")
    figures: list[Figure] = []
    failed = []
    for name in options.themes or [name for name in THEMES if name not in ASIDE]:
        begin = time.monotonic()
        try:
            figures += _measured(THEMES[name], options.runs, limit_s=0 if name in ASIDE else _LONGEST_S)
        except Exception:  # noqa: BLE001  # the others are worth their time all the same
            traceback.print_exc()
            failed.append(name)
        sys.stderr.write(f"{name}: {time.monotonic() - begin:.0f} s\n")
        if options.json:
            report.save(figures, options.json)
    sys.stdout.write(report.table(figures) + "\n")
    if options.docs:
        page.write(report.record(figures), options.docs)
    if failed:
        sys.stdout.write(f"\nNot measured, see above: {', '.join(failed)}\n")
    reached = [(target, figure.reached(target)) for figure in figures for target in figure.targets]
    missed = any(value is not None and not target.met(value) for target, value in reached)
    return int(missed or bool(failed))


def _measured(measure: Measure, runs: int, *, limit_s: int) -> list[Figure]:
    """The figures of a theme; a limit of 0 is none. Raises TooLong."""

    def ring(*_: object) -> None:
        raise TooLong(f"It took more than {limit_s} s.")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(limit_s)
    try:
        return measure(runs)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    sys.exit(main())
