"""Two answers of a bare ASGI app: a few bytes, and a whole file by one read and one body message."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]

FILE = os.environ.get("FLOOR_FILE", "")


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],  # noqa: ARG001  # part of the protocol
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """/file answers with the file, everything else with two bytes."""
    if scope["type"] != "http":
        return
    body = Path(FILE).read_bytes() if scope["path"] == "/file" else b"ok"  # noqa: ASYNC240  # the read is what is measured
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"image/png")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
