"""Judges a run by what clients saw, what the fake charged and what lies on the disk; imports attrs and this package."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from chaos.blows import Blow, PaidCall, explains, hit_in_flight
from chaos.store import OnDisk
from chaos.watcher import Seen, Watcher

#: What R5 adds to the lease, in s.
TAKE_OVER_S = 5.0
#: How long after a change clients may see it, in s: what is seen so soon after a kill was so before it.
WATCH_LAG_S = 1.0


@attrs.frozen(kw_only=True)
class Evidence:
    """All that a verdict may be based on."""

    #: Accepted jobs and their prompts.
    accepted: Mapping[str, str]
    #: What the service told of each at the end.
    details: Mapping[str, Mapping[str, Any]]
    watcher: Watcher
    calls: Sequence[PaidCall]
    blows: Sequence[Blow]
    disk: OnDisk
    lease_s: float
    #: From when to when each worker was ready, all of them together.
    lives: Sequence[tuple[float, float]]
    #: Accepted jobs that another part of the scenario judges.
    others: Collection[str] = ()
    #: What a repair found after the run, in sentences.
    orphans: Sequence[str] = ()


@attrs.define(kw_only=True)
class Verdict:
    """What came out: figures, violations in words, and which job each concerns."""

    figures: dict[str, Any] = attrs.field(factory=dict)
    violations: list[str] = attrs.field(factory=list)
    #: Jobs whose history tells more.
    concerned: list[str] = attrs.field(factory=list)

    def blame(self, sentence: str, job_id: str | None = None) -> None:
        """Something promised was not so."""
        self.violations.append(sentence if job_id is None else f"job {job_id}: {sentence}")
        if job_id is not None and job_id not in self.concerned:
            self.concerned.append(job_id)


def judge(evidence: Evidence) -> Verdict:
    """The verdict on what every scenario promises."""
    verdict = Verdict()
    _judge_ends(evidence, verdict)
    _judge_money(evidence, verdict)
    _judge_sight(evidence, verdict)
    _measure_take_overs(evidence, verdict)
    return verdict


def _judge_ends(evidence: Evidence, verdict: Verdict) -> None:
    ends = Counter(str(detail.get("status")) for detail in evidence.details.values())
    lost = [
        job_id for job_id, d in evidence.details.items() if d.get("status") not in ("finished", "failed", "cancelled")
    ]
    for job_id in lost:
        verdict.blame(f"accepted and not ended: {evidence.details[job_id].get('status')}", job_id)
    failures = Counter(
        str(d["failure"]["code"]) for d in evidence.details.values() if d.get("status") == "failed" and d.get("failure")
    )
    verdict.figures |= {
        "jobs": len(evidence.accepted),
        "terminal": len(evidence.accepted) - len(lost),
        "finished": ends["finished"],
        "failed": ends["failed"],
        "cancelled": ends["cancelled"],
        "failure_codes": dict(failures),
        "lost": len(lost),
    }
    for job_id, detail in evidence.details.items():
        if detail.get("status") == "finished" and len(detail["images"]) != evidence.disk.pictures.get(job_id, 0):
            verdict.blame(
                f"finished with {len(detail['images'])} pictures, {evidence.disk.pictures.get(job_id, 0)} stored",
                job_id,
            )
        if detail.get("status") == "failed" and evidence.disk.pictures.get(job_id, 0):
            verdict.blame("failed although its picture was stored: it was thrown away", job_id)
    for job_id in evidence.disk.pictures:
        if job_id not in evidence.accepted and job_id not in evidence.others:
            verdict.blame("has pictures and is no accepted job", job_id)


def _judge_money(evidence: Evidence, verdict: Verdict) -> None:
    """No job was charged for more often than it has pictures and calls that a blow to their worker hit in flight."""
    by_prompt = {prompt: job_id for job_id, prompt in evidence.accepted.items()}
    shown = {call for calls in evidence.disk.calls.values() for call in calls}
    in_flight_crashes = 0
    for prompt in {call.prompt for call in evidence.calls}:
        own = [call for call in evidence.calls if call.prompt == prompt]
        wasted = [call for call in own if call.id not in shown]
        # A frozen worker's answer may yet be the one that is stored; then it is the repetition that shows nothing.
        hit = [call for call in own if _hit(call, own, evidence, shown=call.id in shown)]
        in_flight_crashes += min(len(wasted), len(hit))
        if len(wasted) > len(hit):
            names = ", ".join(call.id[:8] for call in wasted)
            verdict.blame(
                f"{len(own)} charges, {len(hit)} hit in flight, and none shows {names}", by_prompt.get(prompt)
            )
    pictures = len(shown)
    for call_id in shown - {call.id for call in evidence.calls}:
        verdict.blame(f"a stored picture is of call {call_id[:8]}, which was never charged")
    verdict.figures |= {
        "charges": len(evidence.calls),
        "pictures": pictures,
        "in_flight_crashes": in_flight_crashes,
        "most_charges_of_a_job": max(Counter(call.prompt for call in evidence.calls).values(), default=0),
    }
    if len(evidence.calls) != pictures + in_flight_crashes:
        verdict.blame(
            f"{len(evidence.calls)} charges are not {pictures} pictures + {in_flight_crashes} crashes in flight"
        )
    kills = [blow for blow in evidence.blows if blow.kind == "kill" and blow.caller]
    verdict.figures |= {
        "blows": dict(Counter(blow.kind for blow in evidence.blows)),
        "kills": len(kills),
        "kills_in_flight": sum(1 for blow in kills if hit_in_flight(blow, evidence.calls)),
    }


def _hit(call: PaidCall, own: Sequence[PaidCall], evidence: Evidence, *, shown: bool) -> bool:
    """Whether a blow to the process that made it may have cost that call's picture: the first kill ends its life."""
    kills = [blow for blow in evidence.blows if blow.kind == "kill" and blow.caller == call.caller]
    first = min((blow.at for blow in kills if blow.at >= call.charged_at), default=0.0)
    again = min((other.charged_at for other in own if other.charged_at > call.charged_at), default=math.inf)
    # What a killed process made is lost or shown; of a frozen one's the picture may show and the repetition not.
    blows = [blow for blow in evidence.blows if blow.kind != "kill" or not shown]
    return any(explains(blow, call, gone_on_at=again if blow.at <= first else 0.0) for blow in blows)


