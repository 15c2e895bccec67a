"""POST /png-info: what a picture says of how it was made; imports FastAPI, the core's provenance and this package."""

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.openapi import BODY_PROBLEMS, Spec, problems
from entrypoints.api.problems import invalid
from entrypoints.api.sent_picture import read_sent_picture
from entrypoints.api.shapes import Shape, example
from entrypoints.api.uploads import Uploads
from imaging_core.errors import FieldProblem
from imaging_core.formats import header_of
from imaging_core.provenance import provenance_of

#: Pictures that are taken apart at the same time.
_AT_ONCE = 8

_TEXT = {"type": "string"}
_BYTES = {"type": "string", "format": "binary"}


class PictureInfo(Shape):
    """What a picture says of itself."""

    model_config = example(
        parameters="a lighthouse at dusk\nSteps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 42, Size: 512x512, Model: v1-5",
        settings={
            "prompt": "a lighthouse at dusk",
            "steps": 20,
            "sampler": "Euler a",
            "cfg_scale": 7.0,
            "seed": 42,
            "checkpoint": "v1-5",
            "width": 512,
            "height": 512,
        },
        record=None,
        media_type="image/png",
        width=512,
        height=512,
    )

    #: The text that AUTOMATIC1111's WebUI and others write.
    parameters: str | None
    #: The same, or better the record's, in this service's names.
    settings: dict[str, Any] | None
    #: What this service wrote.
    record: dict[str, Any] | None
    media_type: str
    width: int
    height: int


_BODY: Spec = {
    "requestBody": {
        "required": True,
        "content": {
            "image/png": {"schema": _BYTES},
            "image/jpeg": {"schema": _BYTES},
            "image/webp": {"schema": _BYTES},
            "application/octet-stream": {"schema": _BYTES},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": _BYTES}},
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {**_TEXT, "description": "Base64, or a data: URL."}},
                }
            },
        },
    }
}


class PngInfoDoor:
    """Reads pictures back; nothing is decoded and nothing is kept."""

    def __init__(self, config: ApiConfig, uploads: Uploads) -> None:
        self._config = config
        self._uploads = uploads
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoint."""
        app.router.add_api_route(
            "/png-info",
            self.png_info,
            methods=["POST"],
            summary="How a picture was made",
            tags=["pictures"],
            responses={200: {"model": PictureInfo}, **problems(*BODY_PROBLEMS)},
            openapi_extra=_BODY,
        )

    async def png_info(self, request: Request) -> Response:
        """Prompt and settings from a PNG, JPEG or WebP of this service, of AUTOMATIC1111's WebUI, Forge and others."""
        with self._uploads.room() as share:
            data = await read_sent_picture(
                request,
                max_bytes=self._config.max_picture_bytes,
                deadline_s=self._config.upload_deadline_s,
                arrived=share.take_copies,
            )
            # Not while it comes in: a few slow senders would keep everybody else from being told.
            async with self._slots:
                return json_answer(await asyncio.to_thread(_info, data))


def _info(data: bytes) -> dict[str, object]:
    header = header_of(data)
    if header is None:
        raise invalid([FieldProblem(field="image", message="must be a PNG, JPEG or WebP file.")])
    told = provenance_of(data)
    return {
        "parameters": told.parameters,
        "settings": told.settings,
        "record": told.record,
        "media_type": header.media_type,
        "width": header.width,
        "height": header.height,
    }
