"""A process's slots are busy whenever there is work for them, whatever rings come, do not come, or come twice."""

import asyncio
import logging

import pytest

from imaging_core.errors import BackendThrottled, CallFailed
from imaging_core.images import Generated
from imaging_core.jobs import Job, JobStatus
from imaging_core.ports import GenerationCall, Report
from imaging_core.runner import Held, Idle
from scripted import ScriptedGenerator, Stubborn, World, away, finished, lasting, settled
from virtual_time import in_virtual_time, loop_time

# --- rings -----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_one_ring_is_enough_for_all_the_work_there_is() -> None:
    world = World(ScriptedGenerator().then(*[lasting(1)] * 5))
    jobs = [await world.submit() for _ in range(5)]
    dispatcher = world.dispatcher()

    dispatcher.ring("alpha")

    assert await finished(world, *jobs) == 5
    await settled()
    assert dispatcher.free == {"alpha": 1}


@in_virtual_time
async def test_a_ring_that_comes_while_a_slot_is_on_its_way_out_is_not_missed() -> None:
    world = World()
    dispatcher = world.dispatcher()
    real = world.jobs.claim_next
    jobs: list[Job] = []

    async def claim_too_early(*args: object, **kwargs: object) -> object:
        world.jobs.claim_next = real  # type: ignore[method-assign]
        nothing = await real(*args, **kwargs)  # type: ignore[arg-type]
        jobs.append(await world.submit())
        dispatcher.ring("alpha")
        return nothing

    world.jobs.claim_next = claim_too_early  # type: ignore[assignment,method-assign]

    dispatcher.ring("alpha")
    await settled()

    assert await finished(world, *jobs) == 0


@in_virtual_time
async def test_a_ring_that_comes_while_a_slot_fails_is_not_missed() -> None:
    world = World()
    dispatcher = world.dispatcher()
    job = await world.submit()

    async def failing(*args: object, **kwargs: object) -> object:
        delattr(world.jobs, "claim_next")
        dispatcher.ring("alpha")
        raise ValueError("a fault")

    world.jobs.claim_next = failing  # type: ignore[assignment,method-assign]

    dispatcher.ring("alpha")

    assert await finished(world, job) == 0


@in_virtual_time
async def test_rings_fill_the_slots_and_no_more() -> None:
    generator = ScriptedGenerator().then(*[lasting(1)] * 6)
    world = World(generator)
    jobs = [await world.submit() for _ in range(6)]
    dispatcher = world.dispatcher(slots=3)

    for _ in range(10):
        dispatcher.ring("alpha")
    await settled()

    assert (dispatcher.free, len(generator.calls)) == ({"alpha": 0}, 3)
    assert await finished(world, *jobs) == 2


@in_virtual_time
async def test_a_ring_for_a_backend_that_is_not_served_here_is_ignored() -> None:
    world = World()
    dispatcher = world.dispatcher()

    dispatcher.ring("beta")
    await dispatcher.take("beta")

    assert dispatcher.free == {"alpha": 1}


@in_virtual_time
async def test_a_ring_that_others_hear_too_is_taken_only_when_a_slot_is_free() -> None:
    first, second = Stubborn(), Stubborn()
    world = World(ScriptedGenerator().then(first, second))
    for _ in range(2):
        await world.submit()
    dispatcher = world.dispatcher()
    await dispatcher.take("alpha")
    await first.begun.wait()
    taking = asyncio.create_task(dispatcher.take("alpha"))
    await asyncio.sleep(10)
    assert not taking.done()

    first.let_go.set()
    await second.begun.wait()
    assert not taking.done()
    second.let_go.set()

    await taking


@in_virtual_time
async def test_a_drain_leaves_rings_to_others() -> None:
    act = Stubborn()
    world = World(ScriptedGenerator().then(act))
    await world.submit()
    dispatcher = world.dispatcher()
    assert await dispatcher.take("alpha")
    await act.begun.wait()
    taking = asyncio.create_task(dispatcher.take("alpha"))
    await settled()
    draining = asyncio.create_task(dispatcher.drain(5))

    assert not await taking

    assert loop_time() == 0
    act.let_go.set()
    await draining
    assert (dispatcher.free, dispatcher.room("alpha")) == ({"alpha": 1}, 0)
    assert not await dispatcher.take("alpha")


