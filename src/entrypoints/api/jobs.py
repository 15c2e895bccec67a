"""Status, lists, cancel, retry, delete; imports FastAPI, the service and this package."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import encode, etag_of, json_answer, matches
from entrypoints.api.job_shapes import Accepted, Detail, JobList, Status
from entrypoints.api.openapi import header, problems
from entrypoints.api.submit import submitted
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService, JobView

#: What a listing can be narrowed by.
_LISTED = frozenset({"limit", "cursor", "status", "backend"})


class JobsDoor:
    """Tells of jobs, and changes them."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints, the busiest first: routes are tried in order."""
        known = problems(404, 410)
        app.router.add_api_route(
            "/status/{image_id}",
            self.status,
            summary="How far a job is",
            responses={200: {"model": Status}, 304: {"description": "Nothing changed."}, **known},
            openapi_extra=header("If-None-Match", "The ETag of an earlier answer."),
            tags=["jobs"],
        )
        app.router.add_api_route(
            "/jobs",
            self.jobs,
            summary="Jobs, newest first",
            route_class_override=APIRoute,
            tags=["jobs"],
            responses={200: {"model": JobList}, **problems(422)},
        )
        app.router.add_api_route(
            "/jobs/{image_id}",
            self.job,
            summary="Everything about one job",
            responses={200: {"model": Detail}, **known},
            tags=["jobs"],
        )
        app.router.add_api_route(
            "/jobs/{image_id}/cancel",
            self.cancel,
            methods=["POST"],
            summary="Cancel a job",
            responses={
                200: {"model": Status, "description": "Cancelled."},
                202: {"model": Status, "description": "Its worker will stop it."},
                **problems(404, 409, 410),
            },
            tags=["jobs"],
        )
        app.router.add_api_route(
            "/jobs/{image_id}/retry",
            self.retry,
            methods=["POST"],
            status_code=202,
            summary="Try a failed or cancelled job again",
            responses={202: {"model": Accepted}, **problems(404, 409, 410, 422, 429, 503)},
            tags=["jobs"],
        )
        app.router.add_api_route(
            "/jobs/{image_id}",
            self.delete,
            methods=["DELETE"],
            status_code=204,
            summary="Forget an ended job and its pictures",
            responses=problems(404, 409, 410),
            tags=["jobs"],
        )

    async def status(self, request: Request, image_id: str) -> Response:
        """Poll this until status is finished, failed or cancelled; with If-None-Match, 304 while nothing changed."""
        view = await self._service.view(image_id, owner=caller_of(request).sees)
        return self._status(request, view)

    def _status(self, request: Request, view: JobView) -> Response:
        body = encode(job_answers.status(view))
        headers = {"etag": etag_of(body), "cache-control": "private, no-cache"}
        if not view.job.status.terminal:
            headers["retry-after"] = str(self._config.retry_after_s)
        if matches(request.headers.get("if-none-match"), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def jobs(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200, description="Most jobs in a page.")] = 50,
        cursor: Annotated[str | None, Query(max_length=500, description="next_cursor of the page before.")] = None,
        status: Annotated[
            list[JobStatus] | None, Query(max_length=5, description="Only these; may be repeated.")
        ] = None,
        backend: Annotated[
            str | None, Query(max_length=64, pattern=r"^[\w.-]+$", description="Only this backend's.")
        ] = None,
    ) -> Response:
        """A page of jobs, newest first, with what was asked for and what came of it."""
        if not _LISTED.issuperset(request.query_params):
            # A misspelt filter that is ignored would list everything.
            message = f"There is a filter that is not known here. The filters are: {', '.join(sorted(_LISTED))}."
            raise InvalidRequest([FieldProblem(field="", message=message)])
        query = JobQuery(
            statuses=frozenset(status) if status else None,
            backend=backend or None,
            owner=caller_of(request).sees,
            cursor=cursor or None,
            limit=limit,
        )
        page = await self._service.list(query)
        return json_answer({"jobs": [job_answers.entry(job) for job in page.jobs], "next_cursor": page.cursor})

    async def job(self, request: Request, image_id: str) -> Response:
        """The request, every backend call, every failure and every picture of one job."""
        return json_answer(job_answers.detail(await self._service.view(image_id, owner=caller_of(request).sees)))

    async def cancel(self, request: Request, image_id: str) -> Response:
        """200 when the job is cancelled, 202 while its worker still has to stop it, 409 when it has already ended."""
        job = await self._service.cancel(image_id, owner=caller_of(request).sees)
        view = await self._service.view_of(job)
        return json_answer(job_answers.status(view), 200 if job.status.terminal else 202)

    async def retry(self, request: Request, image_id: str) -> Response:
        """A new job for the same request, with the same seed; retry_of of its status names the old one."""
        return submitted(await self._service.retry(image_id, owner=caller_of(request).sees), self._config)

    async def delete(self, request: Request, image_id: str) -> Response:
        """409 while the job is open; afterwards its id answers 410."""
        await self._service.delete(image_id, owner=caller_of(request).sees)
        return Response(status_code=204)
