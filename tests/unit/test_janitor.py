"""The janitor leaves others their time."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from contracts.samples import NOON, a_job
from imaging_core.events import JobEvent
from imaging_core.janitor import TOGETHER, Janitor
from imaging_core.jobs import Job
from imaging_core.memory import MemoryImageStore, MemoryJobEvents, MemoryJobRepository
from virtual_time import in_virtual_time, loop_time

#: What one delete takes, in s.
DELETE_S = 3.0


class SlowJobs(MemoryJobRepository):
    """Deletes take a while."""

    async def delete(self, job: Job, *, events: Sequence[JobEvent] = ()) -> None:
        await asyncio.sleep(DELETE_S)
        await super().delete(job, events=events)


class Store(MemoryImageStore):
    """Has nothing half-written."""

    async def sweep_temporary(self, *, older_than_s: float) -> int:
        raise NotImplementedError


@in_virtual_time
async def test_it_rests_as_long_as_it_works() -> None:
    later = NOON + timedelta(days=9)
    jobs = SlowJobs(MemoryJobEvents(), lambda: later)
    for _ in range(3 * TOGETHER):
        job = await jobs.add(a_job(NOON))
        await jobs.save(job.cancelled(now=NOON))

    assert await Janitor(jobs, Store(), keep_days=1).forget_expired() == 3 * TOGETHER

    assert loop_time() == pytest.approx(3 * 2 * DELETE_S)
