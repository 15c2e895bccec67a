"""A job that was left to the service's choice goes on elsewhere when its backend cannot: once, in time, and never at a risk."""

import asyncio

import attrs
import pytest

from auto_setting import BROKE, NO_KEY, REQUEST, Two
from contracts.samples import png
from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)
from imaging_core.events import EventKind
from imaging_core.images import Operation
from imaging_core.jobs import Job, JobStatus, LeaseReason
from imaging_core.moving import STEP
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.ports import Permit
from imaging_core.routing import AUTO
from scripted import Hanging
from virtual_time import in_virtual_time

# --- jobs that wait --------------------------------------------------------------------------------------


@in_virtual_time
async def test_what_waits_at_a_backend_that_is_down_is_made_elsewhere_in_steps() -> None:
    world = Two(max_wait_s=600.0)
    jobs = await world.auto(STEP + 20)
    named = await world.service.submit(REQUEST, backend="local")
    world.take_down()
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=60.0)

    await world.look(58.0)
    assert set(await world.where(jobs)) == {"local"}
    await world.look(12.0)
    assert await world.where(jobs) == ["stability"] * (STEP + 20)

    ended = [await world.run_to_end(await world.reread(job)) for job in jobs]
    assert {job.status for job in ended} == {JobStatus.FINISHED}
    assert (len(world.cloud.calls), world.here.calls) == (STEP + 20, [])
    assert [call.job_id for call in world.cloud.calls] == [job.id for job in jobs]
    assert (await world.reread(named)).backend == "local"
    assert ended[0].why_there == (
        "The service chose 'local'. It is ready, and comes first. Moved from 'local' to 'stability'. 'local' does not answer."
    )
    assert ended[0].moves[0].credits == 3.0


@in_virtual_time
async def test_a_step_moves_no_more_than_so_many() -> None:
    world = Two(max_wait_s=1.0)
    jobs = await world.auto(1)
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=600.0)
    jobs += await world.auto(STEP + 9)
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=1.0)
    world.take_down()
    await world.look()
    await asyncio.sleep(6.0)

    await world.look()

    assert (await world.where(jobs)).count("stability") == STEP


@in_virtual_time
async def test_a_backend_that_is_back_in_time_keeps_what_waits() -> None:
    world = Two()
    jobs = await world.auto(2)

    for _ in range(4):
        world.take_down()
        await world.look(50.0)
        world.bring_back()
        await world.look(45.0)

    assert await world.where(jobs) == ["local"] * 2
    assert (await world.reread(jobs[0])).stayed is None


@in_virtual_time
async def test_one_that_tried_and_was_not_taken_is_moved_before_its_patience_ends() -> None:
    world = Two()
    (job,) = await world.auto()
    world.take_down()
    runner = world.runner()
    assert (await world.run(runner, "local")).job.parked

    await world.look(70.0)
    moved = await world.reread(job)
    ended = await world.run_to_end(moved, runner=runner)

    assert (moved.status, moved.backend) == (JobStatus.STARTED, "stability")
    assert (ended.status, ended.attempt, ended.credits) == (JobStatus.FINISHED, 1, 3.0)
    assert [failure.code for failure in ended.failures] == [FailureCode.BACKEND_UNREACHABLE]
    kinds = [event.kind for event in await world.told()]
    assert kinds.count(EventKind.MOVED) == 1
    assert kinds[-1] is EventKind.FINISHED


@in_virtual_time
async def test_a_backend_that_an_operator_stopped_is_left_after_the_limit() -> None:
    world = Two()
    (job,) = await world.auto()
    await world.service.pause("local", reason="New drivers")
    await asyncio.sleep(59.0)
    await world.look()
    assert (await world.reread(job)).backend == "local"
    await asyncio.sleep(6.0)

    await world.look()

    assert "'local' is stopped by an operator." in ((await world.reread(job)).why_there or "")


@in_virtual_time
async def test_a_closed_gate_counts_at_once_when_it_is_closed_for_longer_than_the_limit() -> None:
    world = Two()
    (job,) = await world.auto()
    await world.gate.pause("local", seconds=50.0)
    await world.look()
    assert (await world.reread(job)).backend == "local"
    await world.gate.pause("local", seconds=300.0)
    await asyncio.sleep(6.0)

    await world.look()

    assert "'local' turns calls away." in ((await world.reread(job)).why_there or "")


