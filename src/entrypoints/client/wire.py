"""What both clients share of httpx: its settings, answers and errors in this package's words; imports httpx."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from entrypoints.client.calls import Call
from entrypoints.client.errors import ServiceUnreachable
from entrypoints.client.reading import Answer

DEFAULT_URL = "http://127.0.0.1:8000"

#: Answers of a gateway that found nobody behind it.
_GATEWAY_ERRORS = frozenset({502, 504})


def settings(url: str, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """Arguments of an httpx client."""
    return {
        "base_url": url,
        "headers": {"authorization": f"Bearer {api_key}"} if api_key else {},
        "timeout": patience(timeout_s),
        # A picture may be elsewhere; httpx sends the key to no other origin.
        "follow_redirects": True,
        # The service is ours: a proxy meant for the outside world has no business between us.
        "trust_env": False,
    }


def patience(timeout_s: float) -> httpx.Timeout:
    """Longest wait for the next bytes, in s; connecting is given 3 s at most."""
    return httpx.Timeout(timeout_s, connect=min(3.0, timeout_s))


def arguments(call: Call[Any], timeout_s: float) -> dict[str, Any]:
    """Arguments of one request."""
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params,
        "json": call.json,
        "headers": dict(call.headers),
        # A call that waits on purpose is given that time on top.
        "timeout": patience(timeout_s + call.waits_s),
    }


def answer(response: httpx.Response, url: str) -> Answer:
    """The answer, its content having been read. Raises ServiceUnreachable for that of a gateway."""
    headers = lowered(response)
    found = Answer(status=response.status_code, headers=headers, content=response.content)
    if found.status in _GATEWAY_ERRORS and found.media_type != "application/problem+json":
        raise ServiceUnreachable(url, f"a gateway answered {found.status}", sent=True)
    return found


def lowered(response: httpx.Response) -> Mapping[str, str]:
    """The headers, their names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers goes on."""
    return headers.get("content-type", "").startswith("text/event-stream")


def unreachable(url: str, error: httpx.RequestError) -> ServiceUnreachable:
    """What went wrong on the way."""
    if isinstance(error, httpx.UnsupportedProtocol):
        reason = "the address must begin with http:// or https://"
        return ServiceUnreachable(url, reason, sent=False, lasting=True)
    for kind, reason, sent in (
        (httpx.ConnectTimeout, "connecting took too long", False),
        (httpx.PoolTimeout, "too many requests are under way here", False),
        (httpx.ConnectError, f"no connection to {urlsplit(url).hostname}", False),
        (httpx.TimeoutException, "it took too long", True),
        (httpx.DecodingError, "its answer was garbled", True),
    ):
        if isinstance(error, kind):
            return ServiceUnreachable(url, reason, sent=sent)
    return ServiceUnreachable(url, "the connection broke", sent=True)
