"""A runner claims a job, makes its pictures, keeps them and tells how it went; all in memory and virtual time."""

import asyncio
from collections.abc import Sequence

import pytest

from imaging_core.errors import AnswerLost, Charged, FailureCode, StorageFull, Unavailable, UnknownBackend
from imaging_core.events import EventKind
from imaging_core.images import Generated, StoredCall
from imaging_core.jobs import CallState, JobStatus
from imaging_core.policies import GateLimits, RunLimits
from imaging_core.ports import GenerationCall, Report
from imaging_core.runner import Held, Idle
from scripted import Hanging, ScriptedGenerator, World, away, lasting, never_certain
from virtual_time import in_virtual_time, loop_time


@in_virtual_time
async def test_a_job_is_claimed_run_and_finished() -> None:
    world = World()
    job = await world.submit(seed=7)

    outcome = await world.run()

    assert outcome.again_in_s is None
    done = await world.jobs.get(job.id)
    assert outcome.job == done
    assert (done.status, done.attempt, done.crashes, done.lease) == (JobStatus.FINISHED, 1, 0, None)
    assert [call.state for call in done.calls] == [CallState.ANSWERED]
    assert await world.kinds() == [EventKind.QUEUED, EventKind.STARTED, EventKind.FINISHED]
    ref, data = await world.service.read_image(job.id)
    assert isinstance(data, bytes)
    assert (ref.seed, ref.size) == (7, len(data))


@pytest.mark.parametrize(("certain", "looks"), [(True, 0), (False, 1)])
@in_virtual_time
async def test_what_is_stored_of_a_job_is_looked_for_unless_it_was_certainly_never_called(
    certain: bool, looks: int
) -> None:
    world = World()
    if not certain:
        never_certain(world)
    await world.submit()
    found = away(world.store, "find", times=0)

    assert (await world.run()).job.status is JobStatus.FINISHED
    assert len(found) == looks


@in_virtual_time
async def test_without_a_job_a_runner_is_idle_and_takes_no_permit_along() -> None:
    world = World(gates=GateLimits(slots=1))

    assert isinstance(await world.runner().run_next("alpha"), Idle)
    assert (await world.gate.state("alpha")).in_use == 0


@in_virtual_time
async def test_a_backend_without_a_generator_here_is_named_before_anything_is_claimed() -> None:
    world = World()

    with pytest.raises(UnknownBackend, match="There are: alpha"):
        await world.runner().run_next("beta")


@in_virtual_time
async def test_a_runner_waits_while_the_gate_is_closed() -> None:
    world = World()
    await world.submit()
    await world.gate.pause("alpha", seconds=30)

    outcome = await world.runner().run_next("alpha")

    assert outcome == Held(delay_s=30, reason="pause")


@in_virtual_time
async def test_several_pictures_are_made_a_batch_at_a_time_each_with_its_own_seed() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit(count=5, batch_size=2, seed=100)

    done = (await world.run()).job

    assert [(c.index, c.images, c.seed) for c in generator.calls] == [(0, 2, 100), (1, 2, 102), (2, 1, 104)]
    assert [(ref.index, ref.seed) for ref in done.images] == [(k, 100 + k) for k in range(5)]
    assert len({c.task_id for c in generator.calls}) == 3
    assert all(job.id in c.task_id for c in generator.calls)


@in_virtual_time
async def test_each_further_call_of_a_job_asks_the_gate_again() -> None:
    generator = ScriptedGenerator()
    world = World(generator, gates=GateLimits(slots=1, calls=2, per_s=60))
    job = await world.submit(count=3)

    outcome = await world.run()

    assert (len(generator.calls), outcome.again_in_s) == (2, 60)
    assert outcome.job.parked
    done = await world.run_to_end(job)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1), "waiting for the gate is no attempt"
    assert world.generators == {"alpha": generator}
    assert max(generator.answered.values()) == 1, "no picture was made twice"


