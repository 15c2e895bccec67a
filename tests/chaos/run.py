"""One run of one scenario: its dice, its clients, its watcher, and its JSON line; imports the standard library and this package."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from chaos.blows import Blow, paid_calls
from chaos.checker import Evidence, Verdict, history, judge
from chaos.clients import Client
from chaos.probes import lease_probe
from chaos.stack import SHORT_LEASE, Stack
from chaos.store import read_store
from chaos.watcher import Watcher

#: Longest pause of a submitter that waits for trouble, in s.
LONGEST_PAUSE_S = 5.0


class Skipped(Exception):
    """The scenario cannot run here; the text says why."""


@attrs.frozen(kw_only=True)
class Options:
    """What the command line said."""

    scenario: str
    seed: int
    jobs: int
    #: How long the nemesis strikes, in s.
    seconds: float
    short: bool
    #: A file that the JSON line is appended to.
    into: Path | None = None

    def tell(self, line: Mapping[str, Any]) -> None:
        """Print a JSON line."""
        text = json.dumps(line) + "\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        if self.into is not None:
            self.into.parent.mkdir(parents=True, exist_ok=True)
            with self.into.open("a") as lines:
                lines.write(text)


class Run:
    """What a scenario works with."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.rng = random.Random(options.seed)
        self.blows: list[Blow] = []
        self.figures: dict[str, Any] = {}
        #: Accepted jobs that a check of the scenario's own judges.
        self.others: set[str] = set()
        self.extra: list[Callable[[Evidence, Verdict], None]] = []
        self._began = time.monotonic()
        self._load = round(os.getloadavg()[0], 1)

    @property
    def lease(self) -> dict[str, str]:
        """Short leases in a short run, else the service's own."""
        return dict(SHORT_LEASE) if self.options.short else {}

    def prompts(self, count: int | None = None, word: str = "job") -> list[str]:
        """Prompts that name their jobs."""
        return [f"chaos {self.options.seed} {word} {n:04d}" for n in range(count or self.options.jobs)]

    def watched(self, stack: Stack) -> tuple[Client, Watcher]:
        """A client of that stack, and a watcher that follows its jobs from now on."""
        client = Client(stack.url)
        watcher = Watcher(stack.url, client.accepted, probe=lease_probe(stack, client))
        watcher.start()
        return client, watcher

    def submit(
        self,
        client: Client,
        prompts: Iterable[str],
        *,
        over_s: float = 0.0,
        progress: Callable[[], float] | None = None,
        **body: Any,
    ) -> threading.Thread:
        """Submit them from a thread of its own, spread over that time.

        Where the `progress` of the trouble is slower than that, as on a busy machine, they come as slowly: jobs must flow
        as long as there is trouble.
        """
        prompts = list(prompts)

        def work() -> None:
            began = time.monotonic()
            for n, prompt in enumerate(prompts):
                elapsed = time.monotonic() - began
                done = elapsed / over_s if progress is None and over_s else progress() if progress else 1.0
                whole_s = max(over_s, elapsed / done if done else 0.0)
                time.sleep(min(LONGEST_PAUSE_S, max(0.0, 1.0 - done) * whole_s / (len(prompts) - n)))
                client.submit(prompt, **body)

        thread = threading.Thread(target=work, name="submitter", daemon=True)
        thread.start()
        return thread

    def until_ended(self, client: Client, watcher: Watcher, *, timeout_s: float) -> None:
        """Return when the watcher has seen every accepted job end, or when the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and (watcher.open or not client.accepted):
            time.sleep(0.1)

    def verdict(self, stack: Stack, client: Client, watcher: Watcher) -> int:
        """Judge, print the JSON line, and give the exit status. The stack must still run, and its service is ended here."""
        watcher.finish()
        details = {job_id: client.detail(job_id) for job_id in client.accepted}
        said = {unit.name: unit.output for unit in stack.units.values()}
        # Nobody may write any more: then whatever has no name is an orphan, however young.
        stack.stop()
        evidence = Evidence(
            accepted=dict(client.accepted),
            details=details,
            watcher=watcher,
            calls=paid_calls(stack.stability.log()),
            blows=sorted((_with_return(blow, stack) for blow in self.blows), key=lambda blow: blow.at),
            disk=read_store(stack.store),
            lease_s=stack.lease_s,
            lives=[life for worker in stack.workers for life in worker.lives],
            others=self.others,
            orphans=stack.orphans(),
        )
        verdict = judge(evidence)
        for sentence in client.bad_answers[:5]:
            verdict.blame(sentence)
        if client.refused_503_without_retry_after:
            verdict.blame(f"{client.refused_503_without_retry_after} answers 503 had no Retry-After")
        verdict.figures["refused_503"] = client.refused_503
        for unit in stack.units.values():
            # libfaketime 0.9.10 makes every time.sleep of Python 3.11 fail, and a worker that stops calls it.
            if "Traceback" in (said[unit.name] if "FAKETIME" in unit.settings else unit.output):
                verdict.blame(f"{unit.name} wrote a traceback: see {unit.name}.log in {self.folder}")
        for check in self.extra:
            check(evidence, verdict)
        client.close()
        if verdict.violations:
            self._tell(evidence, verdict)
        return self.end(verdict)

    def _tell(self, evidence: Evidence, verdict: Verdict) -> None:
        lines = [f"violations with --seed {self.options.seed}, files in {self.folder}:", *verdict.violations[:30]]
        for job_id in verdict.concerned[:3]:
            lines += [f"--- job {job_id}", *history(job_id, evidence)]
        sys.stderr.write("\n".join(lines) + "\n")

    def end(self, verdict: Verdict) -> int:
        """Print the JSON line; 1 when something promised was not so."""
        line = {
            "scenario": self.options.scenario,
            "seed": self.options.seed,
            "short": self.options.short,
            "commit": _commit(),
            "load": [self._load, round(os.getloadavg()[0], 1)],
            **verdict.figures,
            **self.figures,
            "seconds": round(time.monotonic() - self._began, 1),
            "violations": verdict.violations[:10],
        }
        self.options.tell(line)
        return 1 if verdict.violations else 0


def _with_return(blow: Blow, stack: Stack) -> Blow:
    """A kill with the moment at which its unit was ready again."""
    if blow.kind != "kill" or blow.unit not in stack.units:
        return blow
    again = [begin for begin, _ in stack.units[blow.unit].lives if begin > blow.at]
    return attrs.evolve(blow, back_at=min(again, default=0.0))


def _commit() -> str:
    """What the service was built from."""
    git = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(git, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def at_least(most: int, kind: str) -> Callable[[Evidence, Verdict], None]:
    """A check that so many blows of that kind fell: fewer show less than the run is for."""

    def check(evidence: Evidence, verdict: Verdict) -> None:
        made = sum(1 for blow in evidence.blows if blow.kind == kind)
        if made < most:
            verdict.blame(f"only {made} of {most} blows of the kind {kind} fell: the run shows too little")

    return check


def in_flight_share(least: float) -> Callable[[Evidence, Verdict], None]:
    """A check that at least this share of the kills hit a call under way: else the run has shown nothing."""

    def check(_: Evidence, verdict: Verdict) -> None:
        kills, hits = verdict.figures["kills"], verdict.figures["kills_in_flight"]
        if not kills or hits < least * kills:
            verdict.blame(f"only {hits} of {kills} kills hit a call in flight: the run shows too little")

    return check


def most_charges(most: int) -> Callable[[Evidence, Verdict], None]:
    """A check that no job was paid for more often than that."""

    def check(_: Evidence, verdict: Verdict) -> None:
        if verdict.figures["most_charges_of_a_job"] > most:
            verdict.blame(
                f"a job was paid for {verdict.figures['most_charges_of_a_job']} times, more than the cap of {most}"
            )

    return check
