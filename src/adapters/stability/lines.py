"""Connections to the API, one for each call that runs; imports the core, httpcore, certifi and this folder.

Not httpx: it and the pool below it took twice the processor time of the call itself. httpcore's pool looks at each of its
connections at every request and closes idle ones as soon as there are more than may be kept, busy ones counted.
"""

import os
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, unquote, urlsplit

import certifi
import httpcore

from adapters.stability.settings import StabilitySettings

#: How long an idle connection is kept, in s: shorter than any server on the way is known to keep it.
_KEEP_S = 5.0
#: The usual port of each scheme.
PORTS = {"http": 80, "https": 443}


class Lines:
    """Connections, the last one used first; how many there are is the gate's business."""

    def __init__(self, settings: StabilitySettings) -> None:
        self._settings = settings
        parts = urlsplit(settings.base_url)
        host = (parts.hostname or "").encode("idna")
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
            (b"user-agent", b"imaging-service"),
            (b"stability-client-id", b"imaging-service"),
        ]
        # Reading the certificates takes longer than a call on loopback, so it is done once, and not for nothing.
        self._trusted = _trusted() if parts.scheme == "https" else None
        self._maker: httpcore.AsyncConnectionPool | None = None
        self._free: list[httpcore.AsyncConnectionInterface] = []
        self._open: set[httpcore.AsyncConnectionInterface] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpcore.AsyncConnectionInterface]:
        """A connection that nobody else uses meanwhile. Raises httpcore.ProxyError for a proxy of a kind that is not known."""
        line = await self._idle() or self._new()
        try:
            yield line
        finally:
            if line.is_available():
                self._free.append(line)
            else:
                # Broken, or with an answer that was not read to its end.
                await self._close(line)

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
        # For all else there is the time-out of the whole call, and a timer less at each read.
        extensions = {"timeout": {"connect": self._settings.connect_timeout_s}}
        content = None if body is None else body[1]
        return httpcore.Request(
            method.encode(), url, headers=[*self._headers, *told], content=content, extensions=extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for line in tuple(self._open):
            await self._close(line)

    async def _idle(self) -> httpcore.AsyncConnectionInterface | None:
        while self._free:
            line = self._free.pop()
            # Also what the server closed meanwhile: a call that was sent over it would be in doubt.
            if line.is_available() and not line.has_expired():
                return line
            await self._close(line)
        return None

    def _new(self) -> httpcore.AsyncConnectionInterface:
        if self._maker is None:
            # It pools nothing here: it knows what kind of connection goes through a proxy.
            proxy = _proxy_for(self._scheme, self._host)
            self._maker = httpcore.AsyncConnectionPool(ssl_context=self._trusted, proxy=proxy, keepalive_expiry=_KEEP_S)
        line = self._maker.create_connection(self._origin)
        self._open.add(line)
        return line

    async def _close(self, line: httpcore.AsyncConnectionInterface) -> None:
        self._open.discard(line)
        await line.aclose()


def _trusted() -> ssl.SSLContext:
    """Whom to trust: certifi's list, or what the variables say that OpenSSL knows."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())


def _proxy_for(scheme: str, host: str) -> httpcore.Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system, name for a host."""
    known = urllib.request.getproxies()
    told = known.get(scheme) or known.get("all")
    if not told or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(told if "://" in told else f"http://{told}")
    if parts.scheme not in PORTS or not parts.hostname:
        raise httpcore.ProxyError("a proxy must look like http://host:port")
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    port = parts.port or PORTS[parts.scheme]
    address = httpcore.URL(scheme=parts.scheme.encode(), host=parts.hostname.encode("idna"), port=port, target=b"/")
    return httpcore.Proxy(address, auth=auth)
