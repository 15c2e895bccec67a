"""Why a connection did not come about, for the adapters that call others; imports httpcore."""

import socket
import ssl

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
