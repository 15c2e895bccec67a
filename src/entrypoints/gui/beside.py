"""The pictures before and after one that is shown in full, in the list that it was opened from; pure, imports the client's values."""

from collections.abc import Iterable, Sequence

import attrs

from entrypoints.client import JobInfo


@attrs.frozen
class Place:
    """A picture of a job; index 0 of a job that has none stands for the job."""

    image_id: str
    index: int


@attrs.frozen
class Beside:
    """What lies before and after a picture, and which of how many it is."""

    before: Place | None
    after: Place | None
    #: For people; empty for the only one there is.
    told: str


@attrs.frozen
class Shown:
    """A job as a list shows it."""

    image_id: str
    pictures: int


def shown(jobs: Iterable[JobInfo]) -> tuple[Shown, ...]:
    """What is kept of a list."""
    return tuple(Shown(job.image_id, len(job.images)) for job in jobs)


def beside(listed: Sequence[Shown], job: JobInfo, index: int) -> Beside:
    """The neighbours of that picture: the job's own ones first, then those of the jobs listed beside it.

    A job that is not listed has no others beside it.
    """
    at = next((number for number, one in enumerate(listed) if one.image_id == job.image_id), None)
    before = after = None
    if at:
        newer = listed[at - 1]
        before = Place(newer.image_id, max(newer.pictures - 1, 0))
    if at is not None and at + 1 < len(listed):
        after = Place(listed[at + 1].image_id, 0)
    if index > 0:
        before = Place(job.image_id, index - 1)
    if index + 1 < len(job.images):
        after = Place(job.image_id, index + 1)
    own = f"Picture {index + 1} of {len(job.images)}" if len(job.images) > 1 else ""
    among = f"{at + 1} of {len(listed)} on this page" if at is not None and len(listed) > 1 else ""
    return Beside(before, after, " · ".join(filter(None, (own, among))))
