"""Status, cancel, retry, favourites, delete; imports FastAPI, the service and this package."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.accepting import IDEMPOTENCY, PREFERENCE, Accepting, idempotency_key
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer, matches
from entrypoints.api.ended_answers import EndedAnswers
from entrypoints.api.job_shapes import Accepted, Detail, Status
from entrypoints.api.listing import ListDoor
from entrypoints.api.openapi import header, problems, query
from entrypoints.api.waiting import Waiting
from imaging_core.service import ImagingService, JobView


class JobsDoor:
    """Tells of jobs, and changes them."""

    def __init__(self, service: ImagingService, config: ApiConfig, accepting: Accepting, waiting: Waiting) -> None:
        self._service = service
        self._config = config
        self._accepting = accepting
        self._waiting = waiting
        self._statuses = EndedAnswers(job_answers.status)
        self._details = EndedAnswers(job_answers.detail)

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints, the busiest first: routes are tried in order."""
        self._add_looks(app)
        self._add_changes(app)

    def _add_looks(self, app: FastAPI) -> None:
        known = problems(404, 410, 422)
        seen = header("If-None-Match", "The ETag of an earlier answer.")
        wait = query(
            "wait", "Wait up to so many s (at most 60) for the job's end, or with If-None-Match for any change."
        )
        polling = {"parameters": [*seen["parameters"], *wait["parameters"]]}
        app.router.add_api_route(
            "/status/{image_id}",
            self.status,
            summary="How far a job is",
            responses={200: {"model": Status}, 304: {"description": "Nothing changed."}, **known},
            openapi_extra=polling,
            tags=["jobs"],
        )
        ListDoor(self._service).add_to(app)
        app.router.add_api_route(
            "/jobs/{image_id}",
            self.job,
            summary="Everything about one job",
            responses={200: {"model": Detail}, 304: {"description": "Nothing changed."}, **known},
            openapi_extra=polling,
            tags=["jobs"],
        )

    def _add_changes(self, app: FastAPI) -> None:
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
            responses={
                200: {"model": Status, "description": "It has ended within the time of Prefer: wait."},
                202: {"model": Accepted},
                **problems(404, 409, 410, 422, 429, 503),
            },
            openapi_extra={"parameters": [*IDEMPOTENCY, *PREFERENCE]},
            tags=["jobs"],
        )
        for method, endpoint, summary in (
            ("PUT", self.mark, "Mark a job as a favourite"),
            ("DELETE", self.unmark, "Take the mark of a favourite away"),
        ):
            app.router.add_api_route(
                "/jobs/{image_id}/favourite",
                endpoint,
                methods=[method],
                summary=summary,
                responses={200: {"model": Status}, **problems(404, 410)},
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
        return await self._told(request, image_id, self._statuses)

    async def _told(self, request: Request, image_id: str, answers: EndedAnswers) -> Response:
        """What is shown of a job, once it is new to the caller or `?wait=` is over."""
        seen = request.headers.get("if-none-match")

        def is_news(view: JobView) -> bool:
            return view.job.status.terminal or (seen is not None and not matches(seen, answers.of(view).etag))

        within_s = self._waiting.asked(request)
        caller = caller_of(request)
        view = await self._waiting.until(
            request, image_id, is_news, owner=caller.sees, within_s=within_s, key=caller.key_id
        )
        told = answers.of(view)
        headers = {"etag": told.etag, "cache-control": "private, no-cache"}
        if not view.job.status.terminal:
            headers["retry-after"] = str(self._config.retry_after_s)
        if matches(seen, told.etag):
            return Response(status_code=304, headers=headers)
        return Response(told.body, headers=headers, media_type="application/json")

    async def job(self, request: Request, image_id: str) -> Response:
        """The request, every backend call, every failure and every picture of one job."""
        return await self._told(request, image_id, self._details)

    async def cancel(self, request: Request, image_id: str) -> Response:
        """200 when the job is cancelled, 202 while its worker still has to stop it, 409 when it has already ended."""
        job = await self._service.cancel(image_id, owner=caller_of(request).sees)
        view = await self._service.view_of(job)
        return json_answer(job_answers.status(view), 200 if job.status.terminal else 202)

    async def mark(self, request: Request, image_id: str) -> Response:
        """In any status; marking it again changes nothing."""
        return await self._marked(request, image_id, favourite=True)

    async def unmark(self, request: Request, image_id: str) -> Response:
        """In any status; without a mark nothing changes."""
        return await self._marked(request, image_id, favourite=False)

    async def _marked(self, request: Request, image_id: str, *, favourite: bool) -> Response:
        job = await self._service.mark(image_id, favourite=favourite, owner=caller_of(request).sees)
        return json_answer(job_answers.status(await self._service.view_of(job)))

    async def retry(self, request: Request, image_id: str) -> Response:
        """A new job for the same request, with the same seed; retry_of of its status names the old one."""
        key = idempotency_key(request)
        job = await self._service.retry(image_id, owner=caller_of(request).sees, idempotency_key=key)
        return await self._accepting.answer(request, job)

    async def delete(self, request: Request, image_id: str) -> Response:
        """409 while the job is open; afterwards its id answers 410."""
        await self._service.delete(image_id, owner=caller_of(request).sees)
        return Response(status_code=204)
