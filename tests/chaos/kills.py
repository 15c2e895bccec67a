"""Scenarios in which processes die, freeze or are told to stop; imports the standard library and this package."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

from chaos.aim import Aimed, Calls, another_lives
from chaos.blows import Blow, hit_in_flight
from chaos.checker import Evidence, Verdict
from chaos.nemesis import Nemesis, Strike
from chaos.run import Run, Skipped, at_least, in_flight_share, most_charges
from chaos.stack import Stack
from chaos.supervised import Unit

#: Lifted, so that money is counted by crashes alone.
NO_CAP = {"IMAGING_MAX_PAID_CALLS": "50"}
#: Where Debian's package faketime has its library, whatever the processor.
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def kill(run: Run) -> int:
    """SIGKILL to one of three workers every 2 s, the cap on paid calls lifted."""
    return _kill(run, NO_CAP)


def kill_capped(run: Run) -> int:
    """The same under the default cap of two paid calls."""
    run.extra.append(most_charges(2))
    return _kill(run, {})


def _kill(run: Run, cap: dict[str, str]) -> int:
    with Stack(run.folder, settings={"IMAGING_STABILITY_SLOTS": "32", **run.lease, **cap}, delay_s=1.2) as stack:
        nemesis = killing(run, stack, every_s=2.0)
        run.extra += [in_flight_share(0.2), at_least(nemesis.most, "kill")]
        return under(run, stack, nemesis)


def killing(run: Run, stack: Stack, *, every_s: float) -> Nemesis:
    """Kills a worker every so often, while another lives."""
    return Nemesis(
        [aimed(run, stack, Unit.kill)],
        rng=run.rng,
        every_s=every_s,
        most=round(run.options.seconds / every_s),
    )


def aimed(run: Run, stack: Stack, strike: Callable[[Unit], Blow | None]) -> Aimed:
    """That strike against the workers, each while another lives."""
    return Aimed(
        units=stack.workers,
        strike=strike,
        calls=Calls(stack.stability.log_path),
        rng=random.Random(run.rng.random()),
        call_s=stack.call_s,
        fit=another_lives(stack.workers),
    )


def under(
    run: Run, stack: Stack, *nemeses: Nemesis, beside: threading.Thread | None = None, over_s: float | None = None
) -> int:
    """Submit the jobs, spread over that time, while the nemeses strike; judge when all have ended."""
    over_s = 0.9 * run.options.seconds if over_s is None else over_s
    client, watcher = run.watched(stack)
    for nemesis in nemeses:
        nemesis.start()
    progress = lambda: min(nemesis.progress for nemesis in nemeses)  # noqa: E731  # asked again and again
    run.submit(client, run.prompts(), over_s=over_s, progress=progress).join()
    run.until_ended(client, watcher, timeout_s=2 * run.options.seconds + 60 + 2 * stack.lease_s)
    for nemesis in nemeses:
        run.blows += nemesis.finish()
    if beside is not None:
        beside.join()
    return run.verdict(stack, client, watcher)


def term(run: Run) -> int:
    """Rolling SIGTERMs: no paid call is repeated."""
    with Stack(run.folder, settings={"IMAGING_STABILITY_SLOTS": "16", **run.lease, **NO_CAP}, delay_s=0.8) as stack:
        workers = stack.workers
        roll = aimed(run, stack, Unit.terminate)
        lives = roll.fit
        # A second signal ends a worker at once, as it should: each life gets one.
        roll.fit = lambda worker: lives(worker) and not worker.told

        def early() -> Blow | None:
            starting = [worker for worker in workers if worker.hears and not worker.ready and not worker.told]
            return starting[0].terminate() if starting else roll()

        seconds = run.options.seconds
        # On a busy machine most of them start at any moment, and who starts has no call in flight.
        strikes: list[Strike] = [roll, roll, roll, early]
        nemesis = Nemesis(strikes, rng=run.rng, every_s=seconds / 20, most=round(19 * seconds / 40))

        def check(evidence: Evidence, verdict: Verdict) -> None:
            stops = [blow for blow in evidence.blows if blow.kind == "term"]
            hits = sum(1 for blow in stops if hit_in_flight(blow, evidence.calls))
            exits = sum(1 for worker in workers for status in worker.exits if status != 0)
            own = {worker.name: worker.lives for worker in workers}
            early = sum(1 for blow in stops if not any(begin <= blow.at <= end for begin, end in own[blow.unit]))
            verdict.figures |= {"terms": len(stops), "terms_in_flight": hits, "terms_at_the_start": early}
            if exits:
                verdict.blame(f"{exits} workers that were told to stop ended with another status than 0")
            if hits < 0.2 * len(stops):
                verdict.blame(f"only {hits} of {len(stops)} stops hit a call in flight: the run shows too little")

        run.extra += [check, at_least(nemesis.most, "term")]
        return under(run, stack, nemesis)


def embedded_kill(run: Run) -> int:
    """SIGKILL to the one process of `imaging up`, again and again, 2 s after it was ready or in the middle of a call."""
    settings = {"IMAGING_STABILITY_SLOTS": "4", **run.lease, **NO_CAP}
    with Stack(run.folder, settings=settings, embedded=True, delay_s=0.6) as stack:
        strike = aimed(run, stack, Unit.kill)
        strike.fit = lambda unit: unit.ready
        # What lasts 2 s from a kill to the next is mostly the start of a process: that is not counted.
        nemesis = Nemesis([strike], rng=run.rng, every_s=1.0, most=round(run.options.seconds / 2))
        run.extra += [in_flight_share(0.2), at_least(nemesis.most, "kill")]
        return under(run, stack, nemesis)


def poison(run: Run) -> int:
    """One job among fifty whose every call ends its worker; it must fail alone."""
    with Stack(
        run.folder, settings={"IMAGING_STABILITY_SLOTS": "6", **run.lease, **NO_CAP}, workers=2, delay_s=0.8
    ) as stack:
        client, watcher = run.watched(stack)
        prompts = run.prompts(run.options.jobs - 1)
        bad = f"chaos {run.options.seed} poison"
        prompts.insert(run.rng.randrange(5, 15), bad)
        ended = threading.Event()
        poisoning = threading.Thread(target=_poison, args=(run, stack, bad, ended), daemon=True)
        poisoning.start()
        run.submit(client, prompts).join()
        run.until_ended(client, watcher, timeout_s=run.options.seconds + 6 * stack.lease_s)
        ended.set()
        poisoning.join()

        def check(evidence: Evidence, verdict: Verdict) -> None:
            for job_id, detail in evidence.details.items():
                code = (detail.get("failure") or {}).get("code")
                if evidence.accepted[job_id] == bad:
                    verdict.figures |= {
                        "poison_ended": f"{detail.get('status')}({code})",
                        "poison_attempts": detail["attempt"],
                    }
                    if code != "worker_crash" or detail["crashes"] != 3:
                        verdict.blame(
                            f"the poison ended as {detail['status']}({code}) after {detail['crashes']} crashes", job_id
                        )
                elif detail.get("status") != "finished":
                    verdict.blame(f"ended as {detail.get('status')}({code}) because of another job", job_id)

        run.extra.append(check)
        return run.verdict(stack, client, watcher)


def _poison(run: Run, stack: Stack, prompt: str, ended: threading.Event) -> None:
    """Kill whichever worker calls with that prompt, at some moment of the call."""
    rng = random.Random(run.rng.random())
    by_caller = {worker.caller: worker for worker in stack.workers}
    calls = Calls(stack.stability.log_path)
    while not ended.wait(0.02):
        for line in calls.charged():
            if line["prompt"] == prompt:
                ended.wait(rng.uniform(0.1, 0.8) * stack.call_s)
                if (blow := by_caller[line["caller"]].kill()) is not None:
                    run.blows.append(blow)


def clock_skew(run: Run) -> int:
    """One worker's clock an hour ahead, one's an hour behind, one right, and a kill each few seconds."""
    if LIBFAKETIME is None:
        raise Skipped("libfaketime is not installed; on Debian: apt-get install faketime")
    with Stack(
        run.folder, settings={"IMAGING_STABILITY_SLOTS": "9", **run.lease, **NO_CAP}, workers=1, delay_s=0.8
    ) as stack:
        for name, offset in (("worker-ahead", "+1h"), ("worker-behind", "-1h")):
            skew = {"LD_PRELOAD": str(LIBFAKETIME), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            stack.add_worker(name, **skew).wait_ready()

        def check(evidence: Evidence, verdict: Verdict) -> None:
            made = {call.caller for call in evidence.calls}
            verdict.figures["skewed_workers_that_called"] = len(made - {"0001"})
            times = [detail[name] for detail in evidence.details.values() for name in ("created_at", "finished_at")]
            hours = {str(at)[:13] for at in times if at}
            if len(hours) > 2:
                verdict.blame(f"records carry a skewed worker's time: {sorted(hours)}")

        run.extra.append(check)
        nemesis = killing(run, stack, every_s=3.0)
        run.extra.append(at_least(nemesis.most, "kill"))
        return under(run, stack, nemesis)
