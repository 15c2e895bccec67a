"""`python -m benchmarks`: measures everything, or the themes named, and prints a table; imports the themes.

Give it a quiet machine: two cores are shared by the load, the service, Redis and the provider's double.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import crowds, floor, growth, reads, report, standing, work
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
    "floors": floor.floors,
}

#: Only when it is named: it takes half an hour and some gigabytes.
ASIDE = {"growth"}


def main() -> int:
    """Measure, print, keep; 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("themes", nargs="*", metavar="THEME", help=", ".join(THEMES))
    parser.add_argument("--runs", type=int, default=5, help="alternated runs of each figure")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    options = parser.parse_args()
    if unknown := set(options.themes) - set(THEMES):
        parser.error(f"there is no theme {', '.join(sorted(unknown))}; there are: {', '.join(THEMES)}")
    figures: list[Figure] = []
    for name in options.themes or [name for name in THEMES if name not in ASIDE]:
        begin = time.monotonic()
        figures += THEMES[name](options.runs)
        sys.stderr.write(f"{name}: {time.monotonic() - begin:.0f} s\n")
    sys.stdout.write(report.table(figures) + "\n")
    if options.json:
        report.save(figures, options.json)
    reached = [(target, figure.reached(target)) for figure in figures for target in figure.targets]
    return int(any(value is not None and not target.met(value) for target, value in reached))


if __name__ == "__main__":
    sys.exit(main())
