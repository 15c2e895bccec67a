"""What a test may break at run time: failures inside a job, and answers spoilt on their way out.

May import the standard library and this package.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fakes.sdwebui.errors import OUT_OF_MEMORY, HTTPRefusal, NamedError
from fakes.sdwebui.pictures import draw, encode
from fakes.sdwebui.validation import BodyInvalid

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = {"content-type": "application/json"}

#: The failures a job can be told to have, by shape.
_FAILURES: dict[str, Callable[[], Exception]] = {
    "validation": lambda: BodyInvalid(
        [{"loc": ["body", "steps"], "msg": "value is not a valid integer", "type": "type_error.integer"}]
    ),
    "refused": lambda: HTTPRefusal(500, "Invalid encoded image"),
    "exception": lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied (154x2048 and 768x320)"),
    "nan": lambda: NamedError("NansException", "A tensor with NaNs was produced in Unet."),
    "oom": lambda: OUT_OF_MEMORY,
}

#: Ways to spoil an answer: how it travels, and what is in it.
DELIVERIES = frozenset(
    {"hang", "drop", "cut", "trickle", "html502", "empty", "not_json", "oversize", "gzip_bomb", "redirect"}
)
_SPOILS = frozenset(
    {"truncated_base64", "not_base64", "wrong_format", "extra_image", "missing_image", "no_images", "wrong_size"}
    | {"huge_size", "bad_info", "no_info"}
)


class Faults:
    """The switches, all off at first."""

    def __init__(self, step_seconds: float) -> None:
        #: How long a sampling step takes.
        self.step_seconds = step_seconds
        #: The running job stays at its step until this is off, or until it is interrupted.
        self.stall = False
        #: Interrupts are answered but not obeyed.
        self.deaf = False
        #: Failures of the next jobs, in order: (shape, at), `at` being start or middle.
        self.failing: list[tuple[str, str]] = []
        #: How the next answers of a route are spoilt: route -> deliveries in order.
        self.deliveries: dict[str, list[str]] = {}

    def set(self, values: dict[str, Any]) -> None:
        """Turn switches; raises KeyError for an unknown one and ValueError for an unknown way to fail."""
        for key, value in values.items():
            match key:
                case "step_seconds" | "stall" | "deaf":
                    setattr(self, key, value)
                case "fail":
                    shape = value["shape"]
                    if shape not in _FAILURES:
                        raise ValueError(f"no failure {shape!r}; there are {sorted(_FAILURES)}")
                    self.failing += [(shape, value.get("at", "start"))] * value.get("times", 1)
                case "deliver":
                    if value["how"] not in DELIVERIES | _SPOILS:
                        raise ValueError(f"no delivery {value['how']!r}; there are {sorted(DELIVERIES | _SPOILS)}")
                    route = value.get("route", "/sdapi/v1/txt2img")
                    self.deliveries.setdefault(route, []).extend([value["how"]] * value.get("times", 1))
                case _:
                    raise KeyError(key)

    def raise_at(self, moment: str) -> None:
        """Fail the running job if its turn has come."""
        if self.failing and self.failing[0][1] == moment:
            raise _FAILURES[self.failing.pop(0)[0]]()

    def next_delivery(self, route: str) -> str | None:
        """How to spoil the answer about to leave, None for not at all."""
        waiting = self.deliveries.get(route)
        return waiting.pop(0) if waiting else None


def spoilt(how: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer that arrives whole but wrong."""
    match how:
        case "html502":
            page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
            return 502, {"content-type": "text/html"}, page
        case "empty":
            return 200, _JSON, b""
        case "not_json":
            return 200, {"content-type": "text/html"}, b"<!doctype html><html><body>Please log in</body></html>"
        case "redirect":
            return 307, {"location": "http://127.0.0.1:9/elsewhere"}, b""
        case "gzip_bomb":
            bomb = gzip.compress(b'{"images":["' + bytes(80 << 20), compresslevel=9)
            return 200, _JSON | {"content-encoding": "gzip"}, bomb
        case "oversize":
            return 200, _JSON, b'{"images":["' + b"A" * (40 << 20) + b'"]}'
    return 200, _JSON, json.dumps(_spoil(how, json.loads(body))).encode()


def _spoil(how: str, answer: dict[str, Any]) -> dict[str, Any]:
    images: list[str] = answer["images"]
    match how:
        case "truncated_base64":
            images[0] = images[0][: len(images[0]) // 2]
        case "not_base64":
            images[0] = "%%% not base64 %%%"
        case "wrong_format":
            images[0] = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 20).decode()
        case "extra_image":
            images.append(encode(draw(64, 64, "control map"), "png", None))
        case "missing_image":
            images.pop()
        case "no_images":
            del answer["images"]
        case "wrong_size":
            images[0] = encode(draw(24, 40, "wrong size"), "png", None)
        case "huge_size":
            images[0] = encode(draw(64, 64, "bomb"), "png", None)
            raw = bytearray(base64.b64decode(images[0]))
            raw[16:24] = (13000).to_bytes(4) * 2
            images[0] = base64.b64encode(raw).decode()
        case "bad_info":
            answer["info"] = "{not json"
        case "no_info":
            del answer["info"]
        case _:
            raise AssertionError(how)
    return answer


async def deliver_badly(how: str, body: bytes, receive: Receive, send: Send) -> None:
    """Put an answer on the socket in a way that never completes, or hardly."""
    if how == "hang":
        await _gone(receive)
    elif how == "drop":
        _transport(send).abort()
    else:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if how == "cut":
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            _transport(send).close()
        else:
            await _trickle(body, receive, send)


async def _trickle(body: bytes, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(_gone(receive))
    for position in range(len(body)):
        last = position + 1 == len(body)
        await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": not last})
        if not last and (await asyncio.wait([gone], timeout=1.0))[0]:
            break
    gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(send: Send) -> asyncio.Transport:
    # uvicorn's `send` is a method of its request cycle; ASGI itself has no word for breaking a connection.
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport
