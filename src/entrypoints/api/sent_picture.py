"""Reads the one picture that a request sends: as its body, as a part of a form, or as base64 in JSON; imports Starlette and this package.

Only bytes are taken out of their wrapping here; nothing of the picture is looked at.
"""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from entrypoints.api.bodies import parsed, read_body
from entrypoints.api.forms import parse_form
from entrypoints.api.problems import Problem, invalid
from entrypoints.api.uploads import decoded
from imaging_core.errors import FieldProblem

#: What a form or JSON adds to the picture, in bytes.
_WRAPPING = 64 << 10
_TYPES = "image/png, image/jpeg, image/webp, application/octet-stream, multipart/form-data, application/json"


async def read_sent_picture(
    request: Request, *, max_bytes: int, deadline_s: float, arrived: Callable[[int], None] | None = None
) -> bytes:
    """The bytes of the picture, `max_bytes` at most. `arrived` is told of the body's bytes as they come, and may refuse them.

    Raises Problem (400, 408, 413, 415, 422), InvalidRequest, and ClientDisconnect when the client went away.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return await read_body(request, limit=max_bytes, deadline_s=deadline_s, arrived=arrived)
    if media_type == "application/json":
        body = await read_body(request, limit=max_bytes * 4 // 3 + _WRAPPING, deadline_s=deadline_s, arrived=arrived)
        data = await asyncio.to_thread(_in_json, body)
    elif media_type == "multipart/form-data":
        body = await read_body(request, limit=max_bytes + _WRAPPING, deadline_s=deadline_s, arrived=arrived)
        data = await asyncio.to_thread(_in_form, body, content_type)
    else:
        detail = "Send the picture as the body with its own media type, as the part 'image' of a form, or in JSON."
        raise Problem("unsupported-media-type", 415, detail, headers={"accept-post": _TYPES})
    if len(data) > max_bytes:
        raise Problem("body-too-large", 413, f"The picture must have at most {max_bytes} bytes.")
    return data


def _in_json(body: bytes) -> bytes:
    value = parsed(body)
    if not isinstance(value, dict) or value.get("image") is None:
        raise _wrong("is required: the picture in base64, or a data: URL.")
    return decoded(value["image"], "image")


def _in_form(body: bytes, content_type: str) -> bytes:
    part = next(parse_form(body, content_type).named("image"), None)
    if part is None:
        raise _wrong("is required, as the part 'image' of the form.")
    return part.data


def _wrong(message: str) -> Problem:
    return invalid([FieldProblem(field="image", message=message)])
