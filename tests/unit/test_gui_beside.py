"""Which pictures are before and after one that is shown in full."""

from datetime import UTC, datetime

import pytest

from entrypoints.client import JobInfo, PictureInfo
from entrypoints.gui.beside import Place, beside, shown
from imaging_core.jobs import JobStatus


def _job(name: str, pictures: int) -> JobInfo:
    images = tuple(
        PictureInfo(index=index, media_type="image/png", size=1, width=8, height=8, seed=1) for index in range(pictures)
    )
    return JobInfo(
        image_id=name,
        status=JobStatus.FINISHED if images else JobStatus.FAILED,
        backend="local",
        attempt=1,
        created_at=datetime(2026, 11, 30, tzinfo=UTC),
        count=max(pictures, 1),
        images=images,
    )


NEWEST, SEVERAL, FAILED, OLDEST = _job("a", 1), _job("b", 3), _job("c", 0), _job("d", 2)
LISTED = shown((NEWEST, SEVERAL, FAILED, OLDEST))


@pytest.mark.parametrize(
    ("job", "index", "before", "after", "told"),
    [
        (NEWEST, 0, None, Place("b", 0), "1 of 4 on this page"),
        (SEVERAL, 0, Place("a", 0), Place("b", 1), "Picture 1 of 3 · 2 of 4 on this page"),
        (SEVERAL, 2, Place("b", 1), Place("c", 0), "Picture 3 of 3 · 2 of 4 on this page"),
        (FAILED, 0, Place("b", 2), Place("d", 0), "3 of 4 on this page"),
        (OLDEST, 1, Place("d", 0), None, "Picture 2 of 2 · 4 of 4 on this page"),
    ],
)
def test_a_jobs_own_pictures_come_first_and_then_those_of_the_job_beside_it(
    job: JobInfo, index: int, before: Place | None, after: Place | None, told: str
) -> None:
    found = beside(LISTED, job, index)
    assert (found.before, found.after, found.told) == (before, after, told)


def test_going_on_and_back_passes_every_picture_once() -> None:
    jobs = {job.image_id: job for job in (NEWEST, SEVERAL, FAILED, OLDEST)}
    place: Place | None = Place("a", 0)
    seen = []
    while place is not None:
        seen.append(place)
        place = beside(LISTED, jobs[place.image_id], place.index).after
    back: list[Place] = []
    place = seen[-1]
    while place is not None:
        back.append(place)
        place = beside(LISTED, jobs[place.image_id], place.index).before
    assert [(one.image_id, one.index) for one in seen] == [
        ("a", 0), ("b", 0), ("b", 1), ("b", 2), ("c", 0), ("d", 0), ("d", 1)
    ]  # fmt: skip
    assert back == seen[::-1]


def test_a_job_that_no_list_has_has_only_its_own_pictures_beside_it() -> None:
    assert (alone := beside((), NEWEST, 0)).told == ""
    assert (alone.before, alone.after) == (None, None)
    elsewhere = beside(LISTED, _job("z", 2), 0)
    assert (elsewhere.before, elsewhere.after, elsewhere.told) == (None, Place("z", 1), "Picture 1 of 2")


def test_the_only_job_of_a_page_needs_no_way_to_others() -> None:
    assert beside(shown((NEWEST,)), NEWEST, 0).told == ""
