"""The faults that tests order: for the next calls, for prompts with a marker, or by `[name]` or `[name=value]` in a prompt.

May import the standard library and attrs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from fakes.stability import pictures
from fakes.stability.wire import Answer, Refusal, new_id, refuse, refuse_as_documented

_MARKER = re.compile(r"\[([a-z0-9-]+)(?:=([^\]]*))?\]")

#: Refusals before anything runs, never charged: status, name, response and example in the API description.
_REFUSALS = {
    "unauthorized": (401, "unauthorized", "Unauthorized", "verbatim"),
    "payment-required": (402, "payment_required", "PaymentRequired", "verbatim"),
    "moderated": (403, "content_moderation", "ContentModerated", "documented"),
    "too-large": (413, "payload_too_large", "PayloadTooLarge", "documented"),
    "invalid-language": (422, "invalid_language", "Rejected", "language"),
    "public-figure": (422, "public_figure", "Rejected", "public figure"),
    "rate-limited": (429, "rate_limit_exceeded", "RateLimited", "documented"),
    "not-found": (404, "generation_not_found", "GenerationNotFound", "documented"),
}
#: Failures of a run: not charged, since the API promises that a failed generation costs nothing.
_FAILURES = ("server-error", "gateway-error")
#: Runs that end well, and are charged, but whose answer is late or bad.
_SPOILT = (
    "filtered",
    "unknown-finish-reason",
    "no-finish-reason",
    "no-seed",
    "bad-seed",
    "slow",
    "trickle",
    "never",
    "drop",
    "cut",
    "html",
    "empty",
    "not-a-picture",
    "truncated",
    "wrong-format",
    "wrong-label",
    "pixel-bomb",
    "oversize",
    "gzip-bomb",
    "redirect",
    "bad-json",
    "bad-base64",
)
NAMES = (*_REFUSALS, "bad-request", *_FAILURES, *_SPOILT)

#: Those of them that change what is sent; the other two change the run.
SPOIL_THE_ANSWER = frozenset(_SPOILT) - {"filtered", "slow"}

#: The gateway gave up waiting, not the backend: these gateway errors hide a run that was paid for.
_CHARGED_GATEWAY = {"504", "524"}


@attrs.frozen(kw_only=True)
class Fault:
    """One thing to go wrong; `value` is its parameter (seconds, status, MiB, header text), empty for the default."""

    name: str
    value: str = ""
    #: Overrides whether the call is charged.
    charged: bool | None = None

    def takes_credits(self) -> bool:
        """Whether a call that meets this fault is paid for."""
        if self.charged is not None:
            return self.charged
        if self.name == "gateway-error":
            return self.value in _CHARGED_GATEWAY
        return self.name in _SPOILT


@attrs.define(kw_only=True)
class Order:
    """A fault for calls yet to come."""

    fault: Fault
    #: Calls left to spoil; None = all.
    times: int | None = 1
    #: Text that the prompt must contain; empty = any.
    marker: str = ""
    #: Beginning of the paths it concerns.
    path: str = "/v2beta/stable-image/"


class Faults:
    """The orders in force, oldest first."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def order(self, wish: Mapping[str, Any]) -> None:
        """Take an order `{fault, value?, charged?, times?, marker?, path?}`; raises ValueError for an unknown fault."""
        name = wish.get("fault")
        if name not in NAMES:
            raise ValueError(f"There is no fault named {name!r}. There are: {', '.join(NAMES)}.")
        fault = Fault(name=name, value=str(wish.get("value", "")), charged=wish.get("charged"))
        extra = {key: wish[key] for key in ("times", "marker", "path") if key in wish}
        self._orders.append(Order(fault=fault, **extra))

    def clear(self) -> None:
        """Forget every order."""
        self._orders.clear()

    def meet(self, path: str, prompt: str) -> list[Fault]:
        """The faults of one call: those named in its prompt, then the oldest order that fits, which is used up by one."""
        found = [Fault(name=m[1], value=m[2] or "") for m in _MARKER.finditer(prompt) if m[1] in NAMES]
        for order in self._orders:
            if path.startswith(order.path) and order.marker in prompt:
                if order.times is not None:
                    order.times -= 1
                    if order.times <= 0:
                        self._orders.remove(order)
                return [*found, order.fault]
        return found


