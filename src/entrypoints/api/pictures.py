"""Finished pictures and live previews; imports FastAPI, the service and this package."""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from entrypoints.api import job_answers
from entrypoints.api.byte_ranges import Unsatisfiable, one_range, part
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.edge import HEAD
from entrypoints.api.encoding import json_answer, matches
from entrypoints.api.job_shapes import Status
from entrypoints.api.openapi import problems, query
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import FieldProblem, ImageNotAvailable, ImageNotReady, InvalidRequest
from imaging_core.images import ImageRef
from imaging_core.jobs import Job, JobStatus
from imaging_core.service import ImagingService

#: What may be shown as a picture; anything else goes out as bytes that no browser interprets.
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
_PICTURE = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in list(_SUFFIXES)[:3]}


class PicturesDoor:
    """Hands out bytes."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        index = query("index", "Which picture of the job, from 0.", type="integer", minimum=0, default=0)
        app.router.add_api_route(
            "/image/{image_id}",
            self.image,
            summary="A finished picture",
            tags=["pictures"],
            response_class=Response,
            responses={
                200: {"description": "The picture.", "content": _PICTURE},
                202: {"model": Status, "description": "Not ready yet."},
                206: {"description": "The part of it that Range asks for.", "content": _PICTURE},
                304: {"description": "You have it."},
                **problems(404, 409, 410, 416, 422),
            },
            openapi_extra=index,
        )
        app.router.add_api_route(
            "/image/{image_id}/preview",
            self.preview,
            summary="The newest live preview",
            tags=["pictures"],
            response_class=Response,
            responses={200: {"description": "A small picture.", "content": _PICTURE}, **problems(404, 410)},
        )

    async def image(self, request: Request, image_id: str) -> Response:
        """The file itself; 202 with the status while the job is open, 409 with the reason if it ended without it."""
        index = _index(request)
        job = await self._service.get(image_id, owner=caller_of(request).sees)
        try:
            ref = self._service.image_ref(job, index)
        except ImageNotReady:
            view = await self._service.view_of(job)
            return json_answer(job_answers.status(view), 202, {"retry-after": str(self._config.retry_after_s)})
        except ImageNotAvailable as error:
            raise _missing(job, error) from None
        headers = _headers(job, ref)
        if matches(request.headers.get("if-none-match"), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return await self._bytes(request, ref, headers)

    async def _bytes(self, request: Request, ref: ImageRef, headers: dict[str, str]) -> Response:
        span = _range(request, ref, headers["etag"])
        start, stop = span or (0, ref.size)
        status = 200 if span is None else 206
        if span:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{ref.size}"
        headers["content-length"] = str(stop - start)
        media_type = _media_type(ref.media_type)
        if HEAD in request.scope:
            return Response(None, status, headers, media_type)
        data = await self._service.store.open(ref)
        if isinstance(data, bytes):
            return Response(data if span is None else data[start:stop], status, headers, media_type)
        return StreamingResponse(data if span is None else part(data, start, stop), status, headers, media_type)

    async def preview(self, request: Request, image_id: str) -> Response:
        """How the picture looks so far; 404 while there is nothing to see, and once the job has ended."""
        view = await self._service.view(image_id, owner=caller_of(request).sees)
        preview = view.progress.preview if view.progress else None
        if preview is None:
            raise Problem("not-found", 404, "There is no preview of that job now.")
        headers = {"cache-control": "no-store"}
        return Response(preview.data, headers=headers, media_type=_media_type(preview.media_type))


def _index(request: Request) -> int:
    text = request.query_params.get("index", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidRequest([FieldProblem(field="index", message="must be a whole number from 0.")])
    return int(text)


def _missing(job: Job, error: ImageNotAvailable) -> Problem:
    if job.status is JobStatus.FINISHED:
        return Problem("not-found", 404, str(error))
    problem = problem_of(error)
    problem.extra["job_status"] = job.status.value
    if job.failure is not None:
        problem.extra["failure"] = job_answers.failure(job.failure)
    return problem


def _headers(job: Job, ref: ImageRef) -> dict[str, str]:
    suffix = _SUFFIXES.get(ref.media_type, "bin")
    return {
        "etag": f'"{ref.sha256}"',
        "cache-control": "private, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "content-disposition": f'inline; filename="{job.id}-{ref.index}.{suffix}"',
    }


def _media_type(media_type: str) -> str:
    return media_type if media_type in _SUFFIXES else "application/octet-stream"


def _range(request: Request, ref: ImageRef, etag: str) -> tuple[int, int] | None:
    headers: Mapping[str, str] = request.headers
    if headers.get("if-range", etag) != etag:
        return None
    try:
        return one_range(headers.get("range"), ref.size)
    except Unsatisfiable:
        detail = f"The picture has {ref.size} bytes."
        headers = {"content-range": f"bytes */{ref.size}"}
        raise Problem("range-not-satisfiable", 416, detail, headers=headers) from None
