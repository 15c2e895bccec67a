"""Scenarios in which something runs short or a reply is lost; imports the standard library and this package."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.blows import Blow
from chaos.checker import Evidence, Verdict
from chaos.clients import Client
from chaos.proxy import Way
from chaos.run import Run, Skipped
from chaos.stack import Stack

KINDS = ("fetch", "enqueue", "ack")
WAYS: tuple[Way, ...] = ("cut", "black-hole")
#: Longest that a round of jobs may take whatever reply is lost, in s: a lease and a few time-outs.
ROUND_S = 30.0


def proxy(run: Run) -> int:
    """The n-th reply to a fetch, enqueue or ack, and any n-th reply of the repository, is cut off or never comes."""
    settings = {"IMAGING_STABILITY_SLOTS": "16", "IMAGING_SWEEP_S": "0.5"}
    with Stack(run.folder, settings=settings, workers=2, delay_s=0.05, bell_of="all", jobs_proxied=True) as stack:
        assert stack.bell is not None
        assert stack.jobs is not None
        client, watcher = run.watched(stack)
        slowest = 0.0
        for way in WAYS:
            for nth in range(1, run.options.jobs + 1):
                for kind in KINDS:
                    stack.bell.arm(kind, nth, way)
                if way == "cut":
                    # A black hole there is a frozen Redis, which `mixed` has.
                    stack.jobs.arm("other", 5 * nth, way)
                began = time.monotonic()
                run.submit(client, run.prompts(max(4, nth), f"{way} {nth}")).join()
                run.until_ended(client, watcher, timeout_s=ROUND_S)
                slowest = max(slowest, time.monotonic() - began)
        stack.bell.disarm()
        stack.jobs.disarm()
        run.until_ended(client, watcher, timeout_s=2 * ROUND_S)

        def check(_: Evidence, verdict: Verdict) -> None:
            assert stack.bell is not None
            assert stack.jobs is not None
            lost = [f"{kind} {way}" for kind, way in stack.bell.swallowed]
            verdict.figures |= {
                "swallowed": {name: lost.count(name) for name in sorted(set(lost))},
                "swallowed_of_repository": len(stack.jobs.swallowed),
                "slowest_round_s": round(slowest, 2),
            }
            if len(set(lost)) < len(KINDS) * len(WAYS):
                verdict.blame(f"only these replies were swallowed: {sorted(set(lost))}: the run shows too little")

        run.extra.append(check)
        return run.verdict(stack, client, watcher)


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size; Skipped when this user may not have one."""
    if os.geteuid() != 0:
        raise Skipped("a small file system can only be mounted by root")
    place = folder / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def disk_full(run: Run) -> int:
    """The disk fills while calls are under way: what was paid for fails storage_full, nothing is begun, all of it recovers."""
    with _small_disk(run.folder, 2048) as disk:
        settings = {
            "IMAGING_STABILITY_SLOTS": "2",
            "IMAGING_STORAGE_URL": str(disk / "pictures"),
            "IMAGING_STORAGE_RESERVE_MB": "1",
            **run.lease,
        }
        with Stack(run.folder, settings=settings, workers=1, delay_s=0.7, picture_bytes=60_000) as stack:
            client, watcher = run.watched(stack)
            # Ten PNGs of the double would not leave the reserve free.
            run.submit(client, run.prompts(), output_format="jpeg").join()
            while not stack.stability.state()["in_flight"]:
                time.sleep(0.01)
            full_at = time.time()
            _fill(disk / "filler")
            time.sleep(run.options.seconds)
            ready_when_full = client.readiness()
            (disk / "filler").unlink()
            free_at = time.time()
            run.until_ended(client, watcher, timeout_s=40)
            failed, retried = _retry_failed(client)
            run.until_ended(client, watcher, timeout_s=40)
            run.blows.append(Blow(at=full_at, until=free_at, kind="disk-full", unit="store"))
            ready_again = client.readiness()

            def check(evidence: Evidence, verdict: Verdict) -> None:
                codes = {str((evidence.details[job_id].get("failure") or {}).get("code")) for job_id in failed}
                begun = [call for call in evidence.calls if full_at + 0.5 < call.charged_at < free_at]
                verdict.figures |= {
                    "failed_while_full": len(failed),
                    "retried": len(retried),
                    "retried_finished": sum(evidence.details[i].get("status") == "finished" for i in retried),
                    "calls_begun_below_reserve": len(begun),
                    "ready_when_full": ready_when_full,
                    "ready_again": ready_again,
                }
                if codes - {"storage_full"}:
                    verdict.blame(f"jobs failed for another reason than the full disk: {sorted(codes)}")
                if begun:
                    verdict.blame(f"{len(begun)} paid calls were begun on a full disk")
                if (ready_when_full, ready_again) != (503, 200):
                    verdict.blame(f"readiness was {ready_when_full} on a full disk and {ready_again} afterwards")
                if verdict.figures["retried_finished"] != len(retried):
                    verdict.blame("a retried job did not finish once there was room")

            run.extra.append(check)
            return run.verdict(stack, client, watcher)


def _retry_failed(client: Client) -> tuple[list[str], list[str]]:
    """Try every failed job again; the failed ones, and the new one of each."""
    failed = [job_id for job_id in client.accepted if client.detail(job_id).get("status") == "failed"]
    retried = {client.retry(job_id): client.accepted[job_id] for job_id in failed}
    client.accepted.update({new: f"{prompt} (again)" for new, prompt in retried.items()})
    return failed, list(retried)


def _fill(file: Path) -> None:
    """Write until there is no room at all."""
    with file.open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            return


def redis_memory(run: Run) -> int:
    """Redis has no memory left while jobs run: new ones are refused, running ones end, nothing runs twice."""
    settings = {"IMAGING_STABILITY_SLOTS": "8", **run.lease}
    with Stack(run.folder, settings=settings, workers=2, delay_s=1.0) as stack:
        assert stack.redis is not None
        client, watcher = run.watched(stack)
        prompts = run.prompts()
        run.submit(client, prompts[: len(prompts) // 2]).join()
        while not stack.stability.state()["in_flight"]:
            time.sleep(0.01)
        running = stack.stability.state()["in_flight"]
        stack.redis.fill_memory()
        full_at = time.time()
        submitting = run.submit(client, prompts[len(prompts) // 2 :])
        time.sleep(run.options.seconds)
        accepted_when_full = len(client.accepted) - len(prompts) // 2
        stack.redis.free_memory()
        free_at = time.time()
        submitting.join()
        run.until_ended(client, watcher, timeout_s=60)
        run.blows.append(Blow(at=full_at, until=free_at, kind="redis-memory", unit="redis"))

        def check(evidence: Evidence, verdict: Verdict) -> None:
            ended = [
                s.ended_at for s in evidence.watcher.seen.values() if s.ended_at and full_at < s.ended_at < free_at
            ]
            verdict.figures |= {
                "running_when_full": running,
                "ended_when_full": len(ended),
                "accepted_when_full": accepted_when_full,
            }
            if len(ended) < running:
                verdict.blame(f"only {len(ended)} of {running} running jobs ended while memory was short")
            if accepted_when_full or not client.refused_503:
                verdict.blame(
                    f"{accepted_when_full} jobs were accepted, {client.refused_503} refused while memory was short"
                )
            if verdict.figures["most_charges_of_a_job"] > 1:
                verdict.blame("a job ran twice")

        run.extra.append(check)
        return run.verdict(stack, client, watcher)
