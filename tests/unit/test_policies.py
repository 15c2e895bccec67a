"""Decisions about attempts, money and time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRefused,
    CallRejected,
    GenerationError,
)
from imaging_core.jobs import LeaseReason
from imaging_core.policies import GateLimits, InDoubt, Park, RetryPolicy, RunLimits, is_throttled

POLICY = RetryPolicy(max_attempts=3, first_delay_s=2, max_delay_s=60, patience_s=900)


def decide(
    error: GenerationError,
    *,
    attempt: int = 1,
    refusals: int = 0,
    age_s: float = 0.0,
    paid: bool = False,
    lost: InDoubt = InDoubt.FAIL,
) -> Park | None:
    """What the policy says."""
    return POLICY.decide(error, attempt=attempt, refusals=refusals, age_s=age_s, paid=paid, lost=lost)


@pytest.mark.parametrize("error", [CallFailed("x"), BadAnswer("x"), AnswerLost("x"), GenerationError("x")])
def test_what_may_help_is_tried_again_until_the_attempts_are_used_up(error: GenerationError) -> None:
    assert decide(error, attempt=1) == Park(delay_s=2, reason=LeaseReason.RETRY)
    assert decide(error, attempt=2) == Park(delay_s=4, reason=LeaseReason.RETRY)
    assert decide(error, attempt=3) is None
    assert decide(error, attempt=4) is None


@pytest.mark.parametrize("error", [CallRejected("x"), CallFailed("x", retryable=False)])
def test_a_definite_no_is_not_asked_again(error: GenerationError) -> None:
    assert decide(error) is None


@pytest.mark.parametrize("error", [BackendUnreachable("x"), BackendThrottled("x"), CallRefused("x")])
def test_a_call_that_was_turned_away_burns_no_attempt_but_patience(error: GenerationError) -> None:
    assert decide(error, attempt=99, age_s=899) == Park(delay_s=2, reason=LeaseReason.THROTTLED)
    assert decide(error, refusals=3) == Park(delay_s=16, reason=LeaseReason.THROTTLED)
    assert decide(error, age_s=900) is None


def test_a_backend_that_says_when_to_come_back_is_believed_within_patience() -> None:
    assert decide(BackendThrottled("x", retry_after_s=0.5)) == Park(delay_s=0.5, reason=LeaseReason.THROTTLED)
    assert decide(BackendThrottled("x", retry_after_s=0)) == Park(delay_s=0, reason=LeaseReason.THROTTLED)
    assert decide(BackendThrottled("x", retry_after_s=1e9)) == Park(delay_s=900, reason=LeaseReason.THROTTLED)


def test_a_lost_answer_that_may_have_cost_is_repeated_only_where_the_settings_say_so() -> None:
    error = AnswerLost("x")

    assert decide(error, paid=True, lost=InDoubt.FAIL) is None
    assert decide(error, paid=True, lost=InDoubt.RETRY) == Park(delay_s=2, reason=LeaseReason.RETRY)
    assert decide(error, paid=False, lost=InDoubt.FAIL) == Park(delay_s=2, reason=LeaseReason.RETRY)
    assert decide(CallFailed("x"), paid=True, lost=InDoubt.FAIL) == Park(delay_s=2, reason=LeaseReason.RETRY)


@given(st.integers(0, 10_000), st.floats(0, 899))
def test_waits_grow_and_stay_bounded(refusals: int, age_s: float) -> None:
    this = decide(BackendUnreachable("x"), refusals=refusals, age_s=age_s)
    following = decide(BackendUnreachable("x"), refusals=refusals + 1, age_s=age_s)

    assert this is not None
    assert following is not None
    assert 2 <= this.delay_s <= following.delay_s <= 60


def test_only_throttling_keeps_the_whole_fleet_away() -> None:
    assert is_throttled(BackendThrottled("x"))
    assert not is_throttled(BackendUnreachable("x"))


def test_the_usual_numbers_agree_with_each_other() -> None:
    limits, gate = RunLimits(), GateLimits()

    # Two heartbeats may be lost before a lease is, and a permit outlives the beats that renew it.
    assert limits.lease_s >= 3 * limits.heartbeat_s
    assert gate.permit_lease_s >= 3 * limits.heartbeat_s
    assert limits.sweep_s < limits.lease_s
    assert limits.max_paid_calls >= 1
    assert gate.slots >= 1
