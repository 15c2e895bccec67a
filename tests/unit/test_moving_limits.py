"""A job that goes on elsewhere is asked for as it was at first, and keeps to every limit of money and room."""

import attrs
import pytest

from auto_setting import BROKE, NO_KEY, REQUEST, Two
from imaging_core.errors import (
    AnswerLost,
    InvalidRequest,
    Unavailable,
)
from imaging_core.jobs import JobStatus
from imaging_core.moving import STEP
from imaging_core.parameters import Parameter, ParameterKind
from scripted import away
from virtual_time import in_virtual_time


@in_virtual_time
async def test_the_other_backend_gets_what_was_asked_for_and_the_same_seed() -> None:
    world = Two()
    (job,) = await world.auto()
    assert job.request.steps == 20
    world.take_down()
    await world.look(70.0)

    moved = await world.reread(job)

    assert moved.request == attrs.evolve(REQUEST, seed=job.request.seed)
    assert (moved.asked, moved.id, moved.created_at) == (REQUEST, job.id, job.created_at)


@in_virtual_time
async def test_a_size_for_any_backend_is_made_out_anew_where_the_job_goes() -> None:
    world = Two()
    sides = [
        Parameter(name=n, kind=ParameterKind.INTEGER, minimum=64, maximum=1024, multiple_of=8)
        for n in ("width", "height")
    ]
    shapes = Parameter(name="aspect_ratio", kind=ParameterKind.CHOICE, choices=("1:1", "16:9"))
    world.here.can = attrs.evolve(world.here.can, parameters=(*world.here.can.parameters, *sides))
    world.cloud.can = attrs.evolve(world.cloud.can, parameters=(*world.cloud.can.parameters, shapes))
    (job,) = await world.auto(options={"size": "900x500"})
    assert (job.request.width, job.request.height, job.request.options) == (896, 496, {})
    world.take_down()

    await world.look(70.0)

    moved = (await world.reread(job)).request
    assert (moved.width, moved.height, moved.options) == (None, None, {"aspect_ratio": "16:9"})
    with pytest.raises(InvalidRequest, match="size: must not stand beside"):
        await world.auto(options={"size": "900x500", "aspect_ratio": "1:1"})


@in_virtual_time
async def test_a_job_that_no_other_backend_takes_stays_and_says_why_once() -> None:
    world = Two()
    (job,) = await world.auto(steps=30)
    world.take_down()
    await world.look(70.0)

    stayed = await world.reread(job)
    await world.look(70.0)

    assert stayed.why_there is not None
    assert stayed.why_there.endswith(
        "It stayed with 'local'. 'local' does not answer. "
        "'stability' does not take it: steps: is not a setting of backend 'stability'."
    )
    assert await world.reread(job) == stayed
    world.bring_back()
    assert (await world.run_to_end(job)).status is JobStatus.FINISHED


@in_virtual_time
async def test_those_that_cannot_be_moved_do_not_stand_before_one_that_can() -> None:
    world = Two(max_wait_s=1e6)
    stuck, (job,) = await world.auto(2 * STEP, steps=30), await world.auto()
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=60.0)
    world.take_down()

    await world.look(80.0)

    assert await world.where([job]) == ["stability"]
    assert set(await world.where(stuck)) == {"local"}


@in_virtual_time
async def test_no_wait_takes_a_job_over_the_money_limit_of_one_job() -> None:
    world = Two(max_credits=2.9)
    (job,) = await world.auto()
    world.take_down()

    await world.look(500.0)

    stayed = await world.reread(job)
    assert stayed.backend == "local"
    assert stayed.stayed is not None
    assert "'stability' would cost 3 credits, and at most 2.9 may be spent on such a job." in stayed.stayed
    assert await world.book.spent(job.created_at.date()) == 0.0


@in_virtual_time
async def test_credits_are_set_aside_as_for_a_submit_and_no_job_goes_over_the_days() -> None:
    world = Two(credits_per_day=7.0)
    jobs = await world.auto(3)
    world.take_down()
    await world.look(70.0)

    assert await world.where(jobs) == ["stability", "stability", "local"]
    assert await world.book.spent(jobs[0].created_at.date()) == 6.0
    assert "'stability' costs more than is left of the 7 credits that this service may use a day." in (
        (await world.reread(jobs[2])).stayed or ""
    )
    for job in jobs[:2]:
        await world.run_to_end(await world.reread(job))
    await world.settling.settle()
    assert await world.book.spent(jobs[0].created_at.date()) == 6.0


@in_virtual_time
async def test_one_that_would_fail_fails_rather_than_go_over_the_money_limit() -> None:
    world = Two(max_credits=1.0)
    (job,) = await world.auto()
    world.here.then(NO_KEY)
    await world.run(backend="local")

    await world.look()

    ended = await world.reread(job)
    assert (ended.status, ended.backend) == (JobStatus.FAILED, "local")
    assert "at most 1 may be spent on such a job" in (ended.failure.message if ended.failure else "")


@in_virtual_time
async def test_a_doubtful_call_of_a_free_backend_costs_nothing_after_a_move_from_a_paid_one() -> None:
    world = Two(order=("stability", "local"), max_wait_s=60.0)
    (job,) = await world.auto()
    assert await world.book.spent(job.created_at.date()) == 3.0
    world.cloud.then(BROKE)
    await world.run(backend="stability")
    await world.look()
    world.here.then(AnswerLost("Gone.", retryable=False))

    ended = await world.run_to_end(await world.reread(job))
    await world.settling.settle()

    assert (ended.status, ended.backend) == (JobStatus.FAILED, "local")
    assert await world.book.spent(job.created_at.date()) == 0.0


@in_virtual_time
async def test_a_move_that_was_never_written_has_set_no_credits_aside() -> None:
    world = Two()
    (job,) = await world.auto()
    world.take_down()
    away(world.jobs, "move", times=1)
    with pytest.raises(Unavailable):
        await world.look(70.0)
    assert await world.book.spent(job.created_at.date()) == 0.0
    assert (await world.reread(job)).backend == "local"
    world.bring_back()

    assert (await world.run_to_end(job)).status is JobStatus.FINISHED
    await world.settling.settle()

    assert await world.book.spent(job.created_at.date()) == 0.0
