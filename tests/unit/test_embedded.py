"""The whole service within one program: opened, used and closed by a single `async with`."""

import asyncio

import pytest

from imaging_core import ImageRequest, RetryPolicy, RunLimits, open_imaging
from imaging_core.errors import CallFailed
from imaging_core.images import ImageRef
from imaging_core.jobs import JobStatus
from imaging_core.memory import MemoryImageStore
from imaging_core.opened import Opened, whole
from scripted import Hanging, ScriptedGenerator, lasting
from virtual_time import in_virtual_time, loop_time

REQUEST = ImageRequest(prompt="a lighthouse")


@in_virtual_time
async def test_a_picture_is_made_in_one_process() -> None:
    store = MemoryImageStore()
    async with open_imaging(ScriptedGenerator().then(lasting(3)), store=store) as imaging:
        job = await imaging.submit(REQUEST, backend="alpha")
        views = [view async for view in imaging.watch(job.id)]
        ref, data = await imaging.read_image(job.id)

    assert views[-1].job.status is JobStatus.FINISHED
    assert isinstance(data, bytes)
    assert len(data) == ref.size
    assert len(await store.find(job.id)) == 1


@in_virtual_time
async def test_who_embeds_the_service_gets_bytes_where_the_store_lends_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryImageStore()
    kept = store.open

    async def lend(ref: ImageRef) -> Opened:
        return memoryview(await whole(await kept(ref)))

    monkeypatch.setattr(store, "open", lend)
    async with open_imaging(ScriptedGenerator(), store=store) as imaging:
        job = await imaging.submit(REQUEST, backend="alpha")
        async for _ in imaging.watch(job.id):
            pass
        ref, data = await imaging.read_image(job.id)

    assert isinstance(data, bytes)
    assert len(data) == ref.size


@in_virtual_time
async def test_each_backend_gets_its_slots() -> None:
    alpha, beta = ScriptedGenerator("alpha"), ScriptedGenerator("beta")
    for generator in (alpha, beta):
        generator.then(*[lasting(10)] * 4)
    async with open_imaging(alpha, beta, slots={"beta": 3}) as imaging:
        for _ in range(4):
            await imaging.submit(REQUEST, backend="alpha")
            await imaging.submit(REQUEST, backend="beta")
        # The rings that came while all slots were busy; the sweep brings the rest.
        await asyncio.sleep(5)

        assert (len(alpha.calls), len(beta.calls)) == (1, 3)


@in_virtual_time
async def test_limits_and_retries_are_the_callers() -> None:
    generator = ScriptedGenerator().then(CallFailed("no"))
    limits, retry = RunLimits(run_timeout_s=33), RetryPolicy(max_attempts=1)
    async with open_imaging(generator, limits=limits, retry=retry) as imaging:
        job = await imaging.submit(REQUEST, backend="alpha")
        last = [view async for view in imaging.watch(job.id)][-1]

    assert (last.job.status, last.job.run_timeout_s) == (JobStatus.FAILED, 33)


@in_virtual_time
async def test_on_leaving_running_jobs_get_their_grace_and_are_then_let_go() -> None:
    act = Hanging()
    async with open_imaging(ScriptedGenerator().then(act), grace_s=4) as imaging:
        job = await imaging.submit(REQUEST, backend="alpha")
        await act.begun.wait()

    assert (loop_time(), act.stopped.is_set()) == (4, True)
    assert (await imaging.get(job.id)).parked


@in_virtual_time
async def test_two_generators_cannot_go_by_one_name() -> None:
    with pytest.raises(ValueError, match="Two generators go by one name: alpha, alpha"):
        async with open_imaging(ScriptedGenerator(), ScriptedGenerator()):
            pass
