"""What the memory adapters do beyond the promises of their ports: bounds, clocks, and what a claim costs."""

import asyncio
import gc
import sys
import weakref
from datetime import UTC, datetime, timedelta
from types import FrameType

import pytest

from contracts.samples import NOON, a_job, a_picture, a_ref, a_result, an_event
from imaging_core.errors import LeaseLost, StorageFull, UnknownCursor
from imaging_core.events import EventKind, JobProgress
from imaging_core.ids import new_job_id
from imaging_core.memory import MemoryGate, MemoryImageStore, MemoryJobEvents, MemoryJobQueue, MemoryJobRepository
from imaging_core.policies import GateLimits
from imaging_core.ports import Permit

# --- events ----------------------------------------------------------------------------------------------


async def test_a_subscriber_that_fell_behind_is_given_what_it_could_be_and_then_told() -> None:
    events = MemoryJobEvents(length=3)
    stream = events.subscribe()
    job = a_job()

    events.append([an_event(job)] * 5)

    assert [(await anext(stream)).job_id for _ in range(3)] == [job.id] * 3
    with pytest.raises(UnknownCursor, match="too slowly"):
        await anext(stream)


async def test_closing_a_subscription_ends_the_reading_that_waits_on_it() -> None:
    events = MemoryJobEvents()
    stream = events.subscribe()

    async def read() -> list[str]:
        return [event.job_id async for event in stream]

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    await stream.aclose()
    events.append([an_event(a_job())])

    assert await reading == []


async def test_a_subscription_that_was_dropped_is_not_kept() -> None:
    events = MemoryJobEvents()
    stream = events.subscribe()
    watch = weakref.ref(stream)

    del stream
    gc.collect()

    assert watch() is None


async def test_a_cursor_of_another_log_is_unknown() -> None:
    one, other = MemoryJobEvents(), MemoryJobEvents()

    with pytest.raises(UnknownCursor):
        one.subscribe(after=await other.cursor())


async def test_progress_is_forgotten_when_its_job_has_ended() -> None:
    events = MemoryJobEvents()
    job = a_job()
    await events.publish(JobProgress(job_id=job.id, fraction=0.5))

    events.append([an_event(job.cancelled(now=NOON), EventKind.CANCELLED)])

    assert await events.progress(job.id) is None


async def test_progress_of_jobs_that_never_end_is_bounded() -> None:
    events = MemoryJobEvents()
    for number in range(10_001):
        await events.publish(JobProgress(job_id=str(number), fraction=0.5))

    assert await events.progress("0") is None
    assert await events.progress("10000") is not None


# --- repository ------------------------------------------------------------------------------------------


async def test_the_usual_clock_is_this_machines() -> None:
    before = datetime.now(UTC)

    now = await MemoryJobRepository(MemoryJobEvents()).now()

    assert before <= now <= datetime.now(UTC)


async def test_a_clock_that_is_set_back_revives_no_lease() -> None:
    time = NOON
    repository = MemoryJobRepository(MemoryJobEvents(), lambda: time)
    await repository.add(a_job(NOON))
    job = await repository.claim_next("alpha", worker="w", token="t", lease_s=10)
    assert job is not None
    time = NOON + timedelta(seconds=20)
    assert (await repository.state("alpha")).claimable == 1

    time = NOON

    assert await repository.now() == NOON + timedelta(seconds=20)
    assert await repository.claim_next("alpha", worker="v", token="u", lease_s=10) is not None
    with pytest.raises(LeaseLost):
        await repository.beat(job.id, token="t", lease_s=10)


async def calls_of_a_claim(ended: int) -> int:
    """How many function calls one submit, claim and end make after so many jobs have ended."""
    repository = MemoryJobRepository(MemoryJobEvents(length=10), lambda: NOON)

    async def live_and_end() -> None:
        await repository.add(a_job(NOON))
        job = await repository.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert job is not None
        await repository.save(job.succeeded([a_ref()], now=NOON), token="t")

    for _ in range(ended):
        await live_and_end()
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        await live_and_end()
    finally:
        sys.setprofile(None)
    return calls


async def test_jobs_that_have_ended_do_not_slow_a_claim() -> None:
    few, many = await calls_of_a_claim(20), await calls_of_a_claim(2000)

    assert many <= few * 1.1


# --- queue, store and gate -------------------------------------------------------------------------------


async def test_a_listener_that_fails_does_not_fail_the_ring_nor_the_others() -> None:
    queue, heard, troubles = MemoryJobQueue(), asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context["exception"]))

    def fail(_: str) -> None:
        raise ValueError("deaf")

    queue.listen(fail)
    queue.listen(lambda _: heard.set())
    await queue.ring("alpha", new_job_id())
    await asyncio.wait_for(heard.wait(), 5)

    assert [str(trouble) for trouble in troubles] == ["deaf"]


async def test_nobody_is_rung_for_after_having_stopped_listening() -> None:
    queue = MemoryJobQueue()
    heard: list[str] = []
    stop = queue.listen(heard.append)
    stop()
    stop()

    await queue.ring("alpha", new_job_id())
    await asyncio.sleep(0)

    assert heard == []


async def test_deleting_pictures_makes_room() -> None:
    size = len(a_picture().data)
    store = MemoryImageStore(max_bytes=size + size // 2)
    await store.put("a", 0, a_result(), first_image=0)
    with pytest.raises(StorageFull, match=f"needs {size}"):
        await store.put("b", 0, a_result(), first_image=0)
    with pytest.raises(StorageFull):
        await store.check()

    await store.delete("a")

    await store.check()
    assert (await store.put("b", 0, a_result(), first_image=0)).images[0].size == size


async def test_a_permit_that_was_taken_back_may_go_on_while_a_slot_is_free() -> None:
    time = 0.0
    gate = MemoryGate({}, default=GateLimits(slots=1, permit_lease_s=10), clock=lambda: time)
    permit = await gate.enter("alpha")
    assert isinstance(permit, Permit)
    time = 20.0

    assert await gate.again(permit) is None

    assert (await gate.state("alpha")).in_use == 1
