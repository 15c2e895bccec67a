"""Reads a JSON body within its limits of type, size and time; imports Starlette and the strict parser.

The limits hold while reading, whatever the headers claim, and live in the app because the server in front has none.
"""

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from entrypoints.api.config import ApiConfig
from entrypoints.api.problems import Problem
from entrypoints.api.strict_json import NotStrictJson, parse

#: How much of a body that is too long is read and thrown away, in bytes, and for how long, in s: a connection closed with
#: unread bytes in it is reset, and many clients then never see the answer that says why.
DISCARD_BYTES = 2**20
DISCARD_S = 1.0


async def read_json(request: Request, config: ApiConfig) -> object:
    """The value of the request's body.

    Raises Problem (400, 408, 413, 415), and ClientDisconnect when the client went away.
    """
    _check_type(request)
    return parsed(await read_body(request, limit=config.max_json_bytes, deadline_s=config.body_deadline_s))


async def read_json_or_none(request: Request, config: ApiConfig) -> object:
    """The same for a body that may be left out, which counts as an empty object."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return {}
    return await read_json(request, config)


def parsed(body: bytes) -> object:
    """The value that a JSON body stands for. Raises Problem (400)."""
    try:
        return parse(body)
    except NotStrictJson as error:
        raise Problem("malformed-json", 400, str(error)) from None


def _check_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise _unsupported("Send JSON, and the header Content-Type: application/json.")
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise _unsupported("Send the JSON in UTF-8.")


def _unsupported(detail: str) -> Problem:
    return Problem("unsupported-media-type", 415, detail, headers={"accept-post": "application/json"})


async def read_body(
    request: Request, *, limit: int, deadline_s: float, arrived: Callable[[int], None] | None = None
) -> bytes:
    """The whole body, of at most `limit` bytes. Raises Problem (408, 413, 415), and ClientDisconnect.

    `arrived` is told of the bytes as they come, and may refuse them.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported-media-type", 415, "Send the body without Content-Encoding.")
    declared = request.headers.get("content-length", "")
    too_long = declared.isdecimal() and (len(declared) > 15 or int(declared) > limit)
    if too_long and "expect" in request.headers:
        # The client waits for a go-ahead before it sends anything, so there is nothing to throw away.
        raise _too_large(limit)
    body = bytearray()
    more = True
    try:
        async with asyncio.timeout(deadline_s):
            while not too_long:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                if arrived is not None:
                    arrived(len(piece))
                body += piece
                too_long, more = len(body) > limit, message.get("more_body", False)
                if not more and not too_long:
                    return bytes(body)
    except TimeoutError:
        raise Problem("body-too-slow", 408, f"The whole body must come within {deadline_s:g} s.") from None
    if more:
        await _discard(request)
    raise _too_large(limit)


async def _discard(request: Request) -> None:
    left = DISCARD_BYTES
    try:
        async with asyncio.timeout(DISCARD_S):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_large(limit: int) -> Problem:
    return Problem("body-too-large", 413, f"The body must have at most {limit} bytes.")
