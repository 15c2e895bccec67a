"""The API dies while clients submit, also between saving a job and ringing for it; imports the standard library and this package."""

from __future__ import annotations

import time
from datetime import datetime

from chaos.blows import Blow
from chaos.checker import Evidence, Verdict
from chaos.clients import Client
from chaos.nemesis import Nemesis
from chaos.run import Run
from chaos.stack import Stack

#: What R2 allows from the acceptance to the start, in s.
STARTS_WITHIN_S = 10.0
#: Longest wait for a job to be accepted without a ring, in s; else it is tried again.
ACCEPTED_WITHIN_S = 15.0


def api_kill(run: Run) -> int:
    """The API is killed again and again, mostly with an accepted job that nobody rang for; clients repeat under their key."""
    with Stack(
        run.folder, settings={"IMAGING_STABILITY_SLOTS": "32", **run.lease}, workers=2, delay_s=0.2, bell_of="api"
    ) as stack:
        client, watcher = run.watched(stack)
        unrung: list[str] = []

        def kill_before_the_ring() -> Blow | None:
            blow, accepted = _kill_before_the_ring(stack, client)
            unrung.extend(accepted)
            return blow

        def kill_at_any_moment() -> Blow | None:
            stack.api.wait_ready()
            time.sleep(run.rng.uniform(0.0, 1.0))
            return stack.api.kill()

        # One tenth of the submits is never rung for, and half as often the API dies at any moment.
        hooked = max(3, run.options.jobs // 10)
        strikes = [kill_before_the_ring] * hooked + [kill_at_any_moment] * (hooked // 2)
        nemesis = Nemesis(strikes, rng=run.rng, every_s=0.7, most=len(strikes))
        nemesis.start()
        submitting = run.submit(client, run.prompts(), over_s=run.options.seconds, progress=lambda: nemesis.progress)
        submitting.join()
        run.blows += nemesis.finish()
        run.until_ended(client, watcher, timeout_s=60)

        def check(evidence: Evidence, verdict: Verdict) -> None:
            verdict.figures |= {
                "api_kills": sum(1 for blow in evidence.blows if blow.kind == "kill"),
                "accepted_and_never_rung_for": len(unrung),
            }
            _judge_starts(evidence, verdict)
            if len(evidence.accepted) != run.options.jobs:
                verdict.blame(f"{run.options.jobs} keys made {len(evidence.accepted)} jobs")
            if len(unrung) < hooked:
                verdict.blame(f"{len(unrung)} jobs, and not {hooked}, were never rung for: the run shows too little")

        run.extra.append(check)
        return run.verdict(stack, client, watcher)


def _kill_before_the_ring(stack: Stack, client: Client) -> tuple[Blow | None, set[str]]:
    """Kill the API once it has accepted jobs that no worker hears of; the blow, None without a job in time, and those jobs."""
    # Held at the proxy no ring is ever heard, though the job is saved and the client has its 202.
    assert stack.bell is not None
    stack.api.wait_ready()
    stack.bell.hold()
    before = set(client.accepted)
    deadline = time.monotonic() + ACCEPTED_WITHIN_S
    while len(client.accepted) <= len(before) and time.monotonic() < deadline:
        time.sleep(0.005)
    blow = stack.api.kill() if len(client.accepted) > len(before) else None
    accepted = set(client.accepted) - before
    stack.bell.release()
    return blow, accepted


def _judge_starts(evidence: Evidence, verdict: Verdict) -> None:
    waits = []
    for job_id, detail in evidence.details.items():
        if detail.get("started_at"):
            wait = _seconds(detail["started_at"]) - _seconds(detail["created_at"])
            waits.append(wait)
            if wait > STARTS_WITHIN_S:
                verdict.blame(f"started only {wait:.1f} s after it was accepted", job_id)
    verdict.figures["start_after_max_s"] = round(max(waits, default=0.0), 2)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
