"""What each way in which a call may fail does to the job, its call on record, the gate and the rest of the fleet."""

import asyncio
from collections.abc import Callable

import attrs
import pytest

from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRefused,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)
from imaging_core.events import EventKind
from imaging_core.images import Generated
from imaging_core.jobs import CallState, JobStatus
from imaging_core.policies import GateLimits, InDoubt, RunLimits
from imaging_core.ports import GenerationCall, Permit, Report
from imaging_core.runner import Held
from scripted import ScriptedGenerator, World, away, lasting, pictures
from virtual_time import in_virtual_time, loop_time

FREE, PAID = 0.0, 2.0


@attrs.frozen(kw_only=True)
class Case:
    """An error of a paid backend, and what must come of it."""

    error: Callable[[], GenerationError]
    #: Whether the job fails at once; else it is parked.
    fails: bool = False
    code: FailureCode
    charged: Charged
    call: CallState
    #: What the gate hears of the backend.
    ok: bool | None
    #: Attempts on record once it has been taken up again.
    attempt: int = 2


CASES = {
    "refused": Case(
        error=lambda: CallRefused("no"),
        code=FailureCode.BACKEND_ERROR,
        charged=Charged.NO,
        call=CallState.REFUSED,
        ok=False,
        attempt=1,
    ),
    "unreachable": Case(
        error=lambda: BackendUnreachable("no"),
        code=FailureCode.BACKEND_UNREACHABLE,
        charged=Charged.NO,
        call=CallState.REFUSED,
        ok=False,
        attempt=1,
    ),
    "throttled": Case(
        error=lambda: BackendThrottled("no", retry_after_s=20),
        code=FailureCode.THROTTLED,
        charged=Charged.NO,
        call=CallState.REFUSED,
        ok=None,
        attempt=1,
    ),
    "rejected": Case(
        error=lambda: CallRejected("no", code=FailureCode.CONTENT_MODERATED),
        fails=True,
        code=FailureCode.CONTENT_MODERATED,
        charged=Charged.NO,
        call=CallState.FAILED,
        ok=True,
    ),
    "failed": Case(
        error=lambda: CallFailed("no", charged=Charged.NO),
        code=FailureCode.BACKEND_ERROR,
        charged=Charged.NO,
        call=CallState.FAILED,
        ok=False,
    ),
    "failed at a price": Case(
        error=lambda: CallFailed("no", charged=Charged.YES, retryable=False),
        fails=True,
        code=FailureCode.BACKEND_ERROR,
        charged=Charged.YES,
        call=CallState.IN_DOUBT,
        ok=False,
    ),
    "lost": Case(
        error=lambda: AnswerLost("no"),
        fails=True,
        code=FailureCode.ANSWER_LOST,
        charged=Charged.UNKNOWN,
        call=CallState.IN_DOUBT,
        ok=False,
    ),
    "bad": Case(
        error=lambda: BadAnswer("no"),
        code=FailureCode.BAD_ANSWER,
        charged=Charged.UNKNOWN,
        call=CallState.IN_DOUBT,
        ok=False,
    ),
}


def _heard(world: World) -> list[bool | None]:
    """What the gate hears of the backend from now on."""
    heard: list[bool | None] = []
    real = world.gate.leave

    async def leave(permit: object, *, ok: bool | None = None) -> None:
        heard.append(ok)
        await real(permit, ok=ok)  # type: ignore[arg-type]

    world.gate.leave = leave  # type: ignore[method-assign]
    return heard


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@in_virtual_time
async def test_each_error_has_its_consequences(case: Case) -> None:
    world = World(ScriptedGenerator(credits=PAID).then(case.error()))
    heard = _heard(world)
    job = await world.submit()

    outcome = await world.run()

    stored = await world.jobs.get(job.id)
    assert outcome.job == stored
    (failure,) = stored.failures
    assert (failure.code, failure.charged, failure.message) == (case.code, case.charged, "no")
    assert [call.state for call in stored.calls] == [case.call]
    assert heard == [case.ok]
    last = (await world.told())[-1]
    assert last.data["code"] == case.code.value
    if case.fails:
        assert (stored.status, last.kind, outcome.again_in_s) == (JobStatus.FAILED, EventKind.FAILED, None)
    else:
        assert (stored.status, last.kind) == (JobStatus.STARTED, EventKind.PARKED)
        assert (stored.parked, failure.retryable) == (True, True)
        assert outcome.again_in_s is not None
        assert outcome.again_in_s > 0
        done = await world.run_to_end(job)
        assert (done.status, done.attempt, done.crashes) == (JobStatus.FINISHED, case.attempt, 0)


