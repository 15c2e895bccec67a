"""Draws the figures people ask for as SVG; imports the standard library and attrs."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import attrs

#: Drawn by subject, so that a colour means the same in every plot; readable on white and with red-green blindness.
_COLOURS = {"baseline": "#b8b8b8", "redis": "#1f6feb", "embedded": "#e07b00", "floor": "#5f5f5f", "sqlite": "#e07b00"}
_NAMES = {"baseline": "FastAPI + RQ", "redis": "on Redis", "embedded": "embedded", "floor": "floor"}
_PAGE = "a page of 50 of the list"
_WIDTH, _LEFT, _RIGHT, _ROW = 720, 230, 130, 26


@attrs.frozen(kw_only=True)
class Bar:
    """One row."""

    label: str
    value: float
    shown: str
    colour: str


def bars(title: str, note: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on a logarithmic scale, the number beside each: the designs differ by powers of ten."""
    least = min(row.value for row in rows) / 2
    decades = math.log10(max(row.value for row in rows) / least)
    room = _WIDTH - _LEFT - _RIGHT
    height = 62 + _ROW * len(rows)
    parts = _frame(title, note, height)
    for number, row in enumerate(rows):
        y = 54 + number * _ROW
        length = max(2.0, room * math.log10(row.value / least) / decades)
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(row.label)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="18" rx="2" fill="{row.colour}"/>')
        parts.append(f'<text x="{_LEFT + length + 8:.1f}" y="{y + 14}" class="number">{escape(row.shown)}</text>')
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
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" class="number">{escape(name)}</text>')
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


def _rows(results: Mapping[str, Any], name: str, label: str = "") -> list[Bar]:
    """A bar per subject of a figure; none when it was not measured."""
    figure = next((figure for figure in results["figures"] if figure["name"] == name), None)
    if figure is None:
        return []
    unit, medians = figure["unit"], {subject: statistics.median(each) for subject, each in figure["values"].items()}
    return [
        Bar(
            label=f"{label + ': ' if label else ''}{_NAMES.get(subject, subject)}",
            value=value,
            shown=f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}",
            colour=_COLOURS.get(subject, "#5f5f5f"),
        )
        for subject, value in medians.items()
    ]


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
    latency = _rows(results, "submit to finished, p50", "median") + _rows(results, "submit to finished, p95", "95 %")
    rates = [
        row
        for name, label in (
            ("burst of 300 jobs", "jobs"),
            ("submits", "submits"),
            ("downloads of 1.5 MB", "downloads"),
            ("status of a finished job", "status"),
        )
        for row in _rows(results, name, label)
    ]
    plots: dict[str, tuple[str, str]] = {}
    if latency:
        title = "From submit to finished"
        plots["latency"] = (
            title,
            bars(title, "A generator that takes no time; shorter is better. Logarithmic.", latency),
        )
    if rates:
        title = "How much in a second"
        plots["throughput"] = title, bars(title, "Two cores, load included; longer is better. Logarithmic.", rates)
    if grown := _grown(results):
        title = "A page of the list as jobs grow"
        plots["growth"] = title, lines(title, "50 jobs, newest first. Logarithmic.", grown, "ms")
    for name, (_, drawn) in plots.items():
        (folder / f"performance-{name}.svg").write_text(drawn)
    return {name: title for name, (title, _) in plots.items()}
