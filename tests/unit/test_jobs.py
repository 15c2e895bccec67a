"""The life of a job: every step that is legal, and every one that is not."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.samples import NOON, a_failure, a_job, a_ref, a_request
from contracts.strategies import failures, lived_jobs, refs, spans, tokens
from imaging_core.errors import JobConflict
from imaging_core.events import EventKind, Preview, event_of
from imaging_core.ids import JOB_ID, new_job_id, new_token
from imaging_core.images import StoredCall
from imaging_core.jobs import OVERDUE_GRACE, TRANSITIONS, Call, CallState, Job, JobStatus, Lease, LeaseReason

PARKINGS = [LeaseReason.RETRY, LeaseReason.DRAIN, LeaseReason.THROTTLED]
CALL_STATES = list(CallState)


def running(**changes: Any) -> Job:
    """A job claimed at noon under token "t", for 15 s."""
    return a_job(**changes).claimed(worker="w", token="t", now=NOON, lease_s=15)


# --- statuses --------------------------------------------------------------------------------------------


def test_the_rank_counts_queued_started_and_ended() -> None:
    assert [status.rank for status in JobStatus] == [0, 1, 2, 2, 2]
    assert [status.terminal for status in JobStatus] == [False, False, True, True, True]


def test_every_transition_keeps_or_raises_the_rank() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    for status, nexts in TRANSITIONS.items():
        assert all(following.rank >= status.rank for following in nexts)
        assert bool(nexts) is not status.terminal


@given(lived_jobs(), spans, failures, refs)
def test_no_step_is_made_but_the_legal_ones_and_none_lowers_the_rank(
    lived: tuple[Job, datetime], later: timedelta, failure: object, ref: object
) -> None:
    job, last = lived
    now = last + later
    steps: dict[JobStatus, Callable[[], Job]] = {
        JobStatus.FINISHED: lambda: job.succeeded([a_ref()], now=now),
        JobStatus.FAILED: lambda: job.failed(a_failure(now), now=now),
        JobStatus.CANCELLED: lambda: job.cancelled(now=now),
        JobStatus.STARTED: lambda: job.parked_until(now, LeaseReason.RETRY, now=now),
    }
    for status, step in steps.items():
        if status in TRANSITIONS[job.status]:
            after = step()
            assert after.status is status
            assert after.status.rank >= job.status.rank
            assert (after.lease is None) is status.terminal
            assert (after.finished_at == now) if status.terminal else (after.finished_at is None)
            assert (after.id, after.request, after.version) == (job.id, job.request, job.version)
        else:
            with pytest.raises(JobConflict, match=f"is {job.status} and cannot become {status}"):
                step()


# --- claims ----------------------------------------------------------------------------------------------


@given(lived_jobs(), st.timedeltas(timedelta(-1), timedelta(3)), tokens, st.floats(0, 1e5))
def test_a_job_is_claimed_when_it_is_claimable_and_only_then(
    lived: tuple[Job, datetime], later: timedelta, token: str, lease_s: float
) -> None:
    job, last = lived
    now = last + later
    free = job.lease is None or job.lease.until <= now
    assert job.claimable(now) is (job.status is JobStatus.QUEUED or (job.status is JobStatus.STARTED and free))
    if not job.claimable(now):
        with pytest.raises(JobConflict, match="cannot be claimed"):
            job.claimed(worker="w", token=token, now=now, lease_s=lease_s)
        return

    after = job.claimed(worker="w", token=token, now=now, lease_s=lease_s)

    assert after.status is JobStatus.STARTED
    assert after.lease == Lease(worker="w", token=token, since=now, until=now + timedelta(seconds=lease_s))
    assert after.started_at == (job.started_at or now)
    reason = job.lease.reason if job.lease else None
    assert after.attempt - job.attempt == (0 if reason in (LeaseReason.DRAIN, LeaseReason.THROTTLED) else 1)
    assert after.crashes - job.crashes == (1 if reason is LeaseReason.RUNNING else 0)


@pytest.mark.parametrize("reason", PARKINGS)
def test_a_parked_job_is_nobodys_until_its_moment(reason: LeaseReason) -> None:
    until = NOON + timedelta(seconds=30)

    parked = running().parked_until(until, reason, now=NOON, failure=a_failure())

    assert parked.parked
    assert not running().parked
    assert not a_job().parked
    assert parked.lease is not None
    assert (parked.lease.worker, parked.lease.reason, parked.lease.until) == (None, reason, until)
    assert parked.lease.token != "t"
    assert parked.failures == (a_failure(),)
    assert not parked.claimable(until - timedelta(microseconds=1))
    assert parked.claimable(until)


def test_a_parked_job_does_not_run() -> None:
    with pytest.raises(ValueError, match="does not run"):
        running().parked_until(NOON, LeaseReason.RUNNING, now=NOON)


@given(st.lists(st.sampled_from([*PARKINGS, None]), max_size=8))
def test_attempts_count_all_but_drains_and_throttlings_and_crashes_count_silence(
    ends: list[LeaseReason | None],
) -> None:
    job, now = running(), NOON
    for reason in ends:
        now += timedelta(seconds=20)
        if reason is not None:
            job = job.parked_until(now, reason, now=now)
        job = job.claimed(worker="w", token=new_token(), now=now, lease_s=15)

    assert job.attempt == 1 + sum(reason in (None, LeaseReason.RETRY) for reason in ends)
    assert job.crashes == ends.count(None)
    assert job.started_at == NOON


# --- ends ------------------------------------------------------------------------------------------------


def test_a_finished_job_has_its_pictures() -> None:
    done = running().succeeded([a_ref(0), a_ref(1)], now=NOON)

    assert (done.status, done.images, done.lease) == (JobStatus.FINISHED, (a_ref(0), a_ref(1)), None)
    assert done.failure is None


def test_a_failed_job_failed_by_what_went_wrong_last() -> None:
    first, last = a_failure(message="first"), a_failure(message="last")

    failed = running().with_failure(first).failed(last, now=NOON)

    assert failed.failures == (first, last)
    assert failed.failure == last
    assert running().with_failure(first).failure is None
    assert attrs.evolve(failed, failures=()).failure is None


def test_a_waiting_job_may_fail_or_be_cancelled_without_ever_starting() -> None:
    assert a_job().failed(a_failure(), now=NOON).started_at is None
    assert a_job().cancel(now=NOON).status is JobStatus.CANCELLED


@given(lived_jobs(), spans)
def test_cancel_ends_what_nobody_works_on_and_flags_what_somebody_does(
    lived: tuple[Job, datetime], later: timedelta
) -> None:
    job, last = lived
    now = last + later
    if job.status in (JobStatus.FINISHED, JobStatus.FAILED):
        with pytest.raises(JobConflict, match="already"):
            job.cancel(now=now)
        return

    after = job.cancel(now=now)

    assert after.cancel_requested
    if job.status is JobStatus.CANCELLED:
        assert after is job
    elif job.status is JobStatus.QUEUED or job.parked:
        assert (after.status, after.lease, after.finished_at) == (JobStatus.CANCELLED, None, now)
    else:
        assert after == attrs.evolve(job, cancel_requested=True)


# --- time ------------------------------------------------------------------------------------------------


@given(lived_jobs())
def test_a_job_is_overdue_at_its_deadline_or_its_attempts_time_out_whichever_comes_first(
    lived: tuple[Job, datetime],
) -> None:
    job, _ = lived
    bounds = []
    if job.max_wait_s is not None:
        bounds.append(job.created_at + timedelta(seconds=job.max_wait_s))
        assert job.deadline == bounds[0]
    else:
        assert job.deadline is None
    if job.lease is not None and not job.parked:
        bounds.append(job.lease.since + timedelta(seconds=job.run_timeout_s) + OVERDUE_GRACE)
    expected = None if job.status.terminal else min(bounds, default=None)

    assert job.overdue_at == expected


def test_a_running_attempt_is_overdue_a_grace_after_its_time_out() -> None:
    assert running(run_timeout_s=60).overdue_at == NOON + timedelta(seconds=65)
    assert running(run_timeout_s=60, max_wait_s=30).overdue_at == NOON + timedelta(seconds=30)
    assert a_job().overdue_at is None


@pytest.mark.parametrize("field", ["created_at", "started_at", "finished_at"])
def test_times_without_a_zone_are_refused(field: str) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # that is the point

    with pytest.raises(ValueError, match=f"{field} must be timezone-aware"):
        a_job(**{field: naive})
    with pytest.raises(ValueError, match="since must be"):
        Lease(worker=None, token="t", since=naive, until=NOON)
    assert getattr(a_job(**{field: NOON}), field) == NOON


# --- calls -----------------------------------------------------------------------------------------------


def test_a_call_is_on_record_before_it_is_sent_and_then_with_what_became_of_it() -> None:
    job = running().intending(0, "a").intending(1, "b")
    assert [(c.index, c.state, c.attempt, c.task_id) for c in job.calls] == [
        (0, CallState.INTENDED, 1, "a"),
        (1, CallState.INTENDED, 1, "b"),
    ]

    job = job.with_call("a", CallState.ANSWERED, credits=3.0).with_call("b", CallState.REFUSED)

    assert [(c.state, c.credits) for c in job.calls] == [(CallState.ANSWERED, 3.0), (CallState.REFUSED, None)]
    assert job.credits == 3.0
    assert job.with_call("unknown", CallState.FAILED) == job


@pytest.mark.parametrize("state", CALL_STATES)
def test_only_refused_and_failed_calls_surely_cost_nothing(state: CallState) -> None:
    call = Call(index=0, state=state, attempt=1, task_id="t")

    assert call.may_have_cost is (state not in (CallState.REFUSED, CallState.FAILED))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(CALL_STATES)), max_size=8), st.integers(0, 2))
def test_paid_tries_count_what_may_have_cost_at_one_call(tries: list[tuple[int, CallState]], index: int) -> None:
    calls = [Call(index=i, state=s, attempt=1, task_id=str(n)) for n, (i, s) in enumerate(tries)]
    job = a_job(calls=tuple(calls))

    assert job.paid_tries(index) == sum(call.index == index and call.may_have_cost for call in calls)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(CALL_STATES)), max_size=8),
    st.sets(st.integers(0, 3)),
)
def test_adopting_answers_the_last_try_of_each_stored_call_and_doubts_the_rest(
    tries: list[tuple[int, CallState]], held: set[int]
) -> None:
    calls = [Call(index=i, state=s, attempt=1, task_id=str(n), credits=None) for n, (i, s) in enumerate(tries)]
    stored = [StoredCall(call=index, images=(), credits=index + 0.5) for index in sorted(held)]

    adopted = a_job(calls=tuple(calls)).adopting(stored).calls

    assert [(c.index, c.task_id) for c in adopted] == [(c.index, c.task_id) for c in calls]
    for n, (before, after) in enumerate(zip(calls, adopted, strict=True)):
        last = all(later.index != before.index for later in calls[n + 1 :])
        if before.index in held and last:
            assert (after.state, after.credits) == (CallState.ANSWERED, before.index + 0.5)
        elif before.state is CallState.INTENDED:
            assert after.state is CallState.IN_DOUBT
        else:
            assert after == before
    assert CallState.INTENDED not in {call.state for call in adopted}


@given(st.integers(1, 9), st.integers(1, 4), st.sets(st.integers(0, 9)))
def test_missing_calls_are_the_planned_ones_that_are_not_stored(count: int, batch_size: int, held: set[int]) -> None:
    job = a_job(request=a_request(count=count, batch_size=batch_size))
    planned = -(-count // batch_size)

    missing = job.missing_calls([StoredCall(call=index, images=()) for index in held])

    assert missing == tuple(index for index in range(planned) if index not in held)


# --- ids, secrets and events -----------------------------------------------------------------------------


def test_ids_are_fresh_and_of_their_pattern() -> None:
    ids = {new_job_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(JOB_ID.fullmatch(job_id) for job_id in ids)
    assert not JOB_ID.fullmatch("٠" * 32)
    assert len({new_token() for _ in range(100)}) == 100


def test_ids_of_one_time_are_neighbours_and_those_of_four_minutes_fill_all_folders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at(seconds: float) -> str:
        monkeypatch.setattr(time, "time_ns", lambda: int(seconds * 1e9))
        return new_job_id()

    noon = NOON.timestamp()
    ids = [at(noon + n / 100) for n in range(50)]

    # Whole multiples of 1.024 s lie between: the order begins anew there.
    assert sum(before > after for before, after in pairwise(ids)) <= 1
    assert len({at(noon)[:13] for _ in range(100)}) == 1
    assert len({at(noon)[13:] for _ in range(100)}) == 100
    assert len({at(noon + n)[:2] for n in range(263)}) == 256
    # Fifty thousand years on there is still an id.
    assert JOB_ID.fullmatch(at(noon + 50_000 * 365 * 86_400))


def test_a_lease_token_and_a_preview_do_not_show_in_a_repr() -> None:
    assert "s3cret" not in repr(a_job().claimed(worker="w", token="s3cret", now=NOON, lease_s=1))
    assert repr(Preview(data=b"123", media_type="image/png")) == "Preview(data=<3 bytes>, media_type='image/png')"


@given(lived_jobs(), st.sampled_from(EventKind))
def test_an_event_tells_the_job_as_it_is_and_never_the_prompt(lived: tuple[Job, datetime], kind: EventKind) -> None:
    job, now = lived
    job = attrs.evolve(job, request=a_request(prompt="a private matter"))

    event = event_of(job, kind, at=now, reason="because")

    assert (event.job_id, event.kind, event.status, event.attempt) == (job.id, kind, job.status, job.attempt)
    assert (event.at, event.backend, event.owner, event.cursor) == (now, job.backend, job.owner, "")
    figures = (
        {"credits", "waited_s", "ran_s"}
        if kind in (EventKind.FINISHED, EventKind.FAILED, EventKind.CANCELLED)
        else set()
    )
    assert event.data["reason"] == "because"
    assert event.data.keys() - {"reason"} <= figures
    assert event.terminal is job.status.terminal
    assert "private" not in repr(event)
