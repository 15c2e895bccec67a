"""What every answer passes through: no stack leaves, no body is left unread, browsers get their headers; imports Starlette."""

import logging
from collections.abc import Iterable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.api.problems import Problem

log = logging.getLogger("imaging.api")

#: In the scope of a HEAD request, which is otherwise routed and answered as GET; the server leaves the body out.
HEAD = "imaging.head"

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

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        root = scope.get("root_path", "").encode("latin-1")
        exchange = _Exchange(receive, send, sends_body=_announces_body(scope["headers"]), root=root)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            log.debug("A client went away before its request was whole.")
        except Exception as error:
            log.exception("A request failed.", extra={"method": scope["method"], "route": _route(scope)})
            if exchange.started:
                # Half an answer cannot be mended: the server cuts the connection, so that it is not taken for a whole one.
                raise
            detail = "This is a fault of the service. Its log says more."
            problem = Problem("internal", 500, detail, extra={"code": type(error).__name__})
            await problem.response()(scope, receive, exchange.send)


class _Exchange:
    """One request and its answer, as they pass."""

    __slots__ = ("_receive", "_root", "_send", "_unread", "started")

    def __init__(self, receive: Receive, send: Send, *, sends_body: bool, root: bytes) -> None:
        self._receive = receive
        self._send = send
        self._unread = sends_body
        self._root = root
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = message.setdefault("headers", [])
            if self._root:
                # A proxy in front shows us below a path, and clients must find their way through it.
                headers[:] = [(n, self._root + v if n == b"location" and v[:1] == b"/" else v) for n, v in headers]
            headers.extend(_SECURITY)
            if not any(name == b"content-security-policy" for name, _ in headers):
                headers.append(_POLICY)
            if self._unread:
                # Else the rest of the body would hold the connection for as long as its sender likes.
                headers.append((b"connection", b"close"))
        await self._send(message)


def _announces_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0") for name, value in headers
    )


def _route(scope: Scope) -> str:
    """The route's pattern, never the path: that may hold anything."""
    return getattr(scope.get("route"), "path", "")
