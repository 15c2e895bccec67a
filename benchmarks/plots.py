"""Draws the figures people ask for as SVG; imports the standard library and attrs."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import attrs

#: Drawn by subject, so that a colour means the same in every plot; readable on white and with red-green blindness.
_COLOURS = {"baseline": "#8c8c8c", "redis": "#1f6feb", "embedded": "#e07b00", "sqlite": "#e07b00"}
_FLOOR = "#d9d9d9"
_NAMES = {
    "baseline": "FastAPI + RQ",
    "redis": "on Redis",
    "floor on Redis": "floor, on Redis",
    "floor embedded": "floor, embedded",
}
_STORES = {"redis": "on Redis", "sqlite": "embedded"}
_PAGE = "a page of 50 of the list"
#: Plots of bars: name, title, how to read them, and the figures with what they are called there.
_BARS = (
    (
        "latency",
        "From submit to finished",
        "A generator that takes no time. Shorter is better",
        {"submit to finished, p50": "half of all jobs within", "submit to finished, p95": "95 of 100 jobs within"},
    ),
    (
        "throughput",
        "How much in a second",
        "Two cores, load included. Longer is better",
        {
            "burst of 300 jobs": "jobs finished, of 300 at once",
            "submits": "jobs taken",
            "downloads of 1.5 MB": "pictures of 1.5 MB downloaded",
            "status of a finished job": "statuses told",
        },
    ),
)
_WIDTH, _LEFT, _RIGHT, _ROW = 720, 140, 190, 22


@attrs.frozen(kw_only=True)
class Bar:
    """One row."""

    label: str
    value: float
    shown: str
    colour: str


def bars(title: str, note: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Horizontal bars from zero, the number beside each; every group has a scale of its own."""
    height = 60 + sum(34 + _ROW * len(rows) for rows in groups.values())
    parts, y = _frame(title, note, height), 56
    for name, rows in groups.items():
        parts.append(f'<text x="16" y="{y + 14}" class="number">{escape(name)}</text>')
        y += 22
        most = max(row.value for row in rows)
        for row in rows:
            length = max(1.5, (_WIDTH - _LEFT - _RIGHT) * row.value / most)
            parts.append(f'<text x="{_LEFT - 10}" y="{y + 13}" text-anchor="end">{escape(row.label)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="16" rx="2" fill="{row.colour}"/>')
            parts.append(f'<text x="{_LEFT + length + 8:.1f}" y="{y + 13}" class="number">{escape(row.shown)}</text>')
            y += _ROW
        y += 12
    return "\n".join([*parts, "</svg>", ""])


def lines(title: str, note: str, series: Mapping[str, Sequence[tuple[float, float]]], unit: str) -> str:
    """Values over sizes, both logarithmic."""
    points = [point for values in series.values() for point in values]
    low_x, high_x = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    low_y = math.floor(math.log10(min(y for _, y in points)))
    high_y = max(math.ceil(math.log10(max(y for _, y in points))), low_y + 1)
    left, top, width, tall = 80, 60, 500, 200

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + width * (math.log10(x) - low_x) / ((high_x - low_x) or 1)
        return across, top + tall * (high_y - math.log10(y)) / (high_y - low_y)

    parts = _frame(title, note, top + tall + 50)
    for power in range(low_y, high_y + 1):
        _, y = at(10**low_x, 10**power)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} {escape(unit)}</text>')
    for x in sorted({x for x, _ in points}):
        across, _ = at(x, 10**low_y)
        parts.append(f'<text x="{across:.1f}" y="{top + tall + 20}" text-anchor="middle">{x:,.0f}</text>')
    for name, values in series.items():
        drawn = [at(x, y) for x, y in values]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        colour = _COLOURS[name]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in drawn]
        x, y = drawn[-1]
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" class="number">{escape(_STORES[name])}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str, note: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13" fill="#222222">',
        "<style>.number{font-weight:600}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="600">{escape(title)}</text>',
        f'<text x="16" y="42" fill="#666666">{escape(note)}</text>',
    ]


def _groups(results: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, list[Bar]]:
    """A bar per subject of each figure that was measured, by what the figure is to be called."""
    found = {figure["name"]: figure for figure in results["figures"]}
    return {label: _rows(found[name]) for name, label in names.items() if name in found}


def _rows(figure: Mapping[str, Any]) -> list[Bar]:
    unit, medians = figure["unit"], {subject: statistics.median(each) for subject, each in figure["values"].items()}
    rows = []
    for subject, value in medians.items():
        shown = f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
        if subject in ("redis", "embedded") and "baseline" in medians:
            times = value / medians["baseline"]
            shown += f" ({max(times, 1 / times):.2g} x {'better' if (times > 1) == unit.endswith('/s') else 'worse'})"
        colour = _COLOURS.get(subject, _FLOOR)
        rows.append(Bar(label=_NAMES.get(subject, subject), value=value, shown=shown, colour=colour))
    return rows


def _grown(results: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """The time of a page by how many jobs there are, for each repository."""
    grown: dict[str, list[tuple[float, float]]] = {}
    for figure in results["figures"]:
        if figure["name"] == _PAGE:
            for subject, values in figure["values"].items():
                kind, _, size = subject.partition(", ")
                at = float(size.split()[0].replace(",", "")), statistics.median(values)
                grown.setdefault(kind, []).append(at)
    return grown


def draw(results: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the plots of docs/performance.md, as far as what they show was measured; gives their titles by name."""
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, tuple[str, str]] = {}
    for name, title, hint, figures in _BARS:
        if groups := _groups(results, figures):
            plots[name] = title, bars(title, f"{hint}; the floor is the least that the steps themselves cost.", groups)
    if grown := _grown(results):
        title = "A page of the list as jobs grow"
        plots["growth"] = (
            title,
            lines(
                title,
                "50 jobs, newest first, by how many there are. Lower is better; logarithmic.",
                grown,
                "ms",
            ),
        )
    for name, (_, drawn) in plots.items():
        (folder / f"performance-{name}.svg").write_text(drawn)
    return {name: title for name, (title, _) in plots.items()}