def _judge_sight(evidence: Evidence, verdict: Verdict) -> None:
    watcher = evidence.watcher
    verdict.figures |= {
        "regressions": len(watcher.regressions),
        "bad_pictures": len(watcher.bad_pictures) + len(evidence.disk.bad),
        "orphans": len(evidence.orphans),
        "temporary_files": evidence.disk.temporary,
        "unnamed_pictures": evidence.disk.unnamed,
        "lease_probes": watcher.probes,
        "watch_period_s": round(watcher.period_s, 3),
    }
    for sentence in (*watcher.regressions, *watcher.bad_pictures, *evidence.disk.bad):
        verdict.blame(sentence.partition(": ")[2] or sentence, _job_in(sentence))
    for sentence in watcher.probed[:5]:
        verdict.blame(sentence.partition(": ")[2], _job_in(sentence))
    if not watcher.probes:
        verdict.blame("nobody ever told whether jobs are started without a live lease: the run shows too little")
    for sentence in watcher.bad_answers[:5]:
        verdict.blame(sentence)
    for sentence in evidence.orphans[:5]:
        verdict.blame(f"orphan: {sentence}")
    if evidence.disk.temporary + evidence.disk.unnamed > len(evidence.orphans):
        verdict.blame("a repair finds less than what lies there without a name")


def _job_in(sentence: str) -> str | None:
    words = sentence.replace(":", " ").split()
    return words[1] if words[:1] == ["job"] else None


