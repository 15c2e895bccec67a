"""What adapters that call others share of httpcore: connections that get closed, and why none came about; imports httpcore."""

import socket
import ssl
from collections.abc import Iterable

import httpcore

#: What a failed connection says about its cause; the first that fits, looking from the outermost error inwards. httpx
#: raises its errors from httpcore's.
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (httpcore.ConnectTimeout, "no connection came about in time"),
    (TimeoutError, "no connection came about in time"),
    (httpcore.PoolTimeout, "all connections were busy for too long"),
    (httpcore.ProxyError, "the HTTP proxy did not let the connection through, or is none"),
    (socket.gaierror, "its name cannot be resolved"),
    (ssl.SSLError, "its TLS certificate is not accepted"),
    (ConnectionRefusedError, "the connection was refused"),
)


def why_not(error: Exception) -> str:
    """Half a sentence about an error of httpcore or httpx that came up before anything was sent."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, reason in _CAUSES:
            if isinstance(cause, kind):
                return reason
        cause = cause.__cause__ or cause.__context__
    return "the connection failed"


class Network(httpcore.AnyIOBackend):
    """Knows what it opened: httpcore lets go of a connection whose TLS handshake is cancelled without closing it."""

    def __init__(self) -> None:
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection, to be closed with this."""
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        self._opened.append(stream)
        return stream

    async def aclose(self) -> None:
        """Close the connections."""
        for stream in self._opened:
            await stream.aclose()
