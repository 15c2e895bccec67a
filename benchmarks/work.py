"""Jobs through the front door: latency, bursts, many at once; imports the rigs and the load client."""

import asyncio
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.bare import BareJobs
from benchmarks.figures import Figure, at_least, at_most, percentile
from benchmarks.http_load import Connection, flood, run
from benchmarks.rigs import Baseline, Embedded, OnRedis, Rig, alternated, memory, stability

#: Jobs one after the other in one run of the latency measurement.
IN_SEQUENCE = 25
BURST = 300
#: The straightforward design takes a second and more for each of these, so it gets fewer.
AT_ONCE = {"baseline": 6, "redis": 200, "embedded": 200}


async def _submit(connection: Connection, number: int) -> str:
    answer = await connection.post("/images", _asked(number))
    assert answer.status == 202, answer.body
    return str(answer.json()["image_id"])


def _asked(number: int) -> dict[str, str]:
    return {"prompt": f"a lighthouse, number {number}"}


async def reaches(connection: Connection, job_id: str, wanted: str, every_s: float = 0.02) -> None:
    """Look at a job until it has that status. Looks take from what is measured, so they are seldom beside how long it takes."""
    while True:
        answer = await connection.get(f"/status/{job_id}")
        status = answer.json()["status"]
        if status == wanted:
            return
        assert status in ("queued", "started", "scheduled"), answer.body
        await asyncio.sleep(every_s)


async def one_by_one(rig: Rig, jobs: int = IN_SEQUENCE) -> list[float]:
    """Seconds from submit to `finished` on an idle service, as a client sees it that asks in the quickest way there is.

    That is `Prefer: wait` here, and looking every 5 ms at the straightforward design, which has nothing else: more often
    and the looks slow it down.
    """
    seconds = []
    async with Connection(rig.url) as connection:
        for number in range(jobs):
            begin = time.perf_counter()
            if rig.name == "baseline":
                await reaches(connection, await _submit(connection, number), "finished", 0.005)
            else:
                answer = await connection.post("/images", _asked(number), "Prefer: wait=30\r\n")
                assert answer.json()["status"] == "finished", answer.body
            seconds.append(time.perf_counter() - begin)
            # Idle again: the worker has gone back to waiting.
            await asyncio.sleep(0.02)
    return seconds


async def all_at_once(rig: Rig, jobs: int) -> float:
    """Seconds from the first submit until the last of them is seen finished.

    Each is looked at from when it is taken, about in the order in which they end: to look at all of them after the last has
    ended would take a tenth of the time of a burst.
    """
    taken: asyncio.Queue[str] = asyncio.Queue()

    async def submit(connection: Connection, number: int) -> None:
        taken.put_nowait(await _submit(connection, number))

    async def watch() -> None:
        async with Connection(rig.url) as connection:
            for _ in range(jobs):
                await reaches(connection, await taken.get(), "finished")

    begin = time.perf_counter()
    submits: list[Any] = [lambda connection, n=n: submit(connection, n) for n in range(jobs)]
    await asyncio.gather(flood(rig.url, submits, 10), watch())
    return time.perf_counter() - begin


def latency_and_burst(runs: int) -> list[Figure]:
    """A generator that takes no time, 100 KB pictures."""
    p50 = Figure(
        name="submit to finished, p50", unit="ms", targets=(at_most("redis", 1 / 20), at_most("embedded", 1 / 40))
    )
    p95 = Figure(name="submit to finished, p95", unit="ms")
    tail = Figure(
        name="p95 / p50", unit="x", targets=(at_most("redis", 3, against=None), at_most("embedded", 3, against=None))
    )
    burst = Figure(
        name=f"burst of {BURST} jobs", unit="jobs/s", targets=(at_least("redis", 40), at_least("embedded", 40))
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability()).url
        rigs: list[Rig] = [Baseline(provider), OnRedis(provider), Embedded(provider)]
        rigs += [BareJobs(provider, on_redis=True), BareJobs(provider, on_redis=False)]
        for rig in rigs:
            stack.enter_context(rig)
            run(one_by_one(rig, 3))
        for rig in alternated(rigs, runs):
            seconds = run(one_by_one(rig, 5 if rig.name == "baseline" else IN_SEQUENCE))
            middle, late = percentile(seconds, 0.5), percentile(seconds, 0.95)
            p50.add(rig.name, middle * 1000)
            p95.add(rig.name, late * 1000)
            tail.add(rig.name, late / middle)
            jobs = 20 if rig.name == "baseline" else BURST
            burst.add(rig.name, jobs / run(all_at_once(rig, jobs)))
    return [p50, p95, tail, burst]


def concurrency(runs: int) -> list[Figure]:
    """A generator that takes 1 s, 100 KB pictures."""
    whole = Figure(name="200 jobs on a 1 s generator", unit="s", targets=(at_most("redis", 3, against=None),))
    rate = Figure(name="jobs/s on a 1 s generator", unit="jobs/s")
    grown = Figure(
        name="memory of 200 jobs in flight", unit="MB above idle", targets=(at_most("redis", 150, against=None),)
    )
    with ExitStack() as stack:
        provider = stack.enter_context(stability(delay_s=1)).url
        rigs: list[Rig] = [Baseline(provider), OnRedis(provider), Embedded(provider)]
        for rig in rigs:
            stack.enter_context(rig)
            # Modules and pools are loaded by the first job, not by its being one of 200.
            run(all_at_once(rig, 2))
        for rig in alternated(rigs, runs):
            jobs = AT_ONCE[rig.name]
            seconds, extra = run(_watched(rig, jobs))
            rate.add(rig.name, jobs / seconds)
            if jobs == 200:
                whole.add(rig.name, seconds)
                grown.add(rig.name, extra)
    return [whole, rate, grown]


async def _watched(rig: Rig, jobs: int) -> tuple[float, float]:
    pid = list(rig.pids().values())[-1]
    idle, most = memory(pid), 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, memory(pid))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        seconds = await all_at_once(rig, jobs)
    finally:
        watching.cancel()
    return seconds, most - idle


def submits(runs: int) -> list[Figure]:
    """Submits alone: nobody works on them, or one job at a time that takes a minute."""
    figure = Figure(name="submits", unit="/s", targets=(at_least("redis", 2), at_least("embedded", 2)))
    with ExitStack() as stack:
        provider = stack.enter_context(stability(delay_s=60)).url
        rigs: list[Rig] = [
            Baseline(provider, worker=False),
            OnRedis(provider, worker=False),
            Embedded(provider, IMAGING_STABILITY_SLOTS="1", IMAGING_GRACE_S="0"),
            BareJobs(provider, on_redis=True, worker=False),
            BareJobs(provider, on_redis=False, worker=False),
        ]
        for rig in rigs:
            stack.enter_context(rig)
            run(_submits(rig, 50))
        for rig in alternated(rigs, runs):
            figure.add(rig.name, run(_submits(rig, 600)))
    return [figure]


async def _submits(rig: Rig, jobs: int) -> float:
    requests: list[Any] = [lambda connection, n=n: _submit(connection, n) for n in range(jobs)]
    begin = time.perf_counter()
    await flood(rig.url, requests, 20)
    return jobs / (time.perf_counter() - begin)
