"""What a listing of jobs can be narrowed by, in the client's words and the service's; imports stdlib and the core's statuses."""

from collections.abc import Collection
from datetime import datetime
from typing import TypedDict, cast

from imaging_core.jobs import JobStatus


class Filters(TypedDict, total=False):
    """Keyword arguments of `jobs` and `every_job`; one that is left out, None or empty narrows nothing."""

    #: One status or several.
    status: JobStatus | Collection[JobStatus]
    backend: str | None
    checkpoint: str | None
    #: Words, or parts of words, that the prompt has all of.
    words: str | None
    #: Only favourites, or only others.
    favourite: bool | None
    #: Created at that moment or later, and before that one. Aware: a time without a zone is refused.
    created_from: datetime | None
    created_before: datetime | None
    #: Only finished jobs, which have pictures.
    pictures: bool
    #: Tell the place in the queue of each waiting job; pages of at most 50.
    positions: bool


def as_params(filters: Filters) -> list[tuple[str, str]]:
    """The query of GET /jobs. Raises TypeError for a filter that there is not, ValueError for a time without a zone."""
    if unknown := filters.keys() - Filters.__annotations__.keys():
        raise TypeError(f"jobs cannot be narrowed by {', '.join(sorted(unknown))}")
    status = filters.get("status") or ()
    statuses = (status,) if isinstance(status, JobStatus) else status
    found = [("status", str(one)) for one in sorted(statuses)]
    for name, value in (
        ("backend", filters.get("backend")),
        ("checkpoint", filters.get("checkpoint")),
        ("q", filters.get("words")),
        ("favourite", _flag(filters.get("favourite"))),
        ("created_from", _moment("created_from", filters)),
        ("created_before", _moment("created_before", filters)),
        ("pictures", "true" if filters.get("pictures") else None),
        ("positions", "true" if filters.get("positions") else None),
    ):
        if value:
            found.append((name, value))
    return found


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _moment(name: str, filters: Filters) -> str | None:
    moment = cast("datetime | None", filters.get(name))
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{name} must say in which zone it is")
    return moment.isoformat()
