"""A connection to the API for each call; imports httpcore, certifi, `network` and this folder.

None is used twice. Whatever a server or gateway says beyond the end of an answer (the same answer again, more than its
Content-Length tells) stays in the buffers of a connection that is kept, and httpcore takes it for the answer to the next
request: one user's picture would be shown to another. Not httpx: it took twice the processor time of the call itself.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import certifi
import httpcore

from adapters.network import Network
from adapters.stability.failures import Sending
from adapters.stability.proxies import proxy_for
from adapters.stability.settings import PORTS, StabilitySettings, ascii_host


class Lines:
    """Opens a connection for each call; how many there are is the gate's business."""

    def __init__(self, settings: StabilitySettings) -> None:
        self._settings = settings
        parts = urlsplit(settings.base_url)
        host = ascii_host(parts.hostname or "")
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        #: None for the usual one, which nobody names.
        self._port = None if parts.port == PORTS[parts.scheme] else parts.port
        self._path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
        self._origin = httpcore.Origin(parts.scheme.encode(), host, parts.port or PORTS[parts.scheme])
        bracketed = b"[%b]" % host if b":" in host else host
        #: What every request says.
        self._headers = [
            (b"host", bracketed if self._port is None else b"%b:%d" % (bracketed, self._port)),
            (b"authorization", f"Bearer {settings.key.reveal}".encode()),
            (b"accept-encoding", b"identity"),
            (b"connection", b"close"),
            (b"user-agent", b"imaging-service"),
            (b"stability-client-id", b"imaging-service"),
        ]
        # Reading the certificates takes longer than a call on loopback, so it is done once, and not for nothing.
        self._trusted = _trusted() if parts.scheme == "https" else None

    @asynccontextmanager
    async def answer_to(
        self, request: httpcore.Request, sending: Sending, *, timeout_s: float
    ) -> AsyncIterator[httpcore.Response]:
        """The answer to a request, over a connection of its own that is closed afterwards, whatever happens.

        `timeout_s` is for everything up to the end of the block, of which connecting may take `connect_timeout_s`. Raises
        httpcore's errors, OSError and TimeoutError; httpcore.ProxyError also for a proxy that is none.
        """
        begun = asyncio.get_running_loop().time()
        network = Network()
        # A read time-out alone would let a byte now and then go on for days.
        async with asyncio.timeout(min(self._settings.connect_timeout_s, timeout_s)) as limit, aclosing(network):

            async def note(event: str, about: Mapping[str, Any]) -> None:
                # What a proxy is asked before, it is asked with CONNECT.
                if event == "http11.send_request_headers.started" and about["request"].method != b"CONNECT":
                    sending.begun = True
                    limit.reschedule(begun + timeout_s)

            request.extensions["trace"] = note
            response = await self._line(network).handle_async_request(request)
            async with aclosing(response):
                yield response

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: tuple[str, bytes] | None = None
    ) -> httpcore.Request:
        """A request for a path of the API; a body comes with its media type."""
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        if body is not None:
            told += [(b"content-type", body[0].encode()), (b"content-length", b"%d" % len(body[1]))]
        origin = self._origin
        url = httpcore.URL(
            scheme=origin.scheme, host=origin.host, port=self._port, target=(self._path + path).encode("ascii")
        )
        content = None if body is None else body[1]
        return httpcore.Request(method.encode(), url, headers=[*self._headers, *told], content=content)

    def _line(self, network: Network) -> httpcore.AsyncConnectionInterface:
        # The pool keeps nothing here: it knows what kind of connection goes through a proxy.
        pool = httpcore.AsyncConnectionPool(ssl_context=self._trusted, proxy=self._proxy, network_backend=network)
        return pool.create_connection(self._origin)

    @cached_property
    def _proxy(self) -> httpcore.Proxy | None:
        return proxy_for(self._scheme, self._host, self._origin.port)


def _trusted() -> ssl.SSLContext:
    """Whom to trust: certifi's list, or what the variables say that OpenSSL knows."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
