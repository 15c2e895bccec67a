"""Workers killed and frozen, Redis killed, two backends, all at once; imports the standard library and this package."""

from __future__ import annotations

import threading
import time

from chaos.blows import Blow
from chaos.checker import Evidence, Verdict
from chaos.clients import Client
from chaos.kills import NO_CAP, aimed, killing, under
from chaos.nemesis import Nemesis
from chaos.run import Run, at_least, in_flight_share
from chaos.stack import Stack


def mixed(run: Run) -> int:
    """Workers killed and frozen past a short lease, Redis killed, over Stability and a WebUI with one slot."""
    settings = {"IMAGING_LEASE_S": "3", "IMAGING_HEARTBEAT_S": "1", "IMAGING_SWEEP_S": "0.5", **NO_CAP}
    with Stack(run.folder, settings={"IMAGING_STABILITY_SLOTS": "12", **settings}, webui=True) as stack:
        redis, seconds = stack.redis, run.options.seconds
        assert redis is not None

        def kill_redis() -> Blow:
            at = time.time()
            redis.kill()
            time.sleep(0.3)
            redis.start()
            back_in = _seconds_to_ready(stack)
            slowest.append(back_in)
            return Blow(at=at, until=time.time(), kind="redis-kill", unit="redis")

        slowest: list[float] = []
        freeze_s = 8.0 if not run.options.short else 5.0
        # Frozen while they call, mostly: a worker that holds nothing overwrites nothing.
        freeze = aimed(run, stack, lambda worker: worker.freeze(freeze_s))
        times = 7 if not run.options.short else 2
        nemeses = [
            killing(run, stack, every_s=4.0),
            Nemesis([kill_redis], rng=run.rng, every_s=seconds / (times + 1), most=times),
            Nemesis([freeze], rng=run.rng, every_s=1.0, most=times),
        ]
        local = threading.Thread(target=_submit_local, args=(run, stack), daemon=True)
        local.start()

        def check(_: Evidence, verdict: Verdict) -> None:
            verdict.figures["ready_after_redis_max_s"] = round(max(slowest, default=0.0), 2)
            if max(slowest, default=0.0) > 5.0:
                verdict.blame(f"the API was ready only {max(slowest):.1f} s after Redis was back")
            if run.figures["local_lost"]:
                verdict.blame(f"{run.figures['local_lost']} jobs of the WebUI did not end")
            _judge_webui(stack, verdict)

        run.extra += [check, in_flight_share(0.2), at_least(times, "redis-kill"), at_least(times, "freeze")]
        return under(run, stack, *nemeses, beside=local)


def _submit_local(run: Run, stack: Stack) -> None:
    """A tenth as many jobs for the WebUI, each followed to its end by the judge of `mixed`."""
    client = Client(stack.url)
    for prompt in run.prompts(max(3, run.options.jobs // 10), "local"):
        client.submit(prompt, path="/local/images", steps=10, width=64, height=64)
        time.sleep(run.options.seconds / max(3, run.options.jobs // 10))
    deadline = time.monotonic() + 90
    ends: dict[str, str] = {}
    while time.monotonic() < deadline:
        ends = {job_id: str(client.detail(job_id)["status"]) for job_id in client.accepted}
        if all(status in ("finished", "failed") for status in ends.values()):
            break
        time.sleep(0.5)
    run.others |= set(client.accepted)
    run.figures["local_jobs"] = len(ends)
    run.figures["local_finished"] = sum(1 for status in ends.values() if status == "finished")
    run.figures["local_lost"] = sum(1 for status in ends.values() if status not in ("finished", "failed"))
    client.close()


def _judge_webui(stack: Stack, verdict: Verdict) -> None:
    assert stack.webui is not None
    overlapped = sum(1 for call in stack.webui.log() if call.overlapped)
    verdict.figures["webui_overlaps"] = overlapped
    if overlapped:
        verdict.blame(f"{overlapped} calls came to the WebUI while another was there")


def _seconds_to_ready(stack: Stack) -> float:
    client = Client(stack.url)
    began = time.monotonic()
    while client.readiness() != 200 and time.monotonic() - began < 30:
        time.sleep(0.05)
    client.close()
    return time.monotonic() - began
