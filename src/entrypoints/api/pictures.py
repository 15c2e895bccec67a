"""Finished pictures, as they are, small or converted, and live previews; imports FastAPI, the service and this package."""

from collections.abc import Awaitable, Mapping

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from entrypoints.api import job_answers
from entrypoints.api.byte_ranges import Unsatisfiable, one_range, part
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.edge import HEAD
from entrypoints.api.encoding import etag_of, json_answer, matches
from entrypoints.api.job_shapes import Status
from entrypoints.api.openapi import Spec, problems, queries, query
from entrypoints.api.picture_shapes import (
    FORMATS,
    LARGEST,
    SMALLEST,
    USUAL,
    conversion_of,
    index_of,
    side_of,
    thumbnail_type,
)
from entrypoints.api.problems import Problem, problem_of
from entrypoints.api.rendering import Copies, Read
from imaging_core.errors import ImageNotAvailable, ImageNotReady
from imaging_core.images import ImageRef
from imaging_core.jobs import Job, JobStatus
from imaging_core.opened import whole
from imaging_core.service import ImagingService

#: What may be shown as a picture; anything else goes out as bytes that no browser interprets.
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
_PICTURE = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in list(_SUFFIXES)[:3]}


def _answers(what: str) -> dict[int | str, Spec]:
    return {
        200: {"description": what, "content": _PICTURE},
        202: {"model": Status, "description": "Not ready yet."},
        206: {"description": "The part of it that Range asks for.", "content": _PICTURE},
        304: {"description": "You have it."},
        307: {"description": "It is there, for a quarter of an hour (with IMAGING_S3_REDIRECT)."},
        **problems(404, 409, 410, 416, 422),
    }


