"""The real server's ways to say no; every handler raises one of these or a plain exception, which becomes a 500.

May import the standard library.
"""

from __future__ import annotations

from typing import Any


class HTTPRefusal(Exception):
    """Raised on purpose by the real code: `{"error": "HTTPException", "detail": <text>, "body": "", "errors": ""}`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class NamedError(Exception):
    """Stands for an exception class of the real program that does not exist here (torch's, safetensors')."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def refused(detail: str) -> dict[str, Any]:
    """The body of an error raised on purpose."""
    return {"error": "HTTPException", "detail": detail, "body": "", "errors": ""}


def unhandled(error: BaseException) -> dict[str, Any]:
    """The body of a 500 for any other exception: its class and its text."""
    name = error.name if isinstance(error, NamedError) else type(error).__name__
    return {"error": name, "detail": "", "body": "", "errors": str(error)}


#: What a GPU that is full says; the class and sentence are torch's.
OUT_OF_MEMORY = NamedError(
    "OutOfMemoryError",
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.02 GiB is free.",
)