def _measure_take_overs(evidence: Evidence, verdict: Verdict) -> None:
    """How long each interrupted job waited while one worker was there all the time; and how long in all.

    From the kill to the job's next call, its next attempt that a client sees, or its end. What no worker was there for
    is the machine's time to start one.
    """
    by_prompt = {prompt: job_id for job_id, prompt in evidence.accepted.items()}
    starts: dict[str, list[float]] = {}
    for call in evidence.calls:
        starts.setdefault(call.prompt, []).append(call.charged_at)
    gaps: list[tuple[float, float, str]] = []
    hits: Counter[str] = Counter()
    alone: list[float] = []
    lives = list(_without_outages(evidence))
    for blow in evidence.blows:
        if blow.kind not in ("kill", "freeze"):
            continue
        for call in hit_in_flight(blow, evidence.calls):
            hits[call.prompt] += 1
            if blow.kind == "freeze":
                continue
            job_id = by_prompt.get(call.prompt)
            seen = evidence.watcher.seen.get(job_id or "")
            moments = [at for at in starts[call.prompt] if at > max(blow.at, call.charged_at)]
            moments += _seen_going_on(seen, blow.at) if seen is not None else []
            if moments and job_id is not None:
                went_on = min(moments)
                served = (min(end, went_on) - max(begin, blow.at) for begin, end in lives)
                gap = max(0.0, *served)
                if hits[call.prompt] > 1:
                    # On its last chance: such jobs run one at a time in each worker, whatever that takes.
                    alone.append(gap)
                else:
                    gaps.append((gap, went_on - blow.at, job_id))
    lengths = [gap for gap, _, _ in gaps]
    verdict.figures |= {
        "takeover_gap_p50_s": round(statistics.median(lengths), 2) if lengths else None,
        "takeover_gap_max_s": round(max(lengths), 2) if lengths else None,
        "takeover_with_start_max_s": round(max(whole for _, whole, _ in gaps), 2) if gaps else None,
    }
    verdict.figures["last_chance_gap_max_s"] = round(max(alone), 2) if alone else None
    for gap, _, job_id in gaps:
        if gap > evidence.lease_s + TAKE_OVER_S:
            verdict.blame(f"went on only {gap:.1f} s after its worker was killed, though another was there", job_id)


def _seen_going_on(seen: Seen, killed_at: float) -> list[float]:
    """When clients saw that job in another attempt than before, or ended."""
    before = max((attempt for at, _, attempt, _ in seen.changes if at <= killed_at + WATCH_LAG_S), default=0)
    again = [
        at for at, status, attempt, _ in seen.changes if at > killed_at and attempt > before and status != "queued"
    ]
    ended = [seen.ended_at] if seen.ended_at is not None and seen.ended_at > killed_at else []
    return again + ended


def _without_outages(evidence: Evidence) -> Iterator[tuple[float, float]]:
    """The times in which a worker was ready and Redis was there."""
    outages = [(blow.at, blow.until) for blow in evidence.blows if blow.kind == "redis-kill"]
    for begin, end in evidence.lives:
        for away, back in outages:
            if begin < away < end:
                yield begin, away
                begin = min(back, end)  # noqa: PLW2901  # what is left of it
        yield begin, end


def history(job_id: str, evidence: Evidence) -> list[str]:
    """Everything known of one job, in the order in which it happened."""
    prompt = evidence.accepted.get(job_id, "")
    lines: list[tuple[float, str]] = []
    seen = evidence.watcher.seen.get(job_id)
    for at, status, attempt, where in seen.changes if seen else ():
        lines.append((at, f"seen {status}, attempt {attempt}, in {where}"))
    shown = set(evidence.disk.calls.get(job_id, ()))
    own = [call for call in evidence.calls if call.prompt == prompt]
    for call in own:
        lines.append((call.charged_at, f"call {call.id[:8]} of {call.caller} charged"))
        stored = "stored" if call.id in shown else "not stored"
        lines.append((min(call.ended_at, 9e9), f"call {call.id[:8]} of {call.caller} answered or abandoned; {stored}"))
    begin = min((at for at, _ in lines), default=0.0) - 1
    end = max((at for at, _ in lines), default=0.0) + 1
    for blow in evidence.blows:
        if begin <= blow.at <= end:
            lasted = f" for {blow.until - blow.at:.1f} s" if blow.until > blow.at else ""
            lines.append((blow.at, f"{blow.kind} {blow.unit} ({blow.caller}){lasted}"))
    detail = evidence.details.get(job_id, {})
    told = {
        name: detail.get(name) for name in ("status", "attempt", "crashes", "calls", "failure", "previous_failures")
    }
    return [f"{at:.3f} {what}" for at, what in sorted(lines)] + [f"at the end: {told}"]
