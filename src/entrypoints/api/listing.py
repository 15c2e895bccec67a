"""GET /jobs: which jobs are asked for, and a page of them; imports FastAPI, the service and this package."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.callers import caller_of
from entrypoints.api.encoding import json_answer
from entrypoints.api.job_shapes import JobList
from entrypoints.api.openapi import problems
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService

#: What a listing can be narrowed by.
_LISTED = frozenset(
    {
        *("limit", "cursor", "status", "backend", "q", "favourite", "checkpoint", "model", "pictures", "positions"),
        *("created_from", "created_before"),
    }
)
#: Each place is counted by itself, so only so many are told at once.
_MOST_PLACED = 50
#: RFC 3339, which always says which zone is meant; a leap second is none that Python knows.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_DATE_TIME = {"format": "date-time"}


class ListDoor:
    """Lists jobs."""

    def __init__(self, service: ImagingService) -> None:
        self._service = service

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoint."""
        app.router.add_api_route(
            "/jobs",
            self.jobs,
            summary="Jobs, newest first",
            route_class_override=APIRoute,
            tags=["jobs"],
            responses={200: {"model": JobList}, **problems(422)},
        )

    async def jobs(
        self,
        request: Request,
        *,
        limit: Annotated[int, Query(ge=1, le=200, description="Most jobs in a page.")] = 50,
        cursor: Annotated[str | None, Query(max_length=500, description="next_cursor of the page before.")] = None,
        status: Annotated[
            list[JobStatus] | None, Query(max_length=5, description="Only these; may be repeated.")
        ] = None,
        backend: Annotated[
            str | None, Query(max_length=64, pattern=r"^[\w.-]+$", description="Only this backend's.")
        ] = None,
        q: Annotated[
            str | None, Query(max_length=500, description="Only those whose prompt has all of these words, or parts.")
        ] = None,
        favourite: Annotated[bool | None, Query(description="Only favourites, or only others.")] = None,
        checkpoint: Annotated[str | None, Query(max_length=500, description="Only those made with it.")] = None,
        model: Annotated[str | None, Query(max_length=500, description="Means checkpoint.")] = None,
        created_from: Annotated[
            str | None, Query(max_length=40, json_schema_extra=_DATE_TIME, description="Submitted then, or later.")
        ] = None,
        created_before: Annotated[
            str | None, Query(max_length=40, json_schema_extra=_DATE_TIME, description="Submitted before that moment.")
        ] = None,
        pictures: Annotated[bool, Query(description="Only finished jobs, which have pictures.")] = False,
        positions: Annotated[
            bool,
            Query(description=f"Tell each waiting job's place in the queue; with a limit of {_MOST_PLACED} at most."),
        ] = False,
    ) -> Response:
        """A page of jobs, newest first. A page may have few jobs, or none: there is more while `next_cursor` is not null."""
        _check_names(request)
        _check_placed(limit if positions else 0)
        query = JobQuery(
            statuses=frozenset(status) if status else None,
            backend=backend or None,
            owner=caller_of(request).sees,
            text=q or None,
            favourite=favourite,
            checkpoint=_checkpoint(checkpoint, model),
            created_from=_moment(created_from, "created_from"),
            created_before=_moment(created_before, "created_before"),
            with_images=pictures,
            cursor=cursor or None,
            limit=limit,
        )
        return await self._page(query, positions=positions)

    async def _page(self, query: JobQuery, *, positions: bool) -> Response:
        page = await self._service.list(query)
        places = await self._service.places(page.jobs) if positions else {}
        entries = [job_answers.entry(job, place=places.get(job.id)) for job in page.jobs]
        return json_answer({"jobs": entries, "next_cursor": page.cursor})


def _check_placed(limit: int) -> None:
    if limit > _MOST_PLACED:
        message = f"must be at most {_MOST_PLACED} where positions are asked for."
        raise InvalidRequest([FieldProblem(field="limit", message=message)])


def _check_names(request: Request) -> None:
    if not _LISTED.issuperset(request.query_params):
        # A misspelt filter that is ignored would list everything.
        message = f"There is a filter that is not known here. The filters are: {', '.join(sorted(_LISTED))}."
        raise InvalidRequest([FieldProblem(field="", message=message)])


def _checkpoint(checkpoint: str | None, model: str | None) -> str | None:
    if checkpoint and model and checkpoint != model:
        raise InvalidRequest(
            [FieldProblem(field="model", message="must not differ from checkpoint, which means the same.")]
        )
    return checkpoint or model or None


def _moment(text: str | None, field: str) -> datetime | None:
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        # The 31st of June, or the like.
        pass
    message = "must be a time as in RFC 3339, such as 2026-11-22T17:10:00Z; a + in it is sent as %2B."
    raise InvalidRequest([FieldProblem(field=field, message=message)])
