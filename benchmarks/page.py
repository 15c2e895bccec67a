"""`python -m benchmarks.page RESULTS.json DOCS`: puts the numbers and plots of one run into docs/performance.md; imports its neighbours."""

import json
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import draw
from benchmarks.shortfalls import number, shortfalls

#: Subjects that have a column.
_COLUMNS = {"baseline": "FastAPI + RQ", "redis": "on Redis", "embedded": "embedded"}
#: Subjects that begin like this share the next.
_FLOOR = "floor"
_MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)


def page(results: Mapping[str, Any], drawn: Mapping[str, str]) -> str:
    """The part of the page that a run writes: what was measured, on what, and which targets were missed.

    `drawn` are the plots there are, by name, with their titles.
    """
    machine, figures = results["machine"], results["figures"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    targets = [target for figure in figures for target in figure["targets"]]
    missed = shortfalls(figures)
    lines = [
        f"Measured {results['at'][:10]} on {machine['cores']} cores ({machine['model']}), load {machine['load']:g} when it began, "
        f"Python {results['python']}, {versions}. Medians of alternated runs, least and most in brackets.",
        "",
        f"{sum(target['met'] for target in targets)} of {len(targets)} targets are met."
        + (" What stands in the way of the others is said below the tables." if missed else ""),
        "",
        *(f"![{title}](images/performance-{name}.svg)\n" for name, title in drawn.items()),
    ]
    beside = [row for figure in figures if _is_beside(figure) for row in _beside(figure)]
    if beside:
        columns = [*_COLUMNS.values(), "floor"]
        lines += [
            f"| | {' | '.join(columns)} | asked for | met |",
            f"|---|{'---:|' * len(columns)}---|---|",
            *beside,
            "",
        ]
    alone = [row for figure in figures if not _is_beside(figure) for row in _alone(figure)]
    if alone:
        lines += ["| by itself | | asked for | met |", "|---|---:|---|---|", *alone, ""]
    if missed:
        lines += ["Not met:", "", *missed, ""]
    return "\n".join(lines)


def _is_beside(figure: Mapping[str, Any]) -> bool:
    """Whether it compares the designs; else it has subjects of its own."""
    return "redis" in figure["values"]


def _beside(figure: Mapping[str, Any]) -> list[str]:
    values, unit = figure["values"], figure["unit"]
    cells = [_cell(values[name], unit) if name in values else "" for name in _COLUMNS]
    floors = [name for name in values if name.startswith(_FLOOR)]
    if floors == [_FLOOR]:
        floor = _cell(values[_FLOOR], unit)
    else:
        medians = {name.removeprefix(_FLOOR).strip(): statistics.median(values[name]) for name in floors}
        floor = "; ".join(f"{name} {number(value)} {unit}".strip() for name, value in medians.items())
    asked, met = _verdict(figure["targets"])
    return [f"| {figure['name']} | {' | '.join(cells)} | {floor} | {asked} | {met} |"]


def _alone(figure: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, values in figure["values"].items():
        asked, met = _verdict([target for target in figure["targets"] if target["target"].startswith(f"{name} ")])
        label = figure["name"] if name == _FLOOR else f"{figure['name']}: {name}"
        rows.append(f"| {label} | {_cell(values, figure['unit'])} | {asked} | {met} |")
    return rows


def _verdict(targets: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    told = [f"{target['target']} (is {number(target['reached'])})" for target in targets]
    missed = [not target["met"] for target in targets]
    asked = "; ".join(f"**{text}**" if miss else text for text, miss in zip(told, missed, strict=True))
    return asked, "" if not targets else "**no**" if all(missed) else "**in part**" if any(missed) else "yes"


def _cell(values: Sequence[float], unit: str) -> str:
    spread = f" ({number(min(values))} .. {number(max(values))})" if len(values) > 1 else ""
    return f"{number(statistics.median(values))} {unit}{spread}"


def write(results: Mapping[str, Any], docs: Path) -> None:
    """Bring the page and its plots up to date."""
    drawn = draw(results, docs / "images")
    file = docs / "performance.md"
    file.write_text(_MEASURED.sub(lambda _: page(results, drawn), file.read_text()))


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
