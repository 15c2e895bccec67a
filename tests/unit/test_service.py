"""The use cases that change something: submit, cancel, retry, delete; over the memory adapters."""

import asyncio
import logging

import attrs
import pytest

from imaging_core.errors import (
    BackendNotConfigured,
    CallRejected,
    FailureCode,
    IdempotencyMismatch,
    InvalidRequest,
    JobConflict,
    JobDeleted,
    JobNotFound,
    QueueFull,
    StaleJob,
    StorageFull,
    Unavailable,
    UnknownBackend,
)
from imaging_core.events import EventKind
from imaging_core.ids import JOB_ID
from imaging_core.images import MAX_SEED, ImageRequest
from imaging_core.jobs import JobStatus
from imaging_core.policies import RunLimits
from imaging_core.ports import QueueLimits
from scripted import ScriptedGenerator, World, away
from virtual_time import calendar, in_virtual_time

REQUEST = ImageRequest(prompt="a lighthouse")


# --- submit ----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_submitted_job_is_stored_as_it_will_be_run() -> None:
    world = World(limits=RunLimits(run_timeout_s=77, max_wait_s=88))

    job = await world.service.submit(REQUEST, backend="alpha", owner="ada", priority=3)

    assert JOB_ID.fullmatch(job.id)
    assert job == await world.jobs.get(job.id)
    assert (job.status, job.owner, job.priority) == (JobStatus.QUEUED, "ada", 3)
    assert (job.created_at, job.run_timeout_s, job.max_wait_s) == (calendar(), 77, 88)
    assert job.request.steps == 20, "the backend's default is filled in"
    (event,) = await world.told()
    assert (event.kind, event.job_id, event.owner) == (EventKind.QUEUED, job.id, "ada")


@in_virtual_time
async def test_a_caller_may_give_a_job_less_time_than_the_settings_do() -> None:
    world = World(limits=RunLimits(max_wait_s=100))

    job = await world.service.submit(REQUEST, backend="alpha", max_wait_s=10)

    assert job.max_wait_s == 10


@in_virtual_time
async def test_a_seed_is_drawn_at_submit_never_0_and_kept_where_given() -> None:
    world = World()
    drawn = {(await world.submit()).request.seed for _ in range(20)}

    assert len(drawn) == 20
    assert all(seed is not None and 1 <= seed <= MAX_SEED for seed in drawn)
    assert (await world.submit(seed=0)).request.seed == 0


@in_virtual_time
async def test_every_picture_of_a_job_has_a_legal_seed() -> None:
    world = World()

    assert (await world.submit(seed=MAX_SEED - 2, count=3)).request.seed == MAX_SEED - 2
    with pytest.raises(InvalidRequest, match=f"seed: must be at most {MAX_SEED - 2} for 3 pictures"):
        await world.submit(seed=MAX_SEED - 1, count=3)


@in_virtual_time
async def test_the_largest_seed_that_can_be_drawn_leaves_room_for_the_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imaging_core.submitting.secrets.randbelow", lambda below: below - 1)

    assert (await World().submit(count=8)).request.seed == MAX_SEED - 7


@in_virtual_time
async def test_a_wrong_request_is_refused_and_nothing_is_stored() -> None:
    world = World()

    with pytest.raises(InvalidRequest, match="steps: must be from 1 to 150"):
        await world.submit(steps=0)

    assert await world.told() == []


@in_virtual_time
async def test_a_backend_must_be_there_and_configured() -> None:
    world = World()
    world.service.unconfigured = {"stability": "Set IMAGING_STABILITY_API_KEY."}

    with pytest.raises(UnknownBackend, match="There are: alpha"):
        await world.submit(backend="beta")
    with pytest.raises(BackendNotConfigured, match="IMAGING_STABILITY_API_KEY"):
        await world.submit(backend="stability")
    assert world.service.backend_names == ("alpha",)


