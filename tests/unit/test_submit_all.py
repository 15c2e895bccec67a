"""Submitting many jobs in one step, and what a known idempotency key answers whatever else is wrong."""

import pytest

from imaging_core.errors import (
    FieldProblem,
    IdempotencyMismatch,
    InvalidRequest,
    JobDeleted,
    QueueFull,
    StorageFull,
    Unavailable,
    UnknownBackend,
)
from imaging_core.events import EventKind
from imaging_core.images import ImageRequest
from imaging_core.ports import JobQuery, QueueLimits
from scripted import ScriptedGenerator, World, away
from virtual_time import in_virtual_time

REQUEST = ImageRequest(prompt="a lighthouse")
BATCH = [(REQUEST, "alpha"), (ImageRequest(prompt="fog", steps=5), "beta"), (REQUEST, "alpha")]


def two_backends(**given: object) -> World:
    return World(ScriptedGenerator("alpha"), ScriptedGenerator("beta"), **given)  # type: ignore[arg-type]


@in_virtual_time
async def test_a_batch_becomes_jobs_in_its_order_each_with_its_event_and_its_ring() -> None:
    world = two_backends()
    heard: list[str] = []
    world.queue.listen(heard.append)

    jobs = await world.service.submit_all(BATCH, owner="ada", priority=1, max_wait_s=9, keep_days=2)
    await world.service.close()

    assert [(job.backend, job.request.prompt) for job in jobs] == [
        ("alpha", "a lighthouse"),
        ("beta", "fog"),
        ("alpha", "a lighthouse"),
    ]
    assert {(job.owner, job.priority, job.max_wait_s, job.keep_days) for job in jobs} == {("ada", 1, 9, 2)}
    assert len({job.request.seed for job in jobs}) == 3
    assert [await world.jobs.get(job.id) for job in jobs] == list(jobs)
    assert await world.kinds() == [EventKind.QUEUED] * 3
    assert sorted(heard) == ["alpha", "alpha", "beta"]


@in_virtual_time
async def test_what_is_wrong_with_a_batch_is_named_by_item_and_nothing_is_stored() -> None:
    world = two_backends()
    wrong = [(REQUEST, "alpha"), (ImageRequest(prompt="fog", steps=0), "beta"), (REQUEST, "gamma")]

    with pytest.raises(InvalidRequest) as refused:
        await world.service.submit_all(wrong)

    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["items[1].steps", "items[2].backend"]
    assert "There are: alpha, beta" in refused.value.problems[1].message
    assert await world.told() == []
    with pytest.raises(InvalidRequest, match="items: must have at least one entry"):
        await world.service.submit_all([])


@in_virtual_time
async def test_a_batch_under_one_key_is_one_batch() -> None:
    world = two_backends()
    first = await world.service.submit_all(BATCH, idempotency_key="k")

    again = await world.service.submit_all(BATCH, idempotency_key="k")

    assert again == first
    for other in (BATCH[:2], BATCH[::-1] + BATCH):
        with pytest.raises(IdempotencyMismatch):
            await world.service.submit_all(other, idempotency_key="k")
    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")
    assert len((await world.service.list(JobQuery())).jobs) == 3


@in_virtual_time
async def test_a_batch_of_one_is_another_submit_than_its_item() -> None:
    world = two_backends()
    await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")

    with pytest.raises(IdempotencyMismatch):
        await world.service.submit_all([(REQUEST, "alpha")], idempotency_key="k")


@in_virtual_time
async def test_a_batch_that_does_not_fit_is_refused_whole_and_one_that_never_will_says_so() -> None:
    world = two_backends(queue_limits=QueueLimits(max_queued=3))
    await world.service.submit_all(BATCH)

    with pytest.raises(QueueFull):
        await world.service.submit_all(BATCH)
    with pytest.raises(InvalidRequest, match="has 4 entries for backend 'beta', of which at most 3 may wait"):
        await world.service.submit_all([(REQUEST, "beta")] * 4)

    assert len((await world.service.list(JobQuery())).jobs) == 3


@in_virtual_time
async def test_a_caller_has_a_share_of_the_queue_and_may_have_one_of_its_own() -> None:
    world = two_backends(queue_limits=QueueLimits(max_queued=9, max_queued_per_owner=1))
    await world.service.submit(REQUEST, backend="alpha", owner="ada")

    with pytest.raises(QueueFull) as refused:
        await world.service.submit(REQUEST, backend="alpha", owner="ada")
    assert refused.value.mine
    larger = QueueLimits(max_queued=9, max_queued_per_owner=2)
    assert (await world.service.submit(REQUEST, backend="alpha", owner="ada", limits=larger)).owner == "ada"
    # Without keys there is nobody to share with.
    for _ in range(3):
        assert (await world.service.submit(REQUEST, backend="alpha")).owner is None


@pytest.mark.parametrize("batch", [False, True])
@in_virtual_time
async def test_a_known_key_is_answered_whatever_speaks_against_a_new_job(batch: bool) -> None:
    full = False

    async def admit() -> None:
        if full:
            raise StorageFull("The pictures take all the room they may.")

    world = two_backends(admit=admit, queue_limits=QueueLimits(max_queued=2))

    async def submit(key: str | None) -> object:
        if batch:
            return await world.service.submit_all(BATCH, idempotency_key=key)
        return await world.service.submit(REQUEST, backend="alpha", idempotency_key=key)

    first = await submit("k")
    full = True
    assert await submit("k") == first
    for key in ("other", None):
        with pytest.raises(StorageFull):
            await submit(key)
    away(world.generators["alpha"], "capabilities", times=1)
    assert await submit("k") == first
    away(world.generators["alpha"], "capabilities", times=1)
    with pytest.raises(Unavailable):
        await submit("other")
    del world.generators["alpha"]
    assert await submit("k") == first
    with pytest.raises((UnknownBackend, InvalidRequest)):
        await submit(None)


@in_virtual_time
async def test_a_key_whose_job_is_gone_says_so_though_no_new_job_is_taken() -> None:
    async def admit() -> None:
        if await world.told():
            raise StorageFull("The pictures take all the room they may.")

    world = World(admit=admit)
    job = await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")
    await world.service.cancel(job.id)
    await world.service.delete(job.id)

    with pytest.raises(JobDeleted):
        await world.service.submit(REQUEST, backend="alpha", idempotency_key="k")


@in_virtual_time
async def test_a_submit_without_a_key_asks_the_repository_for_nothing_but_the_add() -> None:
    world = World()
    known = away(world.jobs, "known")

    await world.service.submit(REQUEST, backend="alpha")
    with pytest.raises(InvalidRequest) as refused:
        await world.service.submit(ImageRequest(prompt="fog", steps=0), backend="alpha")

    assert [problem.field for problem in refused.value.problems] == ["steps"]
    assert isinstance(refused.value.problems[0], FieldProblem)
    assert known == []
