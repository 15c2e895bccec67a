"""The seam to one WebUI: sends a request, reads no more than it should, and gives JSON or one of our errors.

May import the core, httpx and this folder.
"""

import asyncio
import contextlib
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.sdwebui.failures import BROKEN, bad_answer, error_for, foreign_errors_as_ours, no_api
from adapters.sdwebui.settings import SdWebuiSettings

#: Largest answer to a question, and how much of an error is read, in bytes.
_QUESTION_BYTES = 8 * 1024 * 1024
_ERROR_BYTES = 64 * 1024
_ERROR_S = 5.0


class NoSuchRoute(Exception):
    """This server has no such route: an answer like any other, since older and kindred servers lack some."""


class Wire:
    """One instance's HTTP client. Constructing does nothing; `open` and `close` belong to one event loop."""

    def __init__(self, url: str, settings: SdWebuiSettings) -> None:
        self._url = url
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        parts = urlsplit(url)
        #: The address as people may see it.
        self.where = f"{parts.netloc}{parts.path}"

    def open(self) -> None:
        """Make the client; it connects with the first request."""
        user, _, password = (self._settings.auth or "").partition(":")
        self._client = httpx.AsyncClient(
            base_url=self._url,
            auth=httpx.BasicAuth(user, password) if self._settings.auth else None,
            # No connection is used twice: whatever a server or gateway says beyond the end of an answer would be taken
            # for the answer to the next request, and one user's picture be shown to another.
            headers={"accept": "application/json", "accept-encoding": "identity", "connection": "close"},
            timeout=httpx.Timeout(self._settings.total_timeout_s, connect=self._settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=None),
            follow_redirects=False,
            trust_env=False,
            verify=_certificates(self._url),
        )

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer to a question. Raises NoSuchRoute for a 404 of the router, else GenerationError."""
        raw = await self._send(
            method,
            path,
            body,
            timeout_s=self._settings.question_timeout_s,
            limit=_QUESTION_BYTES,
            job=False,
            secrets=(),
        )
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise bad_answer(self.where, "a question with something that is no JSON; check its address") from error

    async def make(self, body: object, *, secrets: tuple[str, ...], route: str = "txt2img") -> bytes:
        """The raw answer of a route that makes pictures, after they are done. Raises GenerationError."""
        try:
            return await self._send(
                "POST",
                f"/sdapi/v1/{route}",
                body,
                timeout_s=self._settings.total_timeout_s,
                limit=self._settings.max_answer_bytes,
                job=True,
                secrets=secrets,
            )
        except NoSuchRoute as error:
            raise no_api(self.where) from error

    async def _send(
        self, method: str, path: str, body: object, *, timeout_s: float, limit: int, job: bool, secrets: tuple[str, ...]
    ) -> bytes:
        if self._client is None:
            raise RuntimeError("SdWebuiGenerator must be opened with 'async with' before it is used")
        hidden = (*secrets, (self._settings.auth or "").partition(":")[2])
        with foreign_errors_as_ours(self.where, job=job):
            # A read time-out alone would let a byte now and then go on for days.
            async with asyncio.timeout(timeout_s):
                request = self._client.build_request(method, path, json=body)
                response = await self._client.send(request, stream=True)
                try:
                    if response.status_code == 200:
                        return await self._read(response, limit)
                    error_body = await _beginning(response)
                finally:
                    await response.aclose()
        if response.status_code in (404, 405) and _is_router(error_body):
            raise NoSuchRoute(path)
        raise error_for(response.status_code, error_body, where=self.where, secrets=hidden)

    async def _read(self, response: httpx.Response, limit: int) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            # We ask for identity, so this is something that we did not ask for and could not bound.
            raise bad_answer(self.where, "in an encoding that was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                what = f"with more than {limit >> 20} MB; ask for fewer or smaller pictures in one call"
                raise bad_answer(self.where, what, retryable=False)
        return bytes(body)


def _certificates(url: str) -> ssl.SSLContext:
    """Whom to trust: the usual authorities, or nobody where no TLS is spoken, since loading them takes 50 ms."""
    if urlsplit(url).scheme == "https":
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _beginning(response: httpx.Response) -> bytes:
    """The start of an error's body: its status says enough, so a slow or broken one is cut short."""
    body = bytearray()
    with contextlib.suppress(*BROKEN):
        async with asyncio.timeout(_ERROR_S):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= _ERROR_BYTES:
                    break
    return bytes(body)


def _is_router(body: bytes) -> bool:
    try:
        return bool(json.loads(body) in ({"detail": "Not Found"}, {"detail": "Method Not Allowed"}))
    except (ValueError, RecursionError):
        return False