class PicturesDoor:
    """Hands out bytes."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config
        self._copies = Copies(max_bytes=config.picture_cache_bytes)

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        index = query("index", "Which picture of the job, from 0.", type="integer", minimum=0, default=0)
        form = query("format", "Another format than the file's own.", type="string", enum=list(FORMATS))
        quality = query("quality", "Of a WebP or a JPEG.", type="integer", minimum=1, maximum=100)
        size = query("size", "Longest side in px.", type="integer", minimum=SMALLEST, maximum=LARGEST, default=USUAL)
        app.router.add_api_route(
            "/image/{image_id}",
            self.image,
            summary="A finished picture",
            tags=["pictures"],
            response_class=Response,
            responses=_answers("The picture."),
            openapi_extra=queries(index, form, quality),
        )
        app.router.add_api_route(
            "/image/{image_id}/thumbnail",
            self.thumbnail,
            summary="A finished picture, small",
            tags=["pictures"],
            response_class=Response,
            responses=_answers("The picture, as WebP, or as JPEG where Accept prefers that."),
            openapi_extra=queries(index, size),
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
        """The file itself; 202 with the status while the job is open, 409 with the reason if it ended without it.

        In another format it still says how it was made.
        """
        conversion = conversion_of(request.query_params)
        job, ref = await self._ready(request, image_id)
        if ref is None:
            return await self._not_ready(job)
        if conversion is None or (conversion.media_type == ref.media_type and conversion.quality is None):
            headers = _headers(job, ref.index, f'"{ref.sha256}"', ref.media_type)
            if matches(request.headers.get("if-none-match"), headers["etag"]):
                return Response(status_code=304, headers=headers)
            return await self._file(request, ref, headers)

        def make() -> Awaitable[bytes]:
            return self._config.renderer.converted(
                self._reading(ref), media_type=conversion.media_type, quality=conversion.quality
            )

        headers = _headers(job, ref.index, self._etag(ref, conversion.name), conversion.media_type)
        return await self._copy(request, headers, conversion.media_type, make)

    async def thumbnail(self, request: Request, image_id: str) -> Response:
        """A small copy without metadata, never larger than the picture; otherwise like the picture itself."""
        side = side_of(request.query_params)
        job, ref = await self._ready(request, image_id)
        if ref is None:
            return await self._not_ready(job)
        media_type = thumbnail_type(request.headers.get("accept"))

        def make() -> Awaitable[bytes]:
            return self._config.renderer.thumbnail(self._reading(ref), side=side, media_type=media_type)

        headers = _headers(job, ref.index, self._etag(ref, f"{side} {media_type}"), media_type)
        return await self._copy(request, {**headers, "vary": "Accept"}, media_type, make)

    async def _ready(self, request: Request, image_id: str) -> tuple[Job, ImageRef | None]:
        """The job, and its picture unless it is still open."""
        index = index_of(request.query_params)
        job = await self._service.get(image_id, owner=caller_of(request).sees)
        try:
            return job, self._service.image_ref(job, index)
        except ImageNotReady:
            return job, None
        except ImageNotAvailable as error:
            raise _missing(job, error) from None

    async def _not_ready(self, job: Job) -> Response:
        view = await self._service.view_of(job)
        return json_answer(job_answers.status(view), 202, {"retry-after": str(self._config.retry_after_s)})

    async def _file(self, request: Request, ref: ImageRef, headers: dict[str, str]) -> Response:
        span, status = _span(request, ref.size, headers)
        start, stop = span or (0, ref.size)
        media_type = _media_type(ref.media_type)
        if HEAD in request.scope:
            return Response(None, status, headers, media_type)
        if self._config.link is not None:
            # The link is a key to that picture for whoever has it: no cache may hand it out again.
            there = {"location": await self._config.link(ref), "cache-control": "no-store"}
            return Response(None, 307, there)
        data = await self._service.store.open(ref)
        if isinstance(data, bytes | memoryview):
            return Response(data if span is None else data[start:stop], status, headers, media_type)
        return StreamingResponse(data if span is None else part(data, start, stop), status, headers, media_type)

    async def _copy(self, request: Request, headers: dict[str, str], media_type: str, make: Read) -> Response:
        if matches(request.headers.get("if-none-match"), headers["etag"]):
            return Response(status_code=304, headers=headers)
        data = await self._copies.get(headers["etag"], make)
        span, status = _span(request, len(data), headers)
        start, stop = span or (0, len(data))
        return Response(None if HEAD in request.scope else data[start:stop], status, headers, media_type)

    def _reading(self, ref: ImageRef) -> Read:
        async def read() -> bytes:
            return await whole(await self._service.store.open(ref))

        return read

    def _etag(self, ref: ImageRef, shape: str) -> str:
        """A strong validator: the same file, shape and renderer give the same bytes."""
        return etag_of(f"{ref.sha256} {shape} {self._config.renderer.revision}".encode())

    async def preview(self, request: Request, image_id: str) -> Response:
        """How the picture looks so far; 404 while there is nothing to see, and once the job has ended."""
        view = await self._service.view(image_id, owner=caller_of(request).sees)
        preview = view.progress.preview if view.progress else None
        if preview is None:
            raise Problem("not-found", 404, "There is no preview of that job now.")
        headers = {"cache-control": "no-store"}
        return Response(preview.data, headers=headers, media_type=_media_type(preview.media_type))


def _missing(job: Job, error: ImageNotAvailable) -> Problem:
    if job.status is JobStatus.FINISHED:
        return Problem("not-found", 404, str(error))
    problem = problem_of(error)
    problem.extra["job_status"] = job.status.value
    if job.failure is not None:
        problem.extra["failure"] = job_answers.failure(job.failure)
    return problem


def _headers(job: Job, index: int, etag: str, media_type: str) -> dict[str, str]:
    return {
        "etag": etag,
        "cache-control": "private, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "content-disposition": f'inline; filename="{job.id}-{index}.{_SUFFIXES.get(media_type, "bin")}"',
    }


def _media_type(media_type: str) -> str:
    return media_type if media_type in _SUFFIXES else "application/octet-stream"


def _span(request: Request, size: int, headers: dict[str, str]) -> tuple[tuple[int, int] | None, int]:
    """Which part Range asks for and the answer's status, both told in the headers too. Raises Problem (416)."""
    span = _range(request.headers, size, headers["etag"])
    start, stop = span or (0, size)
    if span:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["content-length"] = str(stop - start)
    return span, 200 if span is None else 206


def _range(given: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    if given.get("if-range", etag) != etag:
        return None
    try:
        return one_range(given.get("range"), size)
    except Unsatisfiable:
        detail = f"The picture has {size} bytes."
        headers = {"content-range": f"bytes */{size}"}
        raise Problem("range-not-satisfiable", 416, detail, headers=headers) from None
