"""A receiver of webhooks on a real port, that answers each message as it was told to.

May import the standard library only.
"""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    """One message as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


#: What to do with a message: an HTTP status, or something else that the handler of its connection can do.
Plan = int | Callable[[Any], None]


def hang(handler: Any) -> None:
    """Answer nothing until the receiver is closed."""
    handler.server.closing.wait(60)


def hang_up(handler: Any) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def redirect_to(url: str) -> Plan:
    """Answer that it is elsewhere."""

    def plan(handler: Any) -> None:
        handler.send_response(307)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return plan


def busy_for(seconds: str) -> Plan:
    """Answer 503 and ask for time."""

    def plan(handler: Any) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", seconds)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return plan


def flood(handler: Any, size: int = 500_000_000) -> None:
    """Answer 200 with that many bytes, as long as somebody takes them."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()
    part = bytes(1 << 20)
    with suppress(OSError):
        for _ in range(size // len(part)):
            handler.wfile.write(part)
            handler.server.flooded += len(part)
    handler.close_connection = True


def endless_head(handler: Any) -> None:
    """Answer with header lines for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        while not handler.server.closing.is_set():
            handler.wfile.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
    handler.close_connection = True


def forge(handler: Any) -> None:
    """Answer below the TLS session with a record that is none of it."""
    os.write(handler.connection.fileno(), b"\x17\x03\x03\x00\x20" + 32 * b"x")
    handler.close_connection = True


def gibberish(handler: Any) -> None:
    """Answer with something that is no HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with server.lock:
            server.received.append(Received(self.path, headers, body))
            plan = server.plans.pop(0) if server.plans else server.default
        if callable(plan):
            with suppress(OSError):
                plan(self)
            return
        self.send_response(plan)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away is no news."""


class Receiver:
    """Where it listens, what it got, and what it is to answer."""

    def __init__(self, server: Any, scheme: str) -> None:
        self._server = server
        self.port: int = server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """Everything that came, in order."""
        with self._server.lock:
            return list(self._server.received)

    @property
    def flooded(self) -> int:
        """How many bytes of floods the other side's kernel took."""
        return int(self._server.flooded)

    def plan(self, *plans: Plan) -> None:
        """What to do with the next messages, one each; then the default again."""
        with self._server.lock:
            self._server.plans.extend(plans)

    def always(self, plan: Plan) -> None:
        """What to do with every message that no plan is left for."""
        self._server.default = plan


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that answers 204 unless told otherwise; over TLS when given a context."""
    server: Any = _Server(("127.0.0.1", 0), _Handler)
    server.lock, server.received, server.plans, server.default = threading.Lock(), [], [], 204
    server.closing, server.flooded = threading.Event(), 0
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Receiver(server, "http" if context is None else "https")
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
