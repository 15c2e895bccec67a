"""What people are told of a connection that did not come about."""

import socket
import ssl

import httpcore
import httpx
import pytest

from adapters.connecting import why_not


def raised(error: Exception, cause: BaseException) -> Exception:
    """The error as the libraries raise it, from what they met."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (raised(httpx.ConnectTimeout(""), httpcore.ConnectTimeout()), "no connection came about in time"),
        (raised(httpx.PoolTimeout(""), httpcore.PoolTimeout()), "all connections were busy for too long"),
        (httpcore.ProxyError(), "the HTTP proxy did not let the connection through, or is none"),
        (raised(httpcore.ConnectError(), socket.gaierror()), "its name cannot be resolved"),
        (
            raised(httpx.ConnectError(""), raised(httpcore.ConnectError(), ssl.SSLCertVerificationError())),
            "its TLS certificate is not accepted",
        ),
        (raised(httpcore.ConnectError(), ConnectionRefusedError()), "the connection was refused"),
        (httpx.ConnectError("10.1.2.3 said no"), "the connection failed"),
    ],
)
def test_the_innermost_cause_that_says_something_is_told(error: Exception, reason: str) -> None:
    assert why_not(error) == reason
