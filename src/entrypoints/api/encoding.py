"""Answers as JSON bytes, fast and for any value; imports stdlib, pydantic-core and Starlette."""

import hashlib
import json
from collections.abc import Mapping

from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import Response


def encode(value: object) -> bytes:
    """A JSON-ready value as UTF-8; NaN and infinities become null.

    Words of a backend may hold a lone surrogate, which has no UTF-8: then everything beyond ASCII is escaped.
    """
    try:
        return to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is never kept by a cache."""
    return Response(encode(value), status, {"cache-control": "no-store", **(headers or {})}, "application/json")


def etag_of(body: bytes) -> str:
    """A strong validator of these very bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match names this validator (weak comparison, as RFC 9110 asks)."""
    if header is None:
        return False
    return header.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in header.split(","))
