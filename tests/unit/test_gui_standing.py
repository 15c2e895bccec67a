"""What a card says of an open job, for each thing that may happen to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entrypoints.client import Failure, JobInfo, Moved, Parked
from entrypoints.client.values import Paused
from entrypoints.gui.standing import silent, standing, trouble
from imaging_core.jobs import JobStatus

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BUSY = Parked(
    reason="throttled",
    until=NOW + timedelta(seconds=42),
    message="The backend turns calls away for now; the job goes on by itself after this time.",
)
FAILURE = Failure(
    code="backend_error", reason="The backend answered 500.", advice="", charged="no", retryable=True, attempt=1
)
AGAIN = Parked(reason="retry", until=NOW - timedelta(seconds=1), message="Another attempt begins by itself.")
STRANDED = Parked(reason="stranded", until=NOW + timedelta(seconds=58), message="Its backend cannot make it.")
PAUSE = Paused(since=NOW, reason="New drivers.")
MOVED = Moved(left="stability", backend="local", reason="It went on at 'local'.", at=NOW)
PAUSED = "An operator has paused this backend; the job goes on by itself once it is resumed. They say: New drivers."


def job(status: JobStatus = JobStatus.STARTED, **told: Any) -> JobInfo:
    usual: dict[str, Any] = {
        "image_id": "a" * 32,
        "backend": "local",
        "attempt": 1,
        "created_at": NOW,
        "started_at": NOW,
    }
    return JobInfo(status=status, **{**usual, **told})


QUEUED = JobStatus.QUEUED


@pytest.mark.parametrize(
    ("seen", "line", "why"),
    [
        (job(QUEUED, queue_position=1, eta_s=12.2), "Next in line · 1 picture · about 13 s left", ""),
        (job(QUEUED, queue_position=3, count=4), "3rd in line · 4 pictures", ""),
        (job(QUEUED, queue_position=1, eta_s=9, paused=PAUSE), "Next in line · 1 picture", PAUSED),
        (job(QUEUED, queue_position=1, moves=(MOVED,)), "Next in line · 1 picture", MOVED.reason),
        (job(progress=0.25, step=5, steps=20, eta_s=3), "25 % · step 5 of 20 · about 3 s left", ""),
        (job(progress=0.5, count=2, images_done=1), "50 % · picture 2 of 2", ""),
        (job(started_at=NOW - timedelta(seconds=7)), "Under way for 7 s", ""),
        (job(progress=0.5, cancel_requested=True), "Stopping …", ""),
        (job(parked=BUSY), "Goes on in 42 s", BUSY.message),
        (
            job(parked=AGAIN, previous_failures=(FAILURE,)),
            "Goes on in a moment",
            "The backend answered 500. Another attempt begins by itself.",
        ),
        (job(parked=STRANDED), "Another backend is looked for", STRANDED.message),
        (job(parked=BUSY, paused=PAUSE), "Goes on once the backend is resumed", PAUSED),
        (
            job(attempt=2, crashes=1, progress=0.1),
            "10 %",
            "Attempt 2: the worker before was lost, and another one took over by itself.",
        ),
        (
            job(attempt=2, progress=0.1, previous_failures=(FAILURE,)),
            "10 %",
            "Attempt 2. The one before: The backend answered 500.",
        ),
    ],
)
def test_a_card_says_where_the_job_stands_and_why_it_waits(seen: JobInfo, line: str, why: str) -> None:
    assert (standing(seen, NOW), trouble(seen)) == (line, why)


def test_a_bar_is_shown_only_where_something_is_known() -> None:
    assert silent(job())
    assert not silent(job(step=1, steps=20))
    assert not silent(job(parked=BUSY))