def refusal(fault: Fault) -> Refusal | None:
    """The refusal that the fault asks for before the run, or None."""
    if fault.name == "bad-request":
        return refuse(400, "bad_request", [fault.value or "prompt: required"])
    if fault.name not in _REFUSALS:
        return None
    headers = {"retry-after": fault.value} if fault.value else None
    return refuse_as_documented(*_REFUSALS[fault.name], headers=headers)


def failure(fault: Fault) -> Refusal | None:
    """The failed run that the fault asks for, or None."""
    if fault.name == "server-error":
        return refuse_as_documented(500, "internal_error", "InternalError", "documented")
    if fault.name == "gateway-error":
        status = int(fault.value or "502")
        page = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
        headers = {"content-type": "text/html; charset=UTF-8"}
        return Refusal(Answer(status=status, body=page.encode(), headers=headers, outcome=f"gateway_{status}"))
    return None


def spoil(answer: Answer, fault: Fault) -> Answer:  # noqa: C901 -- a catalogue, one line each
    """The answer as the fault leaves it; for the names in SPOIL_THE_ANSWER."""
    bad = attrs.evolve(answer, outcome=fault.name)
    match fault.name:
        case "drop" | "never" | "cut":
            return attrs.evolve(bad, delivery=fault.name)
        case "trickle":
            return attrs.evolve(bad, delivery="trickle", pace=float(fault.value or "1"))
        case "html":
            return _body(bad, b"<html><body>It works!</body></html>", "text/html; charset=UTF-8")
        case "empty":
            return _body(bad, b"")
        case "not-a-picture":
            return _body(bad, b"this is no picture " * 64)
        case "truncated":
            return _body(bad, answer.body[: len(answer.body) // 2])
        case "wrong-format":
            return _body(bad, b"GIF89a" + bytes(64))
        case "wrong-label":
            other = "png" if "jpeg" in answer.headers["content-type"] else "jpeg"
            return _body(bad, pictures.template(width=64, height=64, kind=other).stamped(""))
        case "pixel-bomb":
            return _body(bad, pictures.pixel_bomb())
        case "oversize":
            size = int(fault.value or "500") << 20
            return attrs.evolve(bad, delivery="flood", body=answer.body[:64], size=size)
        case "gzip-bomb":
            headers = answer.headers | {"content-encoding": "gzip"}
            return attrs.evolve(bad, body=pictures.gzip_bomb(int(fault.value or "500")), headers=headers)
        case "redirect":
            headers = {"location": fault.value or "/__redirected", "x-request-id": new_id()}
            return attrs.evolve(bad, status=302, body=b"", headers=headers)
        case "bad-json":
            return _body(bad, b'{"image": "aGVsbG8', "application/json; type=image/png")
        case _:
            return _header(bad, fault)


def _header(answer: Answer, fault: Fault) -> Answer:
    """Faults in the facts around the picture, whether they travel in headers or in the JSON body."""
    if answer.headers["content-type"].startswith("application/json"):
        body = json.loads(answer.body)
        changed = {
            key: value for key, value in _facts(body, fault, "finish_reason", "seed").items() if value is not None
        }
        return attrs.evolve(answer, body=json.dumps(changed).encode())
    if fault.name == "bad-base64":
        return answer  # bytes have none
    changed = _facts(answer.headers, fault, "finish-reason", "seed")
    return attrs.evolve(answer, headers={key: value for key, value in changed.items() if value is not None})


def _facts(facts: Mapping[str, Any], fault: Fault, finish_reason: str, seed: str) -> dict[str, Any]:
    changes: dict[str, dict[str, Any]] = {
        "no-finish-reason": {finish_reason: None},
        "unknown-finish-reason": {finish_reason: fault.value or "ERROR"},
        "no-seed": {seed: None},
        "bad-seed": {seed: fault.value or "many"},
        "bad-base64": {"image": "@@@ not base64 @@@"},
    }
    return dict(facts) | changes.get(fault.name, {})


def _body(answer: Answer, body: bytes, content_type: str | None = None) -> Answer:
    headers = answer.headers | ({"content-type": content_type} if content_type else {})
    return attrs.evolve(answer, body=body, headers=headers)