@in_virtual_time
async def test_a_backend_that_answers_but_fails_its_calls_is_left_too() -> None:
    world = Two()
    (job,) = await world.auto()
    for _ in range(9):
        for _ in range(5):
            permit = await world.gate.enter("local")
            if isinstance(permit, Permit):
                await world.gate.leave(permit, ok=False)
        await world.look(10.0)

    assert "'local' fails its calls." in ((await world.reread(job)).why_there or "")


# --- jobs that would fail --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [NO_KEY, BROKE, CallRejected("No such route.", code=FailureCode.BAD_ANSWER)])
@in_virtual_time
async def test_a_refusal_that_is_the_backends_fault_and_cost_nothing_moves_the_job_at_once(
    error: GenerationError,
) -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(error)

    ran = await world.run(backend="stability")
    assert (ran.job.status, ran.job.stranded) == (JobStatus.STARTED, True)
    await world.look()
    ended = await world.run_to_end(await world.reread(job))

    assert (ended.status, ended.backend, ended.credits) == (JobStatus.FINISHED, "local", 0.0)
    assert (len(world.cloud.calls), len(world.here.calls)) == (1, 1)
    assert f"'stability' cannot make it now ({error.code})." in (ended.why_there or "")
    await world.settling.settle()
    assert await world.book.spent(ended.created_at.date()) == 0.0


@pytest.mark.parametrize(
    "error",
    [
        CallRejected("It is moderated.", code=FailureCode.CONTENT_MODERATED),
        CallRejected("A field is wrong."),
        CallRejected("No.", code=FailureCode.NOT_AUTHORIZED, charged=Charged.UNKNOWN),
        AnswerLost("Gone."),
        CallFailed("It failed."),
        CallFailed("It failed.", charged=Charged.NO, retryable=False),
    ],
)
@in_virtual_time
async def test_what_may_have_cost_something_or_is_the_requests_fault_is_never_moved(error: GenerationError) -> None:
    world = Two(order=("stability", "local"), patience_s=30.0)
    (job,) = await world.auto()
    world.cloud.then(error, error, error)

    ended = await world.run_to_end(job)
    await world.look(200.0)

    assert (ended.status, ended.backend, ended.moves) == (JobStatus.FAILED, "stability", ())
    assert world.here.calls == []


@in_virtual_time
async def test_what_was_under_way_when_its_worker_died_stays_though_its_backend_is_down() -> None:
    world = Two()
    (job,) = await world.auto()
    hanging = Hanging()
    world.here.then(hanging)
    dead = await under_way_at(world, hanging)
    dead.cancel()
    await asyncio.sleep(world.limits.lease_s)
    world.take_down()
    ran = await world.run(backend="local")
    assert ran.job.lease is not None
    assert ran.job.lease.reason is LeaseReason.THROTTLED

    await world.look(200.0)

    assert (await world.reread(job)).backend == "local"


async def under_way_at(world: Two, hanging: Hanging) -> "asyncio.Task[object]":
    """A run of the next local job, begun with its call."""
    running = asyncio.create_task(world.runner().run_next("local"))
    await hanging.begun.wait()
    return running


@in_virtual_time
async def test_a_job_of_which_a_picture_is_made_stays_for_the_rest() -> None:
    world = Two()
    (job,) = await world.auto(count=2)
    world.here.then(world.here.answer, BackendUnreachable("It went down."))
    world.here.can = attrs.evolve(world.here.can, images_per_call=1)
    assert (await world.run(backend="local")).job.parked
    world.take_down()

    await world.look(200.0)

    assert (await world.reread(job)).backend == "local"
    world.bring_back()
    assert (await world.run_to_end(job)).status is JobStatus.FINISHED


@in_virtual_time
async def test_a_job_that_nobody_can_make_fails_with_both_reasons_and_once() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(BROKE)
    world.here.then(NO_KEY)

    await world.run(backend="stability")
    await world.look()
    await world.run(backend="local")
    await world.look()

    ended = await world.reread(job)
    assert (ended.status, ended.backend) == (JobStatus.FAILED, "local")
    assert ended.failure is not None
    assert ended.failure.code is FailureCode.NOT_AUTHORIZED
    assert ended.failure.message == (
        "It does not accept the API key. It stayed with 'local'. 'local' cannot make it now (not_authorized). "
        "'stability' had it before."
    )
    assert [failure.code for failure in ended.failures[:2]] == [BROKE.code, NO_KEY.code]
    assert len(world.cloud.calls) == len(world.here.calls) == 1
    assert [event.kind for event in await world.told()][-1] is EventKind.FAILED


