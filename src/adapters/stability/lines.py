"""Connections to the API, one client for each call that runs; imports httpx and this folder.

httpcore's pool looks at each of its connections at every request and closes idle ones as soon as there are more than may be
kept, busy ones counted: with a hundred calls at a time most of a burst's time went there, and each call connected anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from adapters.stability.settings import StabilitySettings


class Lines:
    """Clients of one connection each, the last one used first; how many there are is the gate's business."""

    def __init__(self, settings: StabilitySettings) -> None:
        self._settings = settings
        self._free: list[httpx.AsyncClient] = []
        self._all: list[httpx.AsyncClient] = []
        self._urls: dict[str, httpx.URL] = {}
        # Reading the certificates takes longer than a call on loopback, so it is done once.
        self._trusted = httpx.create_ssl_context()

    @contextmanager
    def one(self) -> Iterator[httpx.AsyncClient]:
        """A client that nobody else uses meanwhile."""
        client = self._free.pop() if self._free else self._new()
        try:
            yield client
        finally:
            self._free.append(client)

    def url(self, path: str) -> httpx.URL:
        """Where a path of the API is; httpx would put it together, and quote it, for each call."""
        if path not in self._urls:
            self._urls[path] = httpx.URL(self._settings.base_url.rstrip("/") + path)
        return self._urls[path]

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._all:
            await client.aclose()

    def _new(self) -> httpx.AsyncClient:
        settings = self._settings
        client = httpx.AsyncClient(
            headers={
                "authorization": f"Bearer {settings.key.reveal}",
                "accept-encoding": "identity",
                "stability-client-id": "imaging-service",
            },
            timeout=httpx.Timeout(settings.total_timeout_s, connect=settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=5.0),
            follow_redirects=False,
            verify=self._trusted,
            trust_env=True,
        )
        self._all.append(client)
        return client
