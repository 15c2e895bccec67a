"""What is told of a queue without room: when to come back."""

import pytest

from imaging_core.ports import QueueState


@pytest.mark.parametrize(
    ("started", "mean_run_s", "retry_after_s"),
    [(0, None, 10), (1, None, 10), (3, None, 4), (4, 8.1, 3), (64, 0.5, 1), (1, 4_000.0, 300)],
)
def test_a_place_is_expected_once_one_of_those_that_run_is_over(
    started: int, mean_run_s: float | None, retry_after_s: int
) -> None:
    assert QueueState(started=started, mean_run_s=mean_run_s).retry_after_s == retry_after_s
