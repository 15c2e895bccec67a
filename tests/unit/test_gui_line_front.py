"""How the first in line are found in a list that begins with the newest."""

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.client import JobInfo, JobsPage
from entrypoints.gui.line_front import MOST_LOOKS, front
from imaging_core.jobs import JobStatus

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PAGE, ENOUGH = 10, 3


def queued(ages_s: list[float]) -> list[JobInfo]:
    """Jobs of these ages, the newest first."""
    return [
        JobInfo(
            image_id=str(number),
            status=JobStatus.QUEUED,
            backend="demo",
            attempt=0,
            created_at=NOW - timedelta(seconds=age),
        )
        for number, age in enumerate(sorted(ages_s))
    ]


@attrs.define
class Listed:
    """A list that is read by pages; counts how often."""

    jobs: list[JobInfo]
    looks: int = 0

    def __call__(self, before: datetime | None) -> JobsPage:
        self.looks += 1
        older = [job for job in self.jobs if before is None or job.created_at < before]
        return JobsPage(jobs=tuple(older[:PAGE]), next_cursor="more" if len(older) > PAGE else None)


@given(ages_s=st.lists(st.floats(0, 1e6), max_size=60, unique_by=lambda age: round(age, 1)))
def test_the_oldest_are_found_whatever_the_gaps_between_them(ages_s: list[float]) -> None:
    jobs = queued(ages_s)
    ask = Listed(jobs)
    found = front(ask, None, enough=ENOUGH)
    assert found.jobs == tuple(jobs[-len(found.jobs) :] if found.jobs else ())
    assert min(ENOUGH, len(jobs)) <= len(found.jobs) <= PAGE
    assert (found.before is None) == (len(jobs) <= PAGE)
    assert ask.looks <= MOST_LOOKS + 2


def test_what_was_found_holds_until_most_of_it_has_been_made() -> None:
    jobs = queued([float(age) for age in range(1000)])
    ask = Listed(jobs)
    first = front(ask, None, enough=ENOUGH)
    ask.looks = 0
    assert front(ask, first.before, enough=ENOUGH) == first
    assert ask.looks == 1

    del ask.jobs[-len(first.jobs) + 1 :]
    later = front(ask, first.before, enough=ENOUGH)
    assert later.jobs == tuple(ask.jobs[-len(later.jobs) :])
    assert len(later.jobs) >= ENOUGH

    del ask.jobs[4:]
    assert front(ask, later.before, enough=ENOUGH).jobs == tuple(ask.jobs)


def test_many_of_one_moment_are_shown_though_nothing_lies_before_them() -> None:
    jobs = queued([5.0] * (PAGE + 2))
    assert front(Listed(jobs), None, enough=ENOUGH).jobs == tuple(jobs[:PAGE])
