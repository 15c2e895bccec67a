"""Shapes answers as the API sends them and puts them on the socket, in one piece or as badly as a test wants.

May import the standard library and attrs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import attrs

from fakes.stability.contract import message

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Answer:
    """One HTTP answer; `outcome` is the log's word for it, `delivery` how it travels."""

    status: int
    body: bytes
    headers: dict[str, str]
    outcome: str
    #: plain, drop (close unanswered), never, cut (close in the middle), trickle (a byte per `pace` s), flood.
    delivery: str = "plain"
    #: Seconds per byte of a trickle.
    pace: float = 1.0
    #: Bytes of a flood.
    size: int = 0


class Refusal(Exception):
    """Ends the handling of a request with an answer other than success."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.outcome)
        self.answer = answer


def new_id() -> str:
    """A request id: 32 hex characters."""
    return os.urandom(16).hex()


def refuse(status: int, name: str, errors: list[str], *, headers: dict[str, str] | None = None) -> Refusal:
    """A v2beta error; its id is the request id, except that a rate limit's is the documented literal."""
    request_id = new_id()
    body = {"errors": errors, "id": name if status == 429 else request_id, "name": name}
    sent = {"content-type": "application/json", "x-request-id": request_id} | (headers or {})
    return Refusal(Answer(status=status, body=_compact(body), headers=sent, outcome=name))


def refuse_as_documented(
    status: int, name: str, response: str, example: str, *, headers: dict[str, str] | None = None
) -> Refusal:
    """A v2beta error with the sentence that the API description stores for it."""
    return refuse(status, name, [message(response, example)], headers=headers)


def refuse_v1(status: int, name: str, text: str) -> Refusal:
    """A v1 error, in the key order seen live."""
    body = {"id": new_id(), "message": text, "name": name}
    return Refusal(
        Answer(status=status, body=_compact(body), headers={"content-type": "application/json"}, outcome=name)
    )


def refuse_in_plain_text(text: str) -> Refusal:
    """The gateway's answer to a form it cannot read."""
    headers = {"content-type": "text/plain; charset=UTF-8", "x-request-id": new_id()}
    return Refusal(Answer(status=400, body=text.encode(), headers=headers, outcome="malformed_form"))


def as_json(value: object, *, status: int = 200, outcome: str) -> Answer:
    """A JSON answer that carries no picture."""
    headers = {"content-type": "application/json", "x-request-id": new_id()}
    return Answer(status=status, body=_compact(value), headers=headers, outcome=outcome)


def picture_as_bytes(picture: bytes, *, kind: str, seed: int, finish_reason: str) -> Answer:
    """A picture as the body; seed and finish reason in headers."""
    headers = {
        "content-type": f"image/{kind}",
        "x-request-id": new_id(),
        "finish-reason": finish_reason,
        "seed": str(seed),
    }
    return Answer(status=200, body=picture, headers=headers, outcome=finish_reason.lower())


def picture_as_json(picture: bytes, *, kind: str, seed: int, finish_reason: str, key: str = "image") -> Answer:
    """A picture as base64 in JSON; seed and finish reason only in the body."""
    body = {key: base64.b64encode(picture).decode(), "seed": seed, "finish_reason": finish_reason}
    headers = {"content-type": f"application/json; type=image/{kind}", "x-request-id": new_id()}
    return Answer(status=200, body=_compact(body), headers=headers, outcome=finish_reason.lower())


async def deliver(answer: Answer, receive: Receive, send: Send) -> bool:
    """Put the answer on the wire in its way; True when the client was seen to leave before it had all."""
    if answer.delivery == "drop":
        _transport(send).abort()
        return False
    if answer.delivery == "never":
        await _gone(receive)
        return True
    size = answer.size if answer.delivery == "flood" else len(answer.body)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    return await _body(answer, receive, send)


async def _body(answer: Answer, receive: Receive, send: Send) -> bool:
    if answer.delivery == "cut":
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        _transport(send).close()
        return False
    if answer.delivery == "plain":
        await send({"type": "http.response.body", "body": answer.body})
        return False
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await (_trickle if answer.delivery == "trickle" else _flood)(answer, gone, send)
        return gone.done()
    finally:
        gone.cancel()


async def _trickle(answer: Answer, gone: asyncio.Future[None], send: Send) -> None:
    for position in range(len(answer.body)):
        last = position + 1 == len(answer.body)
        await send({"type": "http.response.body", "body": answer.body[position : position + 1], "more_body": not last})
        if not last and (await asyncio.wait([gone], timeout=answer.pace))[0]:
            break


async def _flood(answer: Answer, gone: asyncio.Future[None], send: Send) -> None:
    block = bytes(1 << 20)
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    left = answer.size - len(answer.body)
    while left > 0 and not gone.done():
        left -= len(block)
        await send({"type": "http.response.body", "body": block[: len(block) + min(left, 0)], "more_body": left > 0})
        await asyncio.sleep(0)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def has_left(send: Send) -> bool:
    """Whether the client has hung up, as far as anything of that has come."""
    await asyncio.sleep(0)
    # uvicorn's flag. Starlette asks `receive` within a scope that it cancels, a tenth of the time of a whole call.
    left: bool = send.__self__.disconnected  # type: ignore[attr-defined]
    return left


def _transport(send: Send) -> asyncio.Transport:
    # uvicorn's `send` is a method of its request cycle; ASGI itself has no word for breaking a connection.
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
