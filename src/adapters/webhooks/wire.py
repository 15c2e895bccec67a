"""One POST to an address that was checked before; imports httpcore, and is itself imported with the first message.

httpcore follows no redirect, decodes nothing, keeps no cookie and knows no proxy variable. TLS is verified against the
URL's name although the connection goes to the checked address.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import cache

import attrs
import httpcore
import httpx

from adapters.network import Network
from adapters.webhooks.addresses import Address
from adapters.webhooks.targets import Target

#: How much of an answer's body is read, in bytes, and for how long, in s: nothing depends on it, but a receiver that is
#: cut off in the middle may take that for an error.
BODY_BYTES = 65_536
BODY_S = 2.0
#: Longest wait for one connection, in s: after it the name's next address gets a chance.
CONNECT_S = 5.0


@attrs.frozen(kw_only=True)
class Answer:
    """The head of an answer."""

    status: int
    headers: Mapping[bytes, bytes]


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to none but these addresses, whatever name it is asked for."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._network = Network()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # resolved and checked before
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that takes one."""
        last: Exception | None = None
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or httpcore.ConnectError("there is no address")

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  # none is ever asked for
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise httpcore.ConnectError("no message goes to a socket file")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._network.aclose()


@cache
def _trust() -> ssl.SSLContext:
    # certifi's list, or what SSL_CERT_FILE names.
    return httpx.create_ssl_context()


async def post(target: Target, addresses: Sequence[Address], headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer to a POST. Raises what httpcore raises."""
    url = httpcore.URL(
        scheme="https" if target.secure else "http", host=target.host, port=target.port, target=target.path
    )
    # Read in a thread, since the list is long; the first time only.
    trust = await asyncio.to_thread(_trust) if target.secure else None
    timeouts = {"connect": CONNECT_S, "read": None, "write": None, "pool": None}
    async with (
        aclosing(Pinned(addresses)) as network,
        # A connection of its own, so that the address is checked for each message.
        httpcore.AsyncConnectionPool(
            ssl_context=trust,
            network_backend=network,
            max_connections=1,
            max_keepalive_connections=0,
        ) as pool,
        pool.stream(
            "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
        ) as response,
    ):
        answer = Answer(status=response.status, headers={name.lower(): value for name, value in response.headers})
        await _skim(response)
    return answer


async def _skim(response: httpcore.Response) -> None:
    read = 0
    with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, ssl.SSLError):
        async with asyncio.timeout(BODY_S):
            async for part in response.aiter_stream():
                read += len(part)
                if read > BODY_BYTES:
                    return
