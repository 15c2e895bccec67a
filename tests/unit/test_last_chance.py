"""Jobs that may crash only once more do not run side by side: the poison among them must not take the others along."""

import asyncio

from imaging_core.ids import new_token
from imaging_core.jobs import Job, JobStatus
from scripted import Hanging, ScriptedGenerator, World, away, finished, lasting
from virtual_time import in_virtual_time, loop_time


async def crash_together(world: World, times: int, count: int) -> None:
    """Claim that many jobs as workers that are never heard of again, as often as told."""
    for _ in range(times):
        for n in range(count):
            lease_s = world.limits.lease_s
            job = await world.jobs.claim_next("alpha", worker=f"dead {n}", token=new_token(), lease_s=lease_s)
            assert job is not None
        await asyncio.sleep(world.limits.lease_s)


@in_virtual_time
async def test_a_job_on_its_last_chance_steps_aside_for_another_and_runs_after_it() -> None:
    hanging = Hanging()
    world = World(ScriptedGenerator().then(hanging))
    jobs = [await world.submit(), await world.submit()]
    await crash_together(world, 2, 2)
    runner = world.runner()
    first = asyncio.create_task(world.run(runner))
    await hanging.begun.wait()

    aside = await world.run(runner)

    assert (aside.job.status, aside.job.crashes, aside.job.parked) == (JobStatus.STARTED, 2, True)
    assert aside.again_in_s is not None
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    ends = {(await world.run_to_end(job)).status for job in jobs if job.id == aside.job.id}
    assert ends == {JobStatus.FINISHED}
    assert (await world.jobs.get(aside.job.id)).crashes == 2


@in_virtual_time
async def test_jobs_that_crashed_once_are_taken_over_side_by_side() -> None:
    hanging = Hanging()
    world = World(ScriptedGenerator().then(hanging))
    await world.submit()
    await world.submit()
    await crash_together(world, 1, 2)
    runner = world.runner()
    first = asyncio.create_task(world.run(runner))
    await hanging.begun.wait()

    assert (await world.run(runner)).job.status is JobStatus.FINISHED
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


@in_virtual_time
async def test_another_worker_takes_the_job_that_stepped_aside() -> None:
    hanging = Hanging()
    world = World(ScriptedGenerator().then(hanging))
    await world.submit()
    await world.submit()
    await crash_together(world, 2, 2)
    runner = world.runner()
    first = asyncio.create_task(world.run(runner))
    await hanging.begun.wait()
    aside = await world.run(runner)

    assert (await world.run_to_end(aside.job, runner=world.runner("other"))).status is JobStatus.FINISHED
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


@in_virtual_time
async def test_many_jobs_that_wait_for_their_turn_cost_few_looks_and_are_never_without_a_lease() -> None:
    world = World(ScriptedGenerator().then(*[lasting(5)] * 20))
    jobs = [await world.submit() for _ in range(20)]
    await crash_together(world, 2, 20)
    entered, began = away(world.gate, "enter", times=0), loop_time()
    dispatcher = world.dispatcher(slots=4)
    watching = asyncio.create_task(longest_without_lease(world, jobs))
    running = asyncio.create_task(dispatcher.run())

    await finished(world, *jobs, within_s=200)

    # One after the other, with little between them, and far from the backend's limit of calls.
    assert loop_time() - began < 20 * 5.7
    assert len(entered) / (loop_time() - began) < 8
    assert {(await world.jobs.get(job.id)).crashes for job in jobs} == {2}
    assert await watching < 5
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def longest_without_lease(world: World, jobs: list[Job]) -> float:
    """For how long any of the jobs had been started without a live lease, at worst, in s; asked until all have ended."""
    worst = 0.0
    while True:
        now = await world.jobs.now()
        seen = [await world.jobs.get(job.id) for job in jobs]
        if all(job.status.terminal for job in seen):
            return worst
        leases = [job.lease for job in seen if job.status is JobStatus.STARTED]
        worst = max([worst, *((now - lease.until).total_seconds() for lease in leases if lease)])
        await asyncio.sleep(0.25)
