"""`python -m chaos.table FILE`: the JSON lines of chaos runs as the Markdown of docs/guarantees.md; imports the standard library."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


def _blows(line: Line) -> str:
    if line.get("terms"):
        return f"{line['terms']} stops, {line['terms_in_flight']}"
    if line.get("api_kills"):
        return f"{line['api_kills']} of the API"
    return f"{line['kills']}, {line['kills_in_flight']}" if line["kills"] else "-"


def _failed(line: Line) -> str:
    codes = ", ".join(f"{count} {code}" for code, count in sorted(line["failure_codes"].items()))
    return codes or str(line["failed"])


def _or_dash(name: str) -> Callable[[Line], str]:
    return lambda line: "-" if line.get(name) is None else str(line[name])


#: Heading and cell of each column.
COLUMNS: Sequence[tuple[str, Callable[[Line], str]]] = (
    ("scenario", lambda line: str(line["scenario"])),
    ("jobs", lambda line: str(line["jobs"])),
    ("finished", lambda line: str(line["finished"])),
    ("failed", _failed),
    ("lost", lambda line: str(line["lost"])),
    ("regressions", lambda line: str(line["regressions"])),
    ("bad pictures", lambda line: str(line["bad_pictures"])),
    ("orphans", lambda line: str(line["orphans"])),
    ("charges", lambda line: str(line["charges"])),
    ("pictures", lambda line: str(line["pictures"])),
    ("hit in flight", lambda line: str(line["in_flight_crashes"])),
    ("kills, of them in flight", _blows),
    ("gap p50", _or_dash("takeover_gap_p50_s")),
    ("gap max", _or_dash("takeover_gap_max_s")),
)

#: What the table has no column for, by scenario.
_MORE: Mapping[str, Sequence[str]] = {
    "kill": ("most_charges_of_a_job", "takeover_with_start_max_s", "last_chance_gap_max_s"),
    "kill-capped": ("most_charges_of_a_job", "takeover_with_start_max_s", "last_chance_gap_max_s"),
    "mixed": ("blows", "ready_after_redis_max_s", "local_jobs", "local_finished", "webui_overlaps"),
    "term": ("terms_at_the_start",),
    "api-kill": ("accepted_and_never_rung_for", "start_after_max_s"),
    "embedded-kill": ("takeover_with_start_max_s", "last_chance_gap_max_s"),
    "poison": ("poison_ended", "poison_attempts"),
    "clock-skew": ("skewed_workers_that_called",),
    "disk-full": (
        "failed_while_full",
        "retried_finished",
        "calls_begun_below_reserve",
        "ready_when_full",
        "ready_again",
    ),
    "redis-memory": ("running_when_full", "ended_when_full", "accepted_when_full", "refused_503"),
    "rate": (
        "allowed_in_10_s",
        "most_in_10_s",
        "rate_used",
        "lockouts",
        "turned_away_when_locked_out",
        "ended_after_lockout_s",
        "most_attempts",
    ),
    "outage": ("away_s", "asked_when_away", "never_asked_for", "local_finished_meanwhile", "most_attempts"),
    "proxy": ("swallowed", "swallowed_of_repository", "slowest_round_s"),
}


def markdown(lines: Sequence[Line], machine: str) -> str:
    """Heading, table, and what else the runs tell; of each scenario its last run."""
    runs = list({line["scenario"]: line for line in lines}.values())
    shown = [line for line in runs if "skipped" not in line]
    loads = [load for line in shown for load in line["load"]]
    text = [
        f"Commit {_all(shown, 'commit')}, seed {_all(shown, 'seed')}; {machine}; load average {min(loads)} to {max(loads)}.",
        "",
        "| " + " | ".join(heading for heading, _ in COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *("| " + " | ".join(cell(line) for _, cell in COLUMNS) + " |" for line in shown),
        "",
    ]
    for line in shown:
        facts = [
            f"{name} {_value(line[name])}" for name in _MORE.get(line["scenario"], ()) if line.get(name) is not None
        ]
        if facts:
            text.append(f"* `{line['scenario']}`: {', '.join(facts)}.")
    text += [f"* `{line['scenario']}` was skipped: {line['skipped']}." for line in runs if "skipped" in line]
    text += [f"* `{line['scenario']}` BROKE: {sentence}" for line in runs for sentence in line["violations"]]
    return "\n".join(text) + "\n"


def _all(lines: Sequence[Line], name: str) -> str:
    return ", ".join(sorted({str(line[name]) for line in lines}))


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return str(value)


def machine() -> str:
    """The hardware and what runs on it."""
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=False).stdout.split()
    version = next((word.removeprefix("v=") for word in redis if word.startswith("v=")), "none")
    info = Path("/proc/cpuinfo")
    names = [row.partition(":")[2].strip() for row in info.read_text().splitlines() if row.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{os.cpu_count()} processors ({name}), Python {platform.python_version()}, Redis {version}"


def main() -> int:
    """Print the table; 1 when a run in it broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m chaos.table", description=__doc__)
    parser.add_argument("file", type=Path, help="what `python -m chaos --into FILE` wrote")
    lines = [json.loads(text) for text in parser.parse_args().file.read_text().splitlines()]
    sys.stdout.write(markdown(lines, machine()))
    return int(any(line["violations"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
