"""The pictures that an edit or an enlargement began with, for whoever may see the job; imports FastAPI, the service and this package."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import etag_of, matches
from entrypoints.api.openapi import Spec, problems, queries, query
from entrypoints.api.picture_shapes import LARGEST, SMALLEST, side_of, thumbnail_type
from entrypoints.api.problems import Problem
from imaging_core.errors import FieldProblem, ImageNotAvailable, InvalidRequest
from imaging_core.formats import JPEG, PNG, WEBP
from imaging_core.images import InputImage
from imaging_core.service import ImagingService

#: What the caller calls them, and what the core does.
_NAMES = {"image": "init_image", "mask": "mask"}


class InputPicturesDoor:
    """Hands out what was brought, as it was cleaned and stored: anybody else's is like one that never was."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoint."""
        content: Spec = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (PNG, JPEG, WEBP)}
        app.router.add_api_route(
            "/image/{image_id}/input",
            self.picture,
            summary="The picture or the mask that an edit began with",
            tags=["pictures"],
            response_class=Response,
            responses={
                200: {"description": "The picture.", "content": content},
                304: {"description": "You have it."},
                **problems(404, 410, 422),
            },
            openapi_extra=queries(
                query("name", "Which of them.", type="string", enum=list(_NAMES), default="image"),
                query(
                    "size", "Longest side in px, for a small copy.", type="integer", minimum=SMALLEST, maximum=LARGEST
                ),
            ),
        )

    async def picture(self, request: Request, image_id: str) -> Response:
        """The file as it was stored, without metadata; with `size` a small copy. 404 for a job that began with none."""
        name = request.query_params.get("name", "image")
        if name not in _NAMES:
            raise InvalidRequest([FieldProblem(field="name", message="must be image or mask.")])
        side = side_of(request.query_params) if "size" in request.query_params else None
        job = await self._service.get(image_id, owner=caller_of(request).sees)
        found = job.request.value(_NAMES[name])
        if not isinstance(found, InputImage):
            raise Problem("not-found", 404, f"The job did not begin with a {'picture' if name == 'image' else 'mask'}.")
        media_type = found.media_type if side is None else thumbnail_type(request.headers.get("accept"))
        etag = etag_of(f"{found.sha256} {side} {media_type} {self._config.renderer.revision}".encode())
        headers = {"etag": etag, "cache-control": "private, max-age=31536000, immutable", "vary": "Accept"}
        if matches(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(await self._bytes(found, side, media_type), headers=headers, media_type=media_type)

    async def _bytes(self, picture: InputImage, side: int | None, media_type: str) -> bytes:
        async def read() -> bytes:
            return await self._service.store.open_input(picture)

        try:
            if side is None:
                return await read()
            return await self._config.renderer.thumbnail(read, side=side, media_type=media_type)
        except ImageNotAvailable as error:
            raise Problem("not-found", 404, str(error)) from None
