"""Reads a request up to the point where its fields can be checked.

May import the standard library and Starlette.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from fakes.stability import forms, wire

#: Whole request, in bytes.
MAX_BODY = 10 * 1024 * 1024


async def read_form(request: Request) -> dict[str, forms.Part]:
    """The form's parts; raises Refusal for a wrong type, a body over 10 MiB or a form that cannot be read."""
    content_type = request.headers.get("content-type", "")
    if not content_type:
        raise wire.refuse(400, "bad_request", ["content-type: required"])
    if not content_type.lower().startswith("multipart/form-data"):
        raise wire.refuse(400, "bad_request", ["content-type: must be multipart/form-data"])
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise wire.refuse_as_documented(413, "payload_too_large", "PayloadTooLarge", "documented")
    try:
        return forms.parse(content_type, bytes(body))
    except forms.MalformedFormError as error:
        raise wire.refuse_in_plain_text(str(error)) from None


def header_failures(request: Request, *, deferred: bool) -> list[str]:
    """One `header: message` for each header out of bounds."""
    names = ("stability-client-id", "stability-client-user-id", "stability-client-version")
    failures = [
        f"{name}: must contain at most 256 characters" for name in names if len(request.headers.get(name, "")) > 256
    ]
    accept = request.headers.get("accept", "*/*").partition(";")[0].strip()
    # How the API takes other values is not known; refusing them keeps clients to the documented ones.
    if not deferred and accept not in ("image/*", "application/json", "*/*"):
        failures.append("accept: must be image/* or application/json")
    return failures


def wants_json(request: Request) -> bool:
    """Whether the picture is to come as base64 in JSON."""
    return request.headers.get("accept", "").startswith("application/json")


def bare_key(request: Request) -> str:
    """The key without its scheme; empty when none was sent."""
    # Stability's own ComfyUI nodes send the key with no "Bearer " before it.
    return request.headers.get("authorization", "").removeprefix("Bearer ").strip()


def loggable(part: forms.Part) -> Any:
    """A part as the log keeps it: text as it came, a file by size and type."""
    if part.is_file:
        return {"bytes": len(part.data), "type": part.media_type}
    return part.data.decode("utf-8", "replace")
