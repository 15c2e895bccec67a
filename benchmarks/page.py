"""`python -m benchmarks.page RESULTS.json DOCS`: puts the numbers and plots of one run into docs/performance.md; imports the plots."""

import json
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plots import draw

#: Subjects that have a column; any others of a figure are named in its row.
_COLUMNS = {"baseline": "FastAPI + RQ", "redis": "on Redis", "embedded": "embedded", "floor": "floor"}
_MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)

#: What stands in the way of a target, said only where one was missed.
_REASONS: Mapping[str, str] = {
    "submit to finished, p50": "Five writes follow each other onto the disk before such a job is finished: the job, its claim, the"
    " intention before the call, the picture with its record, the end. The straightforward design syncs nothing. Embedded, those"
    " syncs, the decoding and the provider's double are 5.3 ms where the service costs nothing (benchmarks/NOTES.md).",
    "submits": "Each is checked against what its backend can do, priced, numbered and stored with its event before the 202, with"
    " SQLite on the disk; the straightforward design pushes a pickled call into Redis, unchecked.",
    "burst of 300 jobs": "A job is five durable writes, an HTTP call and a decoded picture; what is left is the processor time of"
    " those, with load, double, Redis and service on two cores.",
    "downloads of 1.5 MB": "Between the floor and a picture stand who may see it, whether it still exists, and a look whether its"
    " file is in memory, since a read must not stop the others. The load's own client takes most of such a second:"
    " the bare floor stays below 4 x too.",
    "status of a finished job": "Who asks, whether the job still exists and whose it is are looked up for each request.",
    "status of a running job": "The job and its progress are two answers of Redis, and an HTTP request goes around them.",
    "from the command to ready": "The service's own modules, its settings and its routes come on top of FastAPI and uvicorn.",
    "200 jobs on a 1 s generator": "One second is the generator's; the rest is 200 submits and 200 ends on the cores that the load"
    " shares.",
}


def page(results: Mapping[str, Any], drawn: Mapping[str, str]) -> str:
    """The part of the page that a run writes: what was measured, on what, and which targets were missed.

    `drawn` are the plots there are, by name, with their titles.
    """
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        f"Measured {results['at'][:10]} on {machine['cores']} cores ({machine['model']}), load {machine['load']:g} when it began, "
        f"Python {results['python']}, {versions}. Medians of alternated runs, least and most in brackets.",
        "",
        *(f"![{title}](images/performance-{name}.svg)\n" for name, title in drawn.items()),
        f"| | {' | '.join(_COLUMNS.values())} | asked for | met |",
        f"|---|{'---:|' * len(_COLUMNS)}---|---|",
    ]
    for figure in results["figures"]:
        lines += _rows(figure)
    missed = [(figure, target) for figure in results["figures"] for target in figure["targets"] if not target["met"]]
    if missed:
        lines += ["", "Not met:", ""]
        for figure, target in missed:
            reason = _REASONS.get(figure["name"], "")
            lines.append(
                f"* {figure['name']}: {target['target']} was asked for, it is {_number(target['reached'])}. {reason}".rstrip()
            )
    return "\n".join([*lines, ""])


def _rows(figure: Mapping[str, Any]) -> list[str]:
    values, unit = figure["values"], figure["unit"]
    named = [name for name in values if name not in _COLUMNS]
    cells = [_cell(values[name], unit) if name in values else "" for name in _COLUMNS]
    targets = [target for target in figure["targets"] if target["target"].split(" ")[0] in _COLUMNS or not named]
    asked, met = _verdict(targets)
    rows = [f"| {figure['name']} | {' | '.join(cells)} | {asked} | {met} |"] if any(cells) else []
    for name in named:
        asked, met = _verdict([target for target in figure["targets"] if target["target"].startswith(f"{name} ")])
        empty = " | ".join("" for _ in list(_COLUMNS)[1:])
        rows.append(f"| {figure['name']}: {name} | {_cell(values[name], unit)} | {empty} | {asked} | {met} |")
    return rows


def _verdict(targets: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    asked = "; ".join(f"{target['target']} (is {_number(target['reached'])})" for target in targets)
    return asked, "" if not targets else "yes" if all(target["met"] for target in targets) else "**no**"


def _cell(values: Sequence[float], unit: str) -> str:
    spread = f" ({_number(min(values))} .. {_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(statistics.median(values))} {unit}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(results: Mapping[str, Any], docs: Path) -> None:
    """Bring the page and its plots up to date."""
    drawn = draw(results, docs / "images")
    file = docs / "performance.md"
    file.write_text(_MEASURED.sub(lambda _: page(results, drawn), file.read_text()))


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
