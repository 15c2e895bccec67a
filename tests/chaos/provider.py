"""Scenarios in which the provider says no: its rate, its lock-out, its absence; imports httpx, the standard library and this package."""

from __future__ import annotations

import time
from collections.abc import Sequence

import httpx

from chaos.checker import Evidence, Verdict
from chaos.clients import Client
from chaos.run import Run
from chaos.stack import Stack

#: All workers are one account, to which the provider's rule applies.
KEY = "sk-chaos-0001"
PERIOD_S = 10.0
#: The rule in short runs: so few requests in 10 s, what the service is told to use of them, and how long the lock-out is.
SHORT_RULE, SHORT_RATE, SHORT_LOCKOUT_S = 30, 29, 8.0
#: The same of Stability AI, of which the service uses what its default says.
RULE, LOCKOUT_S = 150, 60.0
#: The least share of the allowed rate that must be used while there is work.
LEAST_USED = 0.9
SLOTS = 32
#: Most calls that may go to a provider which is away, and those that may be under way to it at a time.
MOST_TRIALS, FEW_SLOTS = 15, 4


def rate(run: Run) -> int:
    """More work than the provider allows, for three workers of one account; then a stranger has that locked out."""
    rule, lockout_s = (SHORT_RULE, SHORT_LOCKOUT_S) if run.options.short else (RULE, LOCKOUT_S)
    settings = {"STABILITY_KEY": KEY, "IMAGING_STABILITY_SLOTS": str(SLOTS), **run.lease}
    if run.options.short:
        settings["IMAGING_STABILITY_RATE"] = str(SHORT_RATE)
    with Stack(run.folder, settings=settings, delay_s=1.0) as stack:
        # Only a fake that says for how long can be believed about less than the minute of the real one.
        said = {"retry_after": str(round(lockout_s))} if run.options.short else {}
        stack.stability.control(rate_requests=rule, rate_lockout=lockout_s, **said)
        client, watcher = run.watched(stack)
        run.submit(client, run.prompts()).join()
        run.until_ended(client, watcher, timeout_s=20 * run.options.jobs / rule * PERIOD_S)
        asked = sorted(call["time_in"] for call in stack.stability.calls())
        at_full_rate = stack.stability.state()

        _ask_as_a_stranger(stack, rule + 1)
        locked_out_at, before = time.time(), stack.stability.state()["refused_by_limit"]
        run.submit(client, run.prompts(3 * SLOTS, "locked out")).join()
        run.until_ended(client, watcher, timeout_s=lockout_s + 120)
        turned_away = stack.stability.state()["refused_by_limit"] - before
        ended_s = time.time() - locked_out_at

        def check(evidence: Evidence, verdict: Verdict) -> None:
            used = _share(asked, rule)
            attempts = max(detail["attempt"] for detail in evidence.details.values())
            verdict.figures |= {
                "lockouts": at_full_rate["lockouts"],
                "most_in_10_s": at_full_rate["peak_per_period"],
                "allowed_in_10_s": rule,
                "rate_used": round(used, 3),
                "turned_away_when_locked_out": turned_away,
                "most_attempts": attempts,
                "ended_after_lockout_s": round(ended_s - lockout_s, 1),
            }
            if at_full_rate["lockouts"]:
                verdict.blame(f"the provider locked us out {at_full_rate['lockouts']} times")
            if used < LEAST_USED:
                verdict.blame(f"only {used:.0%} of the allowed rate was used")
            if not 0 < turned_away <= SLOTS:
                verdict.blame(f"{turned_away} calls were turned away in one lock-out, at most {SLOTS} were under way")
            if attempts > 1:
                verdict.blame(f"being turned away cost a job {attempts - 1} attempts")

        run.extra += [check, all_finished]
        return run.verdict(stack, client, watcher)


def _ask_as_a_stranger(stack: Stack, times: int) -> None:
    """Somebody else who has the key asks for the balance, until the provider has had enough."""
    with httpx.Client(base_url=stack.stability.url, headers={"authorization": f"Bearer {KEY}"}) as stranger:
        while times and stranger.get("/v1/user/balance").status_code != 429:
            times -= 1


def _share(moments: Sequence[float], rule: int) -> float:
    """Which share of the allowed requests was made in the whole periods from the first one on."""
    periods = int((moments[-1] - moments[0]) / PERIOD_S)
    counted = sum(1 for moment in moments if moment < moments[0] + periods * PERIOD_S)
    return counted / (rule * periods) if periods else 0.0


def outage(run: Run) -> int:
    """The provider is away for a while: it is hardly asked, the other backend goes on, and no job is lost for it."""
    settings = {"IMAGING_STABILITY_SLOTS": str(FEW_SLOTS), **run.lease}
    with Stack(run.folder, settings=settings, delay_s=0.2, webui=True) as stack:
        (client, watcher), others = run.watched(stack), Client(stack.url)
        stack.stability.kill()
        away_from = time.monotonic()
        run.submit(client, run.prompts()).join()
        local = run.prompts(10, "local")
        run.submit(others, local, path="/local/images", width=64, height=64, steps=3).join()
        aside = dict.fromkeys(others.accepted, "")
        while aside and time.monotonic() < away_from + run.options.seconds:
            aside = {job_id: status for job_id in aside if (status := _status(others, job_id)) != "finished"}
            time.sleep(0.2)
        time.sleep(max(0.0, away_from + run.options.seconds - time.monotonic()))
        asked_when_away = [len(client.detail(job_id)["calls"]) for job_id in client.accepted]
        stack.stability.start()
        run.until_ended(client, watcher, timeout_s=120)

        def check(evidence: Evidence, verdict: Verdict) -> None:
            attempts = max(detail["attempt"] for detail in evidence.details.values())
            verdict.figures |= {
                "away_s": run.options.seconds,
                "asked_when_away": sum(asked_when_away),
                "never_asked_for": asked_when_away.count(0),
                "most_attempts": attempts,
                "local_finished_meanwhile": len(local) - len(aside),
            }
            if not 0 < sum(asked_when_away) <= MOST_TRIALS:
                verdict.blame(f"the provider was asked {sum(asked_when_away)} times while it was away")
            if attempts > 1:
                verdict.blame(f"a provider that was away cost a job {attempts - 1} attempts")
            if aside:
                verdict.blame(f"the other backend did not go on: {len(aside)} of its jobs did not finish meanwhile")

        run.others |= set(others.accepted)
        run.extra += [check, all_finished]
        code = run.verdict(stack, client, watcher)
        others.close()
        return code


def _status(client: Client, job_id: str) -> str:
    return str(client.detail(job_id).get("status"))


def all_finished(evidence: Evidence, verdict: Verdict) -> None:
    """A check that every job finished: here nothing happened that any of them could fail of."""
    for job_id, detail in evidence.details.items():
        if detail.get("status") != "finished":
            code = (detail.get("failure") or {}).get("code")
            verdict.blame(f"ended as {detail.get('status')}({code}), of nothing that should end a job", job_id)