# --- work that must wait ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_slot_that_is_held_rings_itself_when_the_time_has_come() -> None:
    world = World()
    job = await world.submit()
    await world.gate.pause("alpha", seconds=30)
    dispatcher = world.dispatcher()

    dispatcher.ring("alpha")
    await settled()

    assert dispatcher.free == {"alpha": 1}
    assert await finished(world, job) == 30


@in_virtual_time
async def test_a_parked_job_is_taken_up_again_when_its_time_has_come() -> None:
    world = World(ScriptedGenerator().then(CallFailed("no")), first_delay_s=7)
    job = await world.submit()

    world.dispatcher().ring("alpha")

    assert await finished(world, job) == 7


@in_virtual_time
async def test_a_later_alarm_does_not_put_off_an_earlier_one() -> None:
    generator = ScriptedGenerator().then(BackendThrottled("no", retry_after_s=50))
    world = World(generator)
    job = await world.submit()
    dispatcher = world.dispatcher()
    outcomes = iter(
        [Held(delay_s=40, reason="pause"), Held(delay_s=3, reason="slots"), Held(delay_s=20, reason="rate")]
    )
    moments = []

    async def run_next(backend: str, **_: object) -> Held | Idle:
        moments.append(loop_time())
        return next(outcomes, Idle())

    dispatcher._runner.run_next = run_next  # type: ignore[method-assign]
    for _ in range(2):
        dispatcher.ring("alpha")
        await settled()

    await asyncio.sleep(100)

    assert moments == [0, 0, 3, 23, 40]
    assert (await world.jobs.get(job.id)).status is JobStatus.QUEUED


@in_virtual_time
async def test_a_later_alarm_does_not_replace_an_earlier_one() -> None:
    dispatcher = World().dispatcher(slots=2)
    outcomes = iter([Held(delay_s=3, reason="slots"), Held(delay_s=40, reason="pause")])
    moments = []

    async def run_next(backend: str, **_: object) -> Held | Idle:
        moments.append(loop_time())
        return next(outcomes, Idle())

    dispatcher._runner.run_next = run_next  # type: ignore[method-assign]
    dispatcher.ring("alpha")
    dispatcher.ring("alpha")

    await asyncio.sleep(100)

    assert moments == [0, 0, 3]


# --- trouble ---------------------------------------------------------------------------------------------


@in_virtual_time
async def test_trouble_that_no_job_is_to_blame_for_is_waited_out() -> None:
    world = World()
    job = await world.submit()
    claims = away(world.jobs, "claim_next", for_s=20)

    world.dispatcher().ring("alpha")

    assert await finished(world, job) == 20
    assert claims[:21] == [float(second) for second in range(21)]


@in_virtual_time
async def test_a_slot_that_ends_with_an_error_is_tried_again_soon_and_the_error_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    job = await world.submit()
    away(world.jobs, "claim_next", times=2, error=ValueError("a lighthouse"))

    with caplog.at_level(logging.INFO):
        world.dispatcher().ring("alpha")

        assert await finished(world, job) == 2
    assert caplog.text.count("A slot ended with an error.") == 2
    assert "lighthouse" not in caplog.text


@in_virtual_time
async def test_an_exploding_generator_neither_stops_the_slot_nor_the_jobs_behind_it() -> None:
    bug = ValueError("a bug")
    generator = ScriptedGenerator().then(bug, lasting(0), bug, bug)
    world = World(generator, max_attempts=3, first_delay_s=2)
    dispatcher = world.dispatcher()
    exploding, behind = await world.submit(), await world.submit()

    dispatcher.ring("alpha")

    assert await finished(world, behind) == 0
    await asyncio.sleep(2 + 4 + 0.1)
    done = await world.jobs.get(exploding.id)
    assert (done.status, done.attempt, len(generator.calls)) == (JobStatus.FAILED, 3, 4)


@in_virtual_time
async def test_each_of_several_parked_jobs_is_rung_for_at_its_own_time() -> None:
    async def fail_late(call: GenerationCall, report: Report) -> Generated:
        await asyncio.sleep(3)
        raise CallFailed("no")

    generator = ScriptedGenerator().then(CallFailed("no"), fail_late)
    world = World(generator, first_delay_s=4)
    jobs = [await world.submit(), await world.submit()]
    dispatcher = world.dispatcher(slots=2)
    for _ in jobs:
        dispatcher.ring("alpha")

    # Without a sweep, which would find it later.
    assert await finished(world, *jobs) == 7