@in_virtual_time
async def test_a_full_queue_refuses() -> None:
    world = World(queue_limits=QueueLimits(max_queued=1))
    await world.submit()

    with pytest.raises(QueueFull):
        await world.submit()


@in_virtual_time
async def test_no_new_job_is_taken_while_something_speaks_against_it() -> None:
    async def refuse() -> None:
        raise StorageFull("The pictures take all the room they may.")

    world = World(admit=refuse)

    with pytest.raises(StorageFull, match="all the room"):
        await world.submit()
    with pytest.raises(StorageFull, match="all the room"):
        await world.service.check_room()
    assert await world.told() == []


@in_virtual_time
async def test_room_is_a_matter_of_the_store_too() -> None:
    world = World()
    await world.service.check_room()
    away(world.store, "check", error=StorageFull("The disk is full."))

    with pytest.raises(StorageFull, match="disk is full"):
        await world.service.check_room()


@in_virtual_time
async def test_how_long_a_job_is_kept_is_part_of_the_request_under_a_key() -> None:
    world = World()
    job = await world.service.submit(REQUEST, backend="alpha", idempotency_key="k", keep_days=3)

    assert job.keep_days == 3
    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")


@in_virtual_time
async def test_a_submit_rings_for_its_backend_and_a_bell_that_fails_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    heard: list[str] = []
    world.queue.listen(heard.append)
    await world.submit()
    away(world.queue, "ring", times=1)
    lost = await world.submit()
    away(world.queue, "ring", times=1, error=OSError("redis://:secret@host"))
    with caplog.at_level(logging.INFO):
        broken = await world.submit()
        await world.service.close()

    assert heard == ["alpha"]
    assert "A ring was lost" in caplog.text
    assert "A bell failed." in caplog.text
    assert "secret" not in caplog.text
    for job in (lost, broken):
        assert (await world.jobs.get(job.id)).status is JobStatus.QUEUED


@in_virtual_time
async def test_a_submit_does_not_wait_for_its_ring_but_closing_does() -> None:
    world = World()
    rung = asyncio.Event()

    async def slow(backend: str, job_id: str) -> None:
        await asyncio.sleep(5)
        rung.set()

    world.queue.ring = slow  # type: ignore[method-assign]
    await world.submit()
    assert not rung.is_set()

    await world.service.close()

    assert rung.is_set()


# --- idempotency -----------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_same_submit_under_one_key_is_the_same_job_though_each_draws_a_seed() -> None:
    world = World()

    jobs = await asyncio.gather(
        *(world.service.submit(REQUEST, backend="alpha", idempotency_key="k") for _ in range(20))
    )

    assert len({job.id for job in jobs}) == 1
    assert await world.kinds() == [EventKind.QUEUED]


@pytest.mark.parametrize("other", [{"steps": 5}, {"seed": 1}, {"prompt": "fog"}])
@in_virtual_time
async def test_another_request_under_the_same_key_is_a_mistake(other: dict[str, object]) -> None:
    world = World()
    await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")

    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(
            attrs.evolve(REQUEST, **other),  # type: ignore[arg-type]
            backend="alpha",
            idempotency_key="k",
        )


@in_virtual_time
async def test_another_deadline_or_backend_under_the_same_key_is_a_mistake_too() -> None:
    world = World(ScriptedGenerator("alpha"), ScriptedGenerator("beta"))
    await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")

    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(REQUEST, backend="alpha", idempotency_key="k", max_wait_s=5)
    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(REQUEST, backend="beta", idempotency_key="k")


@in_virtual_time
async def test_keys_belong_to_their_owner() -> None:
    world = World()
    mine = await world.service.submit(REQUEST, backend="alpha", idempotency_key="k", owner="ada")
    yours = await world.service.submit(REQUEST, backend="alpha", idempotency_key="k", owner="bob")

    assert mine.id != yours.id