@pytest.mark.parametrize("kept", [True, False])
async def test_pictures_that_do_not_stand_their_proof_are_a_bad_answer_of_their_call(kept: bool) -> None:
    def proof() -> None:
        raise BadAnswer("no", retryable=False, charged=Charged.YES)

    async def unproven(call: GenerationCall, report: Report) -> Generated:
        assert call.proof_later == kept
        if not kept:
            proof()
        return attrs.evolve(pictures(call, credits=PAID), proof=proof)

    world = World(ScriptedGenerator(credits=PAID).then(unproven))
    # A store of others may know nothing of proofs.
    world.store.asks_proof = kept
    job = await world.submit()
    heard = _heard(world)

    done = (await world.run()).job

    assert (done.status, [call.state for call in done.calls]) == (JobStatus.FAILED, [CallState.IN_DOUBT])
    assert done.failure is not None
    assert (done.failure.code, done.failure.charged) == (FailureCode.BAD_ANSWER, Charged.YES)
    assert list(await world.store.find(job.id)) == []
    assert heard == [False]


@in_virtual_time
async def test_attempts_are_limited_and_wait_longer_each_time() -> None:
    generator = ScriptedGenerator().then(*[CallFailed("no") for _ in range(3)])
    world = World(generator, max_attempts=3, first_delay_s=2.0)
    job = await world.submit()

    done = await world.run_to_end(job)

    assert (done.status, done.attempt, len(generator.calls)) == (JobStatus.FAILED, 3, 3)
    assert loop_time() == 2 + 4
    assert [f.retryable for f in done.failures] == [True, True, True]
    assert [f.attempt for f in done.failures] == [1, 2, 3]
    assert {f.charged for f in done.failures} == {Charged.NO}, "a free backend never charges"


@in_virtual_time
async def test_a_backend_that_turns_calls_away_burns_patience_and_no_attempts() -> None:
    generator = ScriptedGenerator().then(*[BackendUnreachable("no") for _ in range(1000)])
    world = World(generator, patience_s=300)
    job = await world.submit()

    done = await world.run_to_end(job)

    assert (done.status, done.attempt) == (JobStatus.FAILED, 1)
    assert done.failure is not None
    assert (done.failure.code, done.failure.retryable) == (FailureCode.BACKEND_UNREACHABLE, True)
    assert 300 <= loop_time() <= 361
    assert len(generator.calls) < 15


@in_virtual_time
async def test_a_lost_answer_is_asked_for_again_where_that_was_chosen_until_the_paid_calls_are_used_up() -> None:
    generator = ScriptedGenerator(credits=PAID).then(*[AnswerLost("no") for _ in range(5)])
    world = World(generator, limits=RunLimits(on_lost=InDoubt.RETRY, max_paid_calls=2))
    job = await world.submit()

    done = await world.run_to_end(job)

    assert len(generator.calls) == 2
    assert done.failure is not None
    assert done.failure.code is FailureCode.PAID_CALLS_USED_UP
    assert generator.calls[1].earlier_task_ids == (generator.calls[0].task_id,)


# --- the whole fleet stays away --------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "pause"), [(20.0, 20.0), (None, 60.0), (0.0, 1.0), (1e9, 900.0)])
@in_virtual_time
async def test_a_rate_limit_keeps_everybody_away_for_as_long_as_asked_within_reason(
    asked: float | None, pause: float
) -> None:
    world = World(ScriptedGenerator().then(BackendThrottled("no", retry_after_s=asked)))
    await world.submit()
    await world.submit()

    outcome = await world.run()

    assert outcome.again_in_s is not None
    assert outcome.again_in_s >= 1.0, "a limit that asks for no wait must not be called in a hot loop"
    assert await world.runner("another").run_next("alpha") == Held(delay_s=pause, reason="pause")