@pytest.mark.parametrize(("delay_s", "calls"), [(0.2, 1), (0.3, 0)])
@in_virtual_time
async def test_a_call_that_was_held_up_counts_as_one_of_now(delay_s: float, calls: int) -> None:
    generator = ScriptedGenerator()
    world = World(generator, gates=GateLimits(calls=1, per_s=10.5, slack_s=0.5))
    never_certain(world)
    await world.submit()
    find = world.store.find

    async def find_later(job_id: str) -> Sequence[StoredCall]:
        await asyncio.sleep(delay_s)
        return await find(job_id)

    world.store.find = find_later  # type: ignore[method-assign]

    outcome = await world.run()

    assert len(generator.calls) == calls
    assert outcome.job.parked == (calls == 0)
    assert outcome.job.attempt == 1


@in_virtual_time
async def test_a_call_costs_what_the_backend_says() -> None:
    world = World(ScriptedGenerator(credits=3.5))
    await world.submit(count=2)

    done = (await world.run()).job

    assert done.credits == 7.0


@in_virtual_time
async def test_a_run_holds_its_lease_and_its_permit_for_as_long_as_it_takes() -> None:
    world = World(ScriptedGenerator().then(lasting(300)), gates=GateLimits(slots=1))
    await world.submit()
    running = asyncio.create_task(world.run())
    for _ in range(29):
        await asyncio.sleep(10)
        assert (await world.gate.state("alpha")).in_use == 1
        assert (await world.jobs.state("alpha")).claimable == 0

    assert (await running).job.status is JobStatus.FINISHED
    assert (await world.gate.state("alpha")).in_use == 0


# --- filtered pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "filtered", "sentence"),
    [
        (1, (0,), "The picture was filtered by the provider."),
        (3, (0, 1, 2), "All 3 pictures were filtered by the provider."),
    ],
)
@in_virtual_time
async def test_a_job_whose_pictures_are_all_filtered_has_failed(
    count: int, filtered: tuple[int, ...], sentence: str
) -> None:
    world = World(ScriptedGenerator(credits=2).then(lasting(0, credits=2, filtered=filtered)))
    await world.submit(count=count, batch_size=count)

    done = (await world.run()).job

    assert (done.status, done.images) == (JobStatus.FAILED, ())
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.CONTENT_FILTERED, Charged.YES)
    assert (done.failure.message, done.failure.retryable) == (sentence, False)
    told = await world.told()
    assert (told[-1].kind, told[-1].data["code"]) == (EventKind.FAILED, "content_filtered")


@pytest.mark.parametrize(
    ("filtered", "sentence"), [((1,), "1 of the 3 pictures was filtered"), ((0, 2), "2 of the 3 pictures were")]
)
@in_virtual_time
async def test_a_job_with_some_pictures_filtered_is_finished_with_the_rest(
    filtered: tuple[int, ...], sentence: str
) -> None:
    world = World(ScriptedGenerator().then(lasting(0, filtered=filtered)))
    await world.submit(count=3, batch_size=3)

    done = (await world.run()).job

    assert (done.status, done.failure) == (JobStatus.FINISHED, None)
    assert [ref.index for ref in done.images] == list(range(3 - len(filtered)))
    assert done.request.seed is not None
    assert [ref.seed - done.request.seed for ref in done.images] == [k for k in range(3) if k not in filtered]
    (noted,) = done.failures
    assert (noted.code, noted.charged) == (FailureCode.CONTENT_FILTERED, Charged.NO)
    assert sentence in noted.message


# --- no room ---------------------------------------------------------------------------------------------


@in_virtual_time
async def test_nothing_is_claimed_while_there_is_no_room_for_a_picture() -> None:
    generator = ScriptedGenerator(credits=1)
    world = World(generator)
    job = await world.submit()
    away(world.store, "check", error=StorageFull("No room is left."), times=1)

    outcome = await world.runner().run_next("alpha")

    assert outcome == Held(delay_s=world.limits.sweep_s, reason="No room is left.")
    assert (await world.jobs.get(job.id)).status is JobStatus.QUEUED


