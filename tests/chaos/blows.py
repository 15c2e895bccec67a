"""What was done to the processes, and what the fake Stability saw: the two records that money is judged by.

May import the standard library and attrs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

#: How long after its last byte an answer may take to reach the disk, in s: a kill until then costs the picture.
STORING_S = 3.0
#: How long a request that was sent may lie unread at a fake that gets no processor, in s. The process that was killed
#: cannot send in that time, and the one that follows it takes longer to start.
SLACK_S = 0.7


@attrs.frozen(kw_only=True)
class Blow:
    """One thing the nemesis did; times are wall-clock seconds of this host."""

    at: float
    #: When it was over: of a frozen process the thaw, of a killed one the same moment.
    until: float
    #: kill, freeze, term, redis-kill, ...
    kind: str
    #: Which process.
    unit: str
    #: Tells its calls apart in the fake's log; empty for a process that makes none.
    caller: str = ""
    #: When the process that followed a killed one was ready: what the fake read until then, the dead one had sent.
    back_at: float = 0.0


@attrs.frozen(kw_only=True)
class PaidCall:
    """One call that the fake charged."""

    id: str
    prompt: str
    caller: str
    charged_at: float
    #: When its answer had left, or nobody was there to take it.
    ended_at: float = math.inf

    def in_flight(self, at: float) -> bool:
        """Whether it was at the fake then."""
        return self.charged_at - SLACK_S <= at <= self.ended_at


def paid_calls(log: Iterable[Mapping[str, Any]]) -> list[PaidCall]:
    """The charges in the fake's log, in order."""
    calls: dict[str, PaidCall] = {}
    for line in log:
        if line["event"] == "charge":
            calls[line["call"]] = PaidCall(
                id=line["call"], prompt=line["prompt"], caller=line["caller"], charged_at=line["time"]
            )
        elif line["call"] in calls:
            calls[line["call"]] = attrs.evolve(calls[line["call"]], ended_at=line["time_out"])
    return list(calls.values())


def explains(blow: Blow, call: PaidCall, *, gone_on_at: float = math.inf) -> bool:
    """Whether that blow may have cost the picture of that call.

    A busy machine may take long to store an answer, so that a blow after it counts as well while nobody went on with the
    job: `gone_on_at` is when somebody did.
    """
    theirs = blow.caller == call.caller and blow.kind in ("kill", "freeze")
    if not theirs and blow.kind != "disk-full":
        return False
    last = max(call.ended_at + STORING_S, gone_on_at if blow.kind == "kill" else 0.0)
    return (call.charged_at - SLACK_S <= blow.until or call.charged_at < blow.back_at) and blow.at <= last


def hit_in_flight(blow: Blow, calls: Sequence[PaidCall]) -> list[PaidCall]:
    """The calls of that process which were at the fake when the blow fell."""
    own = [call for call in calls if call.caller == blow.caller]
    return [call for call in own if call.in_flight(blow.at) or blow.at < call.charged_at < blow.back_at]
