"""POST /sdapi/v1/png-info: what a picture says of its making, in the WebUI's words; imports Starlette and the core's reader."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.a1111.fields import PngInfo, read_fields
from entrypoints.api.encoding import json_answer
from entrypoints.api.forms import Form
from entrypoints.api.uploads import Uploads, decoded
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.formats import header_of
from imaging_core.infotext import parse
from imaging_core.marking import read_marks

#: What the WebUI's own reader fills in where a text says nothing.
_UNSAID: Mapping[str, Any] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": False,
}


class Reading:
    """Reads pictures back."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def png_info(self, request: Request) -> Response:
        """The text of a PNG, JPEG or WebP, and its settings; nothing is decoded and nothing is kept."""
        with self._uploads.room() as share:
            value = await self._uploads.read(request, share)
            if isinstance(value, Form):
                raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
            body = read_fields(value, PngInfo)
            return json_answer(await asyncio.to_thread(_told, body.image))


def sent_picture(text: str, field: str) -> bytes:
    """The bytes of a picture in base64, in lines or in one piece. Takes CPU time. Raises InvalidRequest."""
    return decoded("".join(text.split()), field)


def _told(image: str) -> dict[str, Any]:
    data = sent_picture(image, "image")
    if header_of(data) is None:
        message = "Invalid encoded image: it must be a PNG, JPEG or WebP file in base64."
        raise InvalidRequest([FieldProblem(field="image", message=message)])
    text = read_marks(data).parameters or ""
    info = parse(text)
    settings: dict[str, Any] = dict(info.settings)
    width, by, height = settings.get("Size", "").partition("x")
    if by and width.isdecimal() and height.isdecimal():
        del settings["Size"]
        settings |= {"Size-1": width, "Size-2": height}
    prompts = {"Prompt": info.prompt, "Negative prompt": info.negative_prompt}
    return {"info": text, "items": {}, "parameters": {**_UNSAID, **settings, **prompts}}
