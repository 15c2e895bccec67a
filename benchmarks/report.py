"""Prints figures as a table, keeps them as JSON and says which targets were met; imports the figures."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

_VERSIONS = ("fastapi", "uvicorn", "redis", "dramatiq", "rq", "httpx", "streamlit")
#: Load average when the measuring began: anything well above 0 is somebody else's.
_LOAD = round(os.getloadavg()[0], 1)


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row per figure and subject, then the targets."""
    lines = ["| figure | subject | median | least .. most | runs |", "|---|---|---:|---:|---:|"]
    for figure in figures:
        for subject, values in figure.values.items():
            low, high = figure.spread(subject)
            spread = f"{_number(low)} .. {_number(high)}"
            median = f"{_number(figure.median(subject))} {figure.unit}"
            lines.append(f"| {figure.name} | {subject} | {median} | {spread} | {len(values)} |")
    lines += ["", "| figure | must be | is | met |", "|---|---|---:|---|"]
    for figure in figures:
        for target in figure.targets:
            reached = figure.reached(target)
            if reached is not None:
                met = "yes" if target.met(reached) else "NO"
                lines.append(f"| {figure.name} | {target} | {_number(reached)} | {met} |")
    return "\n".join(lines)


def record(figures: Sequence[Figure]) -> dict[str, Any]:
    """Everything, JSON-ready, with the machine and the versions."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "model": _processor(),
            "system": platform.platform(),
            "load": _LOAD,
        },
        "python": sys.version.split()[0],
        "versions": {name: _version(name) for name in _VERSIONS},
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "values": {name: [round(value, 6) for value in values] for name, values in figure.values.items()},
                "targets": [
                    {"target": str(target), "reached": round(reached, 6), "met": target.met(reached)}
                    for target in figure.targets
                    if (reached := figure.reached(target)) is not None
                ],
            }
            for figure in figures
        ],
    }


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write the record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record(figures), indent=1) + "\n")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not here"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
