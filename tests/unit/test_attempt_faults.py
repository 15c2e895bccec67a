"""What a fault in a generator, none of its failures, does to the job."""

import asyncio
import logging

import pytest

from imaging_core.errors import Charged, FailureCode
from imaging_core.images import Generated
from imaging_core.jobs import CallState, JobStatus
from imaging_core.ports import GenerationCall, Report
from scripted import ScriptedGenerator, World, away
from virtual_time import in_virtual_time

PAID = 2.0


async def _nothing(call: GenerationCall, report: Report) -> Generated:
    return None  # type: ignore[return-value]


async def _cancelled_from_within(call: GenerationCall, report: Report) -> Generated:
    raise asyncio.CancelledError


FAULTS = {
    "a bug": ValueError("the prompt was: a lighthouse"),
    "no result": _nothing,
    "cancelled from within": _cancelled_from_within,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@in_virtual_time
async def test_a_generator_with_a_fault_fails_the_job_within_its_attempts(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    generator = ScriptedGenerator().then(fault, fault, fault)
    world = World(generator, max_attempts=3)
    job = await world.submit()

    with caplog.at_level(logging.INFO):
        done = await world.run_to_end(job)

    assert (done.status, done.attempt, done.crashes) == (JobStatus.FAILED, 3, 0)
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.INTERNAL, Charged.NO)
    assert "lighthouse" not in done.failure.message
    assert "lighthouse" not in caplog.text
    assert [call.state for call in done.calls] == [CallState.FAILED] * 3
    assert (await world.gate.state("alpha")).closed_for_s == 0


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@in_virtual_time
async def test_a_fault_in_a_paid_call_is_in_doubt_and_not_repeated(fault: Exception) -> None:
    generator = ScriptedGenerator(credits=PAID).then(fault)
    world = World(generator)
    job = await world.submit()

    done = await world.run_to_end(job)

    assert len(generator.calls) == 1
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.INTERNAL, Charged.UNKNOWN)
    assert [call.state for call in done.calls] == [CallState.IN_DOUBT]


@in_virtual_time
async def test_a_fault_outside_of_a_call_fails_the_job_within_its_attempts_too() -> None:
    generator = ScriptedGenerator()
    world = World(generator, max_attempts=2)
    job = await world.submit()
    away(generator, "capabilities", times=2, error=KeyError("a lighthouse"))

    done = await world.run_to_end(job)

    assert (done.status, done.attempt, generator.calls) == (JobStatus.FAILED, 2, [])
    assert done.failure is not None
    assert done.failure.message == "Something unforeseen (KeyError) happened while backend 'alpha' was used."