# --- cancel ----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_cancel_that_races_another_write_is_decided_anew() -> None:
    world = World()
    job = await world.submit()
    away(world.jobs, "save", times=2, error=StaleJob("changed"))

    assert (await world.service.cancel(job.id)).status is JobStatus.CANCELLED


@in_virtual_time
async def test_a_cancel_that_loses_the_race_against_the_end_says_so() -> None:
    world = World()
    job = await world.submit()
    real = world.jobs.save

    async def late(*args: object, **kwargs: object) -> object:
        world.jobs.save = real  # type: ignore[method-assign]
        await world.run_to_end(job)
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    world.jobs.save = late  # type: ignore[assignment,method-assign]

    with pytest.raises(JobConflict, match="already finished"):
        await world.service.cancel(job.id)


@in_virtual_time
async def test_a_strangers_job_looks_like_none() -> None:
    world = World()
    job = await world.service.submit(REQUEST, backend="alpha", owner="ada")
    service = world.service

    for use in (service.get, service.view, service.cancel, service.retry, service.delete, service.read_image):
        with pytest.raises(JobNotFound):
            await use(job.id, owner="bob")
    assert (await service.get(job.id, owner="ada")).id == job.id


@pytest.mark.parametrize("job_id", ["", "x", "../../etc/passwd", "0" * 31, "0" * 33, "A" * 32, "0" * 32])
@in_virtual_time
async def test_an_id_that_cannot_be_one_is_not_even_looked_up(job_id: str) -> None:
    world = World()
    asked = away(world.jobs, "get", times=0)

    with pytest.raises(JobNotFound):
        await world.service.get(job_id)

    assert len(asked) == (job_id == "0" * 32)


# --- retry -----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_failed_job_is_tried_again_as_a_new_one_for_the_same_picture() -> None:
    world = World(ScriptedGenerator().then(CallRejected("no", code=FailureCode.INSUFFICIENT_CREDITS)))
    job = await world.service.submit(REQUEST, backend="alpha", owner="ada", priority=2, max_wait_s=500)
    assert (await world.run_to_end(job)).status is JobStatus.FAILED

    again = await world.service.retry(job.id, owner="ada")

    assert (again.id != job.id, again.retry_of) == (True, job.id)
    assert again.request == job.request
    assert (again.owner, again.priority, again.max_wait_s) == ("ada", 2, 500)
    assert (await world.run_to_end(again)).status is JobStatus.FINISHED


@in_virtual_time
async def test_only_a_failed_or_cancelled_job_is_tried_again() -> None:
    world = World()
    job = await world.submit()
    with pytest.raises(JobConflict, match="this one is queued"):
        await world.service.retry(job.id)
    await world.service.cancel(job.id)
    assert (await world.service.retry(job.id)).retry_of == job.id
    done = await world.run_to_end(await world.submit())
    with pytest.raises(JobConflict, match="this one is finished"):
        await world.service.retry(done.id)


# --- delete ----------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_deleted_job_is_gone_with_its_pictures() -> None:
    world = World()
    job = await world.run_to_end(await world.submit())
    await world.told()

    await world.service.delete(job.id)

    assert await world.kinds() == [EventKind.DELETED]
    assert await world.store.find(job.id) == ()
    with pytest.raises(JobDeleted):
        await world.service.read_image(job.id)
    with pytest.raises(JobDeleted):
        await world.service.delete(job.id)


@in_virtual_time
async def test_an_open_job_is_not_deleted() -> None:
    world = World()
    job = await world.submit()

    with pytest.raises(JobConflict, match="Cancel it first"):
        await world.service.delete(job.id)


@in_virtual_time
async def test_a_delete_that_was_cut_short_can_be_repeated() -> None:
    world = World()
    job = await world.run_to_end(await world.submit())
    away(world.store, "delete", times=1)
    with pytest.raises(Unavailable):
        await world.service.delete(job.id)
    assert await world.store.find(job.id) != ()

    with pytest.raises(JobDeleted):
        await world.service.delete(job.id)

    assert await world.store.find(job.id) == ()
