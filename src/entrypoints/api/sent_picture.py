"""Reads the one picture that a request sends: as its body, as a part of a form, or as base64 in JSON; imports Starlette and this package.

Only bytes are taken out of their wrapping here; nothing of the picture is looked at.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable

from starlette.requests import Request

from entrypoints.api.bodies import parsed, read_body
from entrypoints.api.problems import Problem, invalid
from imaging_core.errors import FieldProblem

#: What a form or JSON adds to the picture, in bytes.
_WRAPPING = 64 << 10
#: How many parts of a form are looked at, and the longest head of a part, in bytes.
_MOST_PARTS, _LONGEST_HEAD = 32, 4096
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^";, ]{1,70}))', re.ASCII | re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?[; ]name="?image"?(?:;|\s*(?:\r\n|$))', re.IGNORECASE)
_TYPES = "image/png, image/jpeg, image/webp, application/octet-stream, multipart/form-data, application/json"


async def read_sent_picture(
    request: Request, *, max_bytes: int, deadline_s: float, arrived: Callable[[int], None] | None = None
) -> bytes:
    """The bytes of the picture, `max_bytes` at most. `arrived` is told of the body's bytes as they come, and may refuse them.

    Raises Problem (400, 408, 413, 415, 422), and ClientDisconnect when the client went away.
    """
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported-media-type", 415, "Send the body without Content-Encoding.")
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return await read_body(request, limit=max_bytes, deadline_s=deadline_s, arrived=arrived)
    if media_type == "application/json":
        body = await read_body(request, limit=max_bytes * 4 // 3 + _WRAPPING, deadline_s=deadline_s, arrived=arrived)
        data = await asyncio.to_thread(_in_json, body)
    elif media_type == "multipart/form-data":
        body = await read_body(request, limit=max_bytes + _WRAPPING, deadline_s=deadline_s, arrived=arrived)
        data = _in_form(body, rest)
    else:
        detail = "Send the picture as the body with its own media type, as the part 'image' of a form, or in JSON."
        raise Problem("unsupported-media-type", 415, detail, headers={"accept-post": _TYPES})
    if len(data) > max_bytes:
        raise Problem("body-too-large", 413, f"The picture must have at most {max_bytes} bytes.")
    return data


def _in_json(body: bytes) -> bytes:
    value = parsed(body)
    text = value.get("image") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise _wrong("is required: the picture in base64, with or without data:image/...;base64, before it.")
    encoded = text.partition(";base64,")[2] if text[:11].lower() == "data:image/" else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("must be base64.") from None


def _in_form(body: bytes, parameters: str) -> bytes:
    match = _BOUNDARY.search(parameters)
    if match is None:
        raise Problem("bad-request", 400, "The form's Content-Type names no boundary.")
    line = b"\r\n--" + (match[1] or match[2]).encode()
    # Before the first part there may be anything, and after the last one too.
    for part in (b"\r\n" + body).split(line, _MOST_PARTS)[1:-1]:
        head, found, data = part.partition(b"\r\n\r\n")
        if found and len(head) <= _LONGEST_HEAD and _NAME.search(head):
            return data
    raise _wrong("is required, as the part 'image' of the form.")


def _wrong(message: str) -> Problem:
    return invalid([FieldProblem(field="image", message=message)])
