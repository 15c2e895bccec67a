"""What a provider sees of a whole fleet while it is down, and of its rate limit; a minute and more, in virtual time."""

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from imaging_core.dispatcher import Dispatcher
from imaging_core.errors import BackendThrottled, BackendUnreachable
from imaging_core.images import Generated
from imaging_core.jobs import Job, JobStatus
from imaging_core.policies import GateLimits
from imaging_core.ports import GenerationCall, Report
from scripted import ScriptedGenerator, World, finished, lasting
from virtual_time import in_virtual_time, loop_time


class Provider(ScriptedGenerator):
    """A provider that is down from its start until `up_at`, in s."""

    def __init__(self, *, up_at: float) -> None:
        super().__init__(credits=3.0)
        self._up_at = up_at

    async def answer(self, call: GenerationCall, report: Report) -> Generated:
        await asyncio.sleep(0.5)
        if loop_time() < self._up_at:
            raise BackendUnreachable("Nobody is there. Nothing was sent.")
        return await super().answer(call, report)


class RateLimited(ScriptedGenerator):
    """A provider with Stability AI's rule: more than 150 requests in 10 s lock the caller out for 60 s."""

    def __init__(self) -> None:
        super().__init__(credits=3.0)
        self.lockouts = 0
        #: When it was asked, in s.
        self.moments: list[float] = []
        self._last: deque[float] = deque()
        self._locked_until = 0.0

    async def answer(self, call: GenerationCall, report: Report) -> Generated:
        now = loop_time()
        self.moments.append(now)
        self._last.append(now)
        while self._last[0] <= now - 10:
            self._last.popleft()
        if now < self._locked_until or len(self._last) > 150:
            self.lockouts += 1
            self._locked_until = now + 60
            raise BackendThrottled("More than 150 requests in 10 s.", retry_after_s=60)
        await asyncio.sleep(3)
        return await super().answer(call, report)


def fleet(world: World, *, workers: int, slots: int) -> list[Dispatcher]:
    """So many workers, who hear every ring."""
    dispatchers = [world.dispatcher(slots, world.runner(f"worker-{n}")) for n in range(workers)]
    for dispatcher in dispatchers:
        world.queue.listen(dispatcher.ring)
    return dispatchers


async def submitted(world: World, count: int, backend: str = "alpha") -> list[Job]:
    return [await world.submit(backend=backend) for _ in range(count)]


async def ends(world: World, jobs: Sequence[Job]) -> set[JobStatus]:
    return {(await world.jobs.get(job.id)).status for job in jobs}


@pytest.mark.parametrize("slots", [1, 4])
@in_virtual_time
async def test_a_provider_that_is_down_for_a_minute_is_hardly_asked_and_costs_no_job(slots: int) -> None:
    provider, neighbour = Provider(up_at=60.0), ScriptedGenerator("beta")
    neighbour.then(*[lasting(1.0)] * 20)
    world = World(provider, neighbour, gates=GateLimits(slots=slots))
    workers = fleet(world, workers=2, slots=slots)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    jobs, others = await submitted(world, 30), await submitted(world, 20, "beta")

    # The other backend goes on as if nothing were the matter.
    assert await finished(world, *others) <= 20 / slots + 5
    await asyncio.sleep(60.0 - loop_time())

    assert len(provider.calls) <= 15
    assert await ends(world, jobs) <= {JobStatus.QUEUED, JobStatus.STARTED}
    await finished(world, *jobs, within_s=120)
    assert [job.attempt for job in [await world.jobs.get(job.id) for job in jobs]] == [1] * 30
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@in_virtual_time
async def test_the_rate_a_provider_allows_is_used_and_never_exceeded() -> None:
    provider = RateLimited()
    world = World(provider, gates=GateLimits(slots=64, calls=148, per_s=10.5, slack_s=0.5))
    workers = fleet(world, workers=3, slots=64)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    jobs = await submitted(world, 148 * 6)

    await finished(world, *jobs, within_s=300)

    assert provider.lockouts == 0
    assert len(provider.moments) == len(jobs)
    # While there is more work than may be done: at least nine tenths of what is allowed.
    used = sum(moment < 50.0 for moment in provider.moments) / (5 * 150)
    assert used >= 0.9, f"{used:.0%} of what is allowed"
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@in_virtual_time
async def test_a_lock_out_pauses_the_whole_fleet_and_burns_no_attempt() -> None:
    provider = ScriptedGenerator(credits=3.0)
    provider.then(BackendThrottled("Somebody else used the key.", retry_after_s=60))
    world = World(provider, gates=GateLimits(slots=1))
    workers = fleet(world, workers=3, slots=1)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    jobs = await submitted(world, 10)

    await asyncio.sleep(59.0)
    assert len(provider.calls) == 1
    await finished(world, *jobs, within_s=60)

    assert len(provider.calls) == 11
    assert [job.attempt for job in [await world.jobs.get(job.id) for job in jobs]] == [1] * 10
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
