"""What is remembered of a call is bounded, whatever its client sent."""

from typing import cast

import pytest
from starlette.requests import Request

from contracts.samples import a_job
from entrypoints.api.a1111.calls import LONGEST_TASK, Calls
from imaging_core.service import ImagingService, JobView


class _Service:
    async def view(self, job_id: str) -> JobView:
        return JobView(job=a_job(id=job_id))


@pytest.mark.parametrize(("length", "known"), [(LONGEST_TASK, True), (LONGEST_TASK + 1, False)])
async def test_a_name_that_fills_the_memory_is_not_remembered(length: int, known: bool) -> None:
    calls, job, name = Calls(cast("ImagingService", _Service())), a_job(), "t" * length
    with calls.holding(job, task=name):
        pass

    found = await calls.task(Request({"type": "http"}), name)

    assert (found is not None and found.job.id == job.id) is known