@pytest.mark.parametrize(("credits", "charged"), [(0.0, Charged.NO), (2.0, Charged.YES)])
@in_virtual_time
async def test_a_picture_for_which_there_is_no_room_fails_the_job_and_tells_what_it_cost(
    credits: float,  # noqa: A002
    charged: Charged,
) -> None:
    world = World(ScriptedGenerator(credits=credits), max_bytes=10)
    await world.submit()

    done = (await world.run()).job

    assert (done.status, done.credits) == (JobStatus.FAILED, credits)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.STORAGE_FULL, charged)
    assert done.failure.retryable


@in_virtual_time
async def test_a_permit_that_cannot_be_given_back_does_not_spoil_the_run() -> None:
    world = World()
    await world.submit()
    away(world.gate, "leave", times=1)

    assert (await world.run()).job.status is JobStatus.FINISHED


@in_virtual_time
async def test_a_repository_that_is_away_at_the_claim_is_told_to_whoever_rang() -> None:
    world = World(gates=GateLimits(slots=1))
    job = await world.submit()
    away(world.jobs, "claim_next", times=1)

    with pytest.raises(Unavailable, match="claim_next is away"):
        await world.runner().run_next("alpha")

    assert (await world.gate.state("alpha")).in_use == 0
    assert (await world.run_to_end(job)).status is JobStatus.FINISHED


# --- time ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_claimed_job_whose_deadline_has_passed_is_not_begun() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    await world.submit(max_wait_s=20)
    await asyncio.sleep(20)

    done = (await world.run()).job

    assert generator.calls == []
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (FailureCode.TIMEOUT, True)
    assert "20 s" in done.failure.message


@pytest.mark.parametrize(("credits", "charged"), [(0.0, Charged.NO), (2.0, Charged.UNKNOWN)])
@in_virtual_time
async def test_an_attempt_that_takes_too_long_is_stopped_and_failed(credits: float, charged: Charged) -> None:  # noqa: A002
    hanging = Hanging()
    world = World(ScriptedGenerator(credits=credits).then(hanging), limits=RunLimits(run_timeout_s=40))
    await world.submit()

    done = (await world.run()).job

    assert (loop_time(), hanging.stopped.is_set()) == (40, True)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.TIMEOUT, charged)
    assert [call.state for call in done.calls] == [CallState.IN_DOUBT if credits else CallState.FAILED]


@in_virtual_time
async def test_a_backend_that_complains_of_being_stopped_was_out_of_time_all_the_same() -> None:
    hanging = Hanging()

    async def complaining(call: GenerationCall, report: Report) -> Generated:
        try:
            return await hanging(call, report)
        except asyncio.CancelledError:
            raise AnswerLost("the connection broke") from None

    world = World(ScriptedGenerator().then(complaining), limits=RunLimits(run_timeout_s=40))
    await world.submit()

    done = (await world.run()).job

    assert [f.code for f in done.failures] == [FailureCode.TIMEOUT]


@in_virtual_time
async def test_the_deadline_ends_a_call_too() -> None:
    world = World(ScriptedGenerator().then(Hanging()), limits=RunLimits(run_timeout_s=600))
    await world.submit(max_wait_s=25)

    done = (await world.run()).job

    assert loop_time() == 25
    assert done.failure is not None
    assert done.failure.code is FailureCode.TIMEOUT


@in_virtual_time
async def test_no_call_is_sent_when_its_time_is_over_already() -> None:
    generator = ScriptedGenerator(credits=1).then(lasting(30))
    world = World(generator, limits=RunLimits(run_timeout_s=60))
    await world.submit(count=2)
    real = world.store.put

    async def slow(*args: object, **kwargs: object) -> object:
        await asyncio.sleep(30)
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    world.store.put = slow  # type: ignore[assignment,method-assign]

    done = (await world.run()).job

    assert len(generator.calls) == 1
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.TIMEOUT, Charged.NO)
    assert [call.state for call in done.calls] == [CallState.ANSWERED, CallState.REFUSED]
