"""Says of each target that was missed what stands in its way, with the floor of the same run; imports the standard library."""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

_TARGET = re.compile(r"(?P<subject>.+) (?P<sign><=|>=) (?P<bound>\S+)(?: x (?P<against>.+))?")
#: How the floor of a design is called where each has one of its own.
_FLOORS = {"redis": "floor on Redis", "embedded": "floor embedded"}

#: What lies between the floor and the service, or the service and its target.
_REASONS: Mapping[str, str] = {
    "submit to finished, p50": "One after the other there are on the disk, or in Redis, before such a job is finished: the job, its"
    " claim, the intention before the call, the picture with its record, the end. The floor does these, the call and the check that"
    " every pixel came, and nothing else; the straightforward design syncs and checks nothing. What the service adds is Python: who"
    " asks, what it may, what the backend can do, credits, limits, leases, events, the index of words.",
    "burst of 300 jobs": "A burst is bound by the processor, which the load, the provider's double and Redis share with the service:"
    " Python checks, keeps, claims, calls for, looks through, stores and ends each job, under one interpreter's lock embedded.",
    "submits": "Each is checked against what its backend can do, priced, counted against limits, and stored with its event and the"
    " index of its words before the 202. The floor keeps 1,000 bytes, durably and unchecked; the straightforward design pushes a pickled"
    " call into Redis, unchecked.",
    "downloads of 1.5 MB": "Between the floor and a picture stand who may see it, whether its job still exists, and a look whether"
    " all of its file is in memory, since a read must not stop the others.",
    "status of a finished job": "Who asks, whether the job still exists and whose it is are looked up for each request.",
    "status of a running job": "The job and its progress are two answers of Redis, and an HTTP request goes around them.",
    "from the command to ready": "The service's own modules, its settings and its routes come on top of FastAPI and uvicorn.",
    "200 jobs on a 1 s generator": "One second is the generator's; the rest is 200 submits and 200 ends on the cores that the load"
    " shares.",
}


def shortfalls(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """A paragraph for each figure with a target that was missed, as an item of a list."""
    found = []
    for figure in figures:
        if missed := [target for target in figure["targets"] if not target["met"]]:
            asked = "; ".join(
                f"{target['target']} was asked for, it is {number(target['reached'])}" for target in missed
            )
            floors = dict.fromkeys(_floor(figure, target) for target in missed)
            parts = [f"{asked}.", *floors, _REASONS.get(figure["name"], "")]
            found.append(f"* **{figure['name']}**: {' '.join(filter(None, parts))}")
    return found


def _floor(figure: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """How the floor stands to that target; empty where none was measured."""
    match = _TARGET.fullmatch(target["target"])
    assert match is not None, target
    values, against = figure["values"], match["against"]
    name = _FLOORS.get(match["subject"], "floor")
    name = name if name in values else "floor"
    if name not in values or against == name:
        return ""
    floor = statistics.median(values[name])
    ratio = floor / statistics.median(values[against]) if against else floor
    bound = float(match["bound"])
    meets = ratio <= bound if match["sign"] == "<=" else ratio >= bound
    told = f"The {name} is {number(floor)} {figure['unit']}" + (f", {number(ratio)} x {against}" if against else "")
    return f"{told}, which {'would meet that' if meets else 'does not meet that either'}."


def number(value: float) -> str:
    """As people read it: three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