@in_virtual_time
async def test_a_pause_that_cannot_be_told_for_long_parks_the_job_all_the_same() -> None:
    world = World(ScriptedGenerator().then(BackendThrottled("no", retry_after_s=20)))
    job = await world.submit()
    away(world.gate, "pause")

    outcome = await world.run()

    assert outcome.job.parked
    assert (await world.run_to_end(job)).status is JobStatus.FINISHED


@in_virtual_time
async def test_refused_calls_open_the_circuit_and_one_success_closes_it() -> None:
    generator = ScriptedGenerator().then(*[BackendUnreachable("no") for _ in range(2)])
    world = World(generator, gates=GateLimits(slots=2, trip_after=2, cool_down_s=50))
    for _ in range(3):
        await world.submit()
    await world.run()
    await world.run()

    held = await world.runner().run_next("alpha")

    assert held == Held(delay_s=50, reason="circuit")
    await asyncio.sleep(50)
    assert (await world.run()).job.status is JobStatus.FINISHED
    permits = [await world.gate.enter("alpha") for _ in range(2)]
    assert all(isinstance(permit, Permit) for permit in permits), "half open, it would let in one"


@in_virtual_time
async def test_lists_that_are_away_count_as_a_backend_that_cannot_be_reached() -> None:
    generator = ScriptedGenerator()
    world = World(generator)
    job = await world.submit()
    away(generator, "capabilities", times=1)

    outcome = await world.run()

    (failure,) = outcome.job.failures
    assert (failure.code, failure.message) == (FailureCode.BACKEND_UNREACHABLE, "capabilities is away.")
    done = await world.run_to_end(job)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)


@pytest.mark.parametrize(("credits", "charged", "attempts"), [(FREE, Charged.NO, 2), (PAID, Charged.YES, 1)])
@in_virtual_time
async def test_a_call_that_gives_too_few_pictures_is_a_bad_answer(
    credits: float,  # noqa: A002
    charged: Charged,
    attempts: int,
) -> None:
    async def short(call: GenerationCall, report: Report) -> Generated:
        return attrs.evolve(pictures(call, credits=credits), images=pictures(call).images[:1])

    generator = ScriptedGenerator(credits=credits).then(short)
    world = World(generator)
    job = await world.submit(count=2, batch_size=2)

    done = await world.run_to_end(job)

    failure = done.failures[0]
    assert (failure.code, failure.charged) == (FailureCode.BAD_ANSWER, charged)
    assert failure.message == "The backend gave 1 pictures instead of 2."
    assert len(generator.calls) == attempts
    assert done.status is (JobStatus.FAILED if credits else JobStatus.FINISHED)


@in_virtual_time
async def test_after_an_error_the_pictures_made_before_it_are_kept() -> None:
    generator = ScriptedGenerator().then(lasting(0), CallFailed("no"))
    world = World(generator)
    job = await world.submit(count=3)

    done = await world.run_to_end(job)

    assert [call.index for call in generator.calls] == [0, 1, 1, 2]
    assert len(done.images) == 3


@pytest.mark.parametrize(("max_wait_s", "status"), [(29, JobStatus.FAILED), (31, JobStatus.FINISHED)])
@in_virtual_time
async def test_a_paid_call_that_would_be_cut_off_is_not_begun(max_wait_s: float, status: JobStatus) -> None:
    generator = ScriptedGenerator(credits=3.0).then(lasting(30), lasting(30))
    world = World(generator)
    runner = world.runner()
    await world.submit()
    await world.run(runner)
    job = await world.submit(max_wait_s=max_wait_s)

    done = (await world.run(runner)).job

    assert (done.id, done.status) == (job.id, status)
    assert len(generator.calls) == (1 if status is JobStatus.FAILED else 2)
    if done.failure is not None:
        assert (done.failure.code, done.failure.charged) == (FailureCode.TIMEOUT, Charged.NO)
        assert "so none was made" in done.failure.message
