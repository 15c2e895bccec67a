"""What every answer passes through: it gets an id and is counted, no stack leaves, no body is left unread, browsers get their headers.

Imports Starlette, the ids of requests and this package.
"""

import logging
from collections.abc import Iterable
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints import request_ids
from entrypoints.api.callers import CALLER
from entrypoints.api.figures import NO_ROUTE, HttpFigures, route_of
from entrypoints.api.problems import Problem
from imaging_core.faults import log_fault

log = logging.getLogger("imaging.api")
access_log = logging.getLogger("imaging.access_log")

#: In the scope of a HEAD request, which is otherwise routed and answered as GET; the server leaves the body out.
HEAD = "imaging.head"
#: In the scope of every request: its id, which its log lines and its answer carry.
REQUEST_ID = "imaging.request_id"
#: Asked for by machines every few seconds: not in the access log while all is well.
_ROUTINE = frozenset({"/livez", "/readyz", "/metrics"})

_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    # Not same-origin: the GUI shows pictures on another port of the same host.
    (b"cross-origin-resource-policy", b"same-site"),
)
#: For every answer that does not bring its own: nothing in it may run or load anything.
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox")


class Edge:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, *, figures: HttpFigures, access_lines: bool = False) -> None:
        """With `access_lines` there is a log line for each request."""
        self._app = app
        self._figures = figures
        self._access_lines = access_lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        method = scope["method"]
        sends_body, given = _read(scope["headers"])
        ident = request_ids.request_id(given)
        scope[REQUEST_ID] = ident
        if method == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        root = scope.get("root_path", "").encode("latin-1")
        exchange = _Exchange(receive, send, sends_body=sends_body, root=root, ident=ident.encode("ascii"))
        token = request_ids.enter(ident)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            log.debug("A client went away before its request was whole.")
        except Exception as error:
            log_fault(log, "A request failed.", error, {"method": method, "route": route_of(scope)})
            if exchange.status:
                # Half an answer cannot be mended: the server cuts the connection, so that it is not taken for a whole one.
                raise
            detail = "This is a fault of the service. Its log says more, under the request's id."
            extra = {"code": type(error).__name__, "request_id": ident}
            await Problem("internal", 500, detail, extra=extra).response()(scope, receive, exchange.send)
        finally:
            seconds = perf_counter() - began
            route = route_of(scope)
            self._figures.answered(route, method, exchange.status, seconds)
            if self._access_lines and (exchange.status != 200 or route not in _ROUTINE):
                _tell(scope, method, route, exchange.status, seconds)
            request_ids.leave(token)


def _tell(scope: Scope, method: str, route: str, status: int, seconds: float) -> None:
    facts: dict[str, object] = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
    image_id = (scope.get("path_params") or {}).get("image_id") if route != NO_ROUTE else None
    if image_id is not None and status < 400:
        facts["job_id"] = image_id
    key_id = getattr(scope.get(CALLER), "key_id", None)
    if key_id:
        facts["key"] = key_id
    access_log.info("A request was answered." if status else "A client went away.", extra=facts)


class _Exchange:
    """One request and its answer, as they pass."""

    __slots__ = ("_ident", "_receive", "_root", "_send", "_unread", "status")

    def __init__(self, receive: Receive, send: Send, *, sends_body: bool, root: bytes, ident: bytes) -> None:
        self._receive = receive
        self._send = send
        self._unread = sends_body
        self._root = root
        self._ident = ident
        #: Of the answer; 0 before it begins.
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            if self._root:
                # A proxy in front shows us below a path, and clients must find their way through it.
                headers[:] = [(n, self._root + v if n == b"location" and v[:1] == b"/" else v) for n, v in headers]
            names = {name for name, _ in headers}
            if b"x-request-id" in names:
                # There is one id, and the log lines have it.
                headers[:] = [header for header in headers if header[0] != b"x-request-id"]
            headers.append((b"x-request-id", self._ident))
            headers.extend(_SECURITY)
            if b"content-security-policy" not in names:
                headers.append(_POLICY)
            if self._unread:
                # Else the rest of the body would hold the connection for as long as its sender likes.
                headers.append((b"connection", b"close"))
        await self._send(message)


def _read(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bool, bytes | None]:
    """Whether a request announces a body, and the id that it brings."""
    sends_body, ident = False, None
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0"):
            sends_body = True
        elif name == b"x-request-id":
            ident = value
    return sends_body, ident