@in_virtual_time
async def test_one_that_would_fail_goes_to_a_backend_in_trouble_rather_than_nowhere() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.take_down()
    world.cloud.then(BROKE)

    await world.run(backend="stability")
    await world.look()
    assert (await world.reread(job)).backend == "local"
    world.bring_back()

    assert (await world.run_to_end(await world.reread(job))).status is JobStatus.FINISHED


@in_virtual_time
async def test_at_the_end_of_its_patience_a_job_is_moved_instead_of_failed() -> None:
    world = Two(max_wait_s=5.0, patience_s=20.0)
    (job,) = await world.auto()
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=1e6)
    world.take_down()
    runner = world.runner()
    while not (await world.reread(job)).stranded:
        ran = await world.run(runner, "local")
        await asyncio.sleep(0 if ran.job.stranded else ran.again_in_s or 0)

    await world.look()

    assert (await world.run_to_end(await world.reread(job), runner=runner)).backend == "stability"


@in_virtual_time
async def test_without_anybody_who_moves_jobs_one_fails_in_the_end() -> None:
    world = Two(order=("stability",), patience_s=100.0)
    (job,) = await world.auto()
    world.cloud.then(*[NO_KEY] * 9)

    ended = await world.run_to_end(job)

    assert (ended.status, ended.attempt) == (JobStatus.FAILED, 1)
    assert ended.failure is not None
    assert ended.failure.code is FailureCode.NOT_AUTHORIZED
    assert len(world.cloud.calls) == 4


@in_virtual_time
async def test_a_job_for_a_backend_that_was_named_fails_at_once_as_ever() -> None:
    world = Two()
    world.cloud.then(NO_KEY)

    ended = (await world.run(backend=(await world.service.submit(REQUEST, backend="stability")).backend)).job

    assert (ended.status, ended.asked) == (JobStatus.FAILED, None)


@in_virtual_time
async def test_a_cancelled_job_is_not_moved() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(NO_KEY)
    await world.run(backend="stability")

    assert (await world.service.cancel(job.id)).status is JobStatus.CANCELLED
    await world.look()

    assert (await world.reread(job)).backend == "stability"


@in_virtual_time
async def test_two_services_that_look_at_once_move_each_job_once() -> None:
    world = Two()
    jobs = await world.auto(5)
    world.take_down()
    other = type(world.mover)(world.service)

    for _ in range(40):
        await asyncio.gather(world.mover.step(), other.step())
        await asyncio.sleep(2.0)

    moved: list[Job] = [await world.reread(job) for job in jobs]
    assert [len(job.moves) for job in moved] == [1] * 5
    assert await world.book.spent(jobs[0].created_at.date()) == 15.0
    kinds = [event.kind for event in await world.told()]
    assert kinds.count(EventKind.MOVED) == 5


@in_virtual_time
async def test_an_edit_takes_its_pictures_along() -> None:
    world = Two()
    picture = Parameter(name="init_image", kind=ParameterKind.IMAGE, required=True)
    for generator in (world.here, world.cloud):
        generator.can = attrs.evolve(
            generator.can, operations=(Operation.EDIT,), parameters=(*generator.can.parameters, picture)
        )
    data = png(8, 8)
    job = await world.service.submit(attrs.evolve(REQUEST, operation=Operation.EDIT), backend=AUTO, init_image=data)
    world.take_down()

    await world.look(70.0)
    ended = await world.run_to_end(await world.reread(job))

    assert (ended.status, ended.backend) == (JobStatus.FINISHED, "stability")
    assert world.cloud.calls[0].init_image == data


@in_virtual_time
async def test_throttled_for_a_short_while_a_job_waits_where_it_is() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(BackendThrottled("Slow down.", retry_after_s=30.0))
    await world.run(backend="stability")

    await world.look(29.0)

    assert (await world.run_to_end(job)).backend == "stability"


@in_virtual_time
async def test_a_retry_chooses_anew_what_was_left_to_the_choice() -> None:
    world = Two(order=("stability", "local"))
    (job,) = await world.auto()
    world.cloud.then(CallRejected("It is moderated.", code=FailureCode.CONTENT_MODERATED))
    ended = await world.run_to_end(job)
    world.service.auto = attrs.evolve(world.service.auto, order=("local", "stability"))

    again = await world.service.retry(ended.id)

    assert (again.backend, again.asked, again.retry_of) == (
        "local",
        attrs.evolve(REQUEST, seed=job.request.seed),
        job.id,
    )
    assert again.request.seed == job.request.seed
