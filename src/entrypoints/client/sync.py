"""Sends the calls over httpx, blocking; imports httpx. An async client would differ in this file alone."""

import time
from collections.abc import Collection
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import httpx

from entrypoints.client import calls, key_calls
from entrypoints.client.calls import Call
from entrypoints.client.errors import ApiError, ServiceUnreachable
from entrypoints.client.reading import Answer
from entrypoints.client.values import Backends, JobInfo, JobsPage, Picture, Submitted
from imaging_core.images import OptionValue
from imaging_core.jobs import JobStatus

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"

#: Answers of a gateway that found nobody behind it.
_GATEWAY_ERRORS = frozenset({502, 504})


class ImagingClient:
    """The service over HTTP; may be shared between threads.

    Every method raises ApiError when the service says no, and ServiceUnreachable when no answer came.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`api_key` is sent with every request, if there is one.

        `timeout_s` bounds each wait for the next bytes; connecting is given 3 s at most.
        """
        self.url = url.rstrip("/")
        # The service is ours: a proxy meant for the outside world has no business between us.
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(3.0, timeout_s)),
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def backends(self) -> Backends:
        """Every backend: what it can do, whether it answers now, how busy it is."""
        return self._send(calls.backends())

    def submit(
        self,
        prompt: str,
        *,
        backend: str | None = None,
        idempotency_key: str | None = None,
        **settings: OptionValue | None,
    ) -> Submitted:
        """Queue a job and come back at once. A repeat under the same idempotency key gives the same job."""
        return self._send(calls.submit(prompt, backend, settings, idempotency_key))

    def status(self, image_id: str) -> JobInfo:
        """How far a job is."""
        return self._send(calls.status(image_id))

    def wait(self, image_id: str, *, timeout_s: float | None = None, poll_s: float = 0.25) -> JobInfo:
        """The job once it has ended, however it ended. Raises TimeoutError when it has not within `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            seen = self.status(image_id)
            if seen.status.terminal:
                return seen
            if deadline is not None and time.monotonic() + poll_s > deadline:
                raise TimeoutError(f"Job {image_id} is still {seen.status} after {timeout_s} s.")
            time.sleep(poll_s)

    def job(self, image_id: str) -> JobInfo:
        """Everything about a job, what it asked for included."""
        return self._send(calls.job(image_id))

    def jobs(
        self,
        *,
        cursor: str | None = None,
        status: JobStatus | Collection[JobStatus] = (),
        backend: str | None = None,
        limit: int = 50,
    ) -> JobsPage:
        """A page of jobs, newest first; of one status or several, all when empty."""
        statuses = (status,) if isinstance(status, JobStatus) else status
        return self._send(calls.jobs(cursor, statuses, backend, limit))

    def image(self, image_id: str, index: int = 0) -> Picture:
        """A finished job's picture; ApiError with status 409 and the reason when there is none."""
        return self._send(calls.image(image_id, index))

    def thumbnail(self, image_id: str, index: int = 0, *, size: int = 256) -> Picture:
        """A small copy of it, its longer side at most `size` px (64 to 1024); ApiError as for `image`."""
        return self._send(calls.thumbnail(image_id, index, size))

    def preview(self, image_id: str) -> Picture | None:
        """The newest live preview, None while there is none."""
        try:
            return self._send(calls.preview(image_id))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def cancel(self, image_id: str) -> JobInfo:
        """Cancel a job; a started one stops within moments."""
        return self._send(calls.cancel(image_id))

    def retry(self, image_id: str) -> Submitted:
        """A new job for a failed or cancelled one's request, with the same seed."""
        return self._send(calls.retry(image_id))

    def delete(self, image_id: str) -> None:
        """Forget an ended job and its pictures."""
        self._send(calls.delete(image_id))

    def create_key(
        self, name: str, *, scopes: Collection[str] | None = None, **limits: float | None
    ) -> key_calls.KeyInfo:
        """A new key; limits are max_queued, requests_per_minute and credits_per_day. Needs an admin's key."""
        return self._send(key_calls.create(name, scopes, limits))

    def keys(self) -> tuple[key_calls.KeyInfo, ...]:
        """Every key, without its secret. Needs an admin's key."""
        return self._send(key_calls.listing())

    def revoke_key(self, key_id: str) -> key_calls.KeyInfo:
        """Make a key good for nothing. Needs an admin's key."""
        return self._send(key_calls.revoke(key_id))

    def local_models(self) -> tuple[str, ...]:
        """The WebUI's checkpoints."""
        return self._send(calls.local_list("models", "models"))

    def local_samplers(self) -> tuple[str, ...]:
        """The WebUI's samplers."""
        return self._send(calls.local_list("sampler_names", "samplers"))

    def local_schedulers(self) -> tuple[str, ...]:
        """The WebUI's schedulers."""
        return self._send(calls.local_list("schedulers", "schedulers"))

    def alive(self) -> bool:
        """Whether the service's process answers."""
        try:
            self._send(calls.alive())
        except (ApiError, ServiceUnreachable):
            return False
        return True

    def _send(self, call: Call[T]) -> T:
        try:
            response = self._http.request(
                call.method,
                call.path,
                params=call.params,
                json=call.json,
                headers=dict(call.headers),
            )
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        except httpx.DecodingError as error:
            raise ServiceUnreachable(self.url, "its answer was garbled", sent=True) from error
        answer = Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            content=response.content,
        )
        if answer.status in _GATEWAY_ERRORS and answer.media_type != "application/problem+json":
            raise ServiceUnreachable(self.url, f"a gateway answered {answer.status}", sent=True)
        return call.result(answer)

    def _unreachable(self, error: httpx.TransportError) -> ServiceUnreachable:
        host = urlsplit(self.url).hostname
        match error:
            case httpx.ConnectTimeout():
                return ServiceUnreachable(self.url, "connecting took too long", sent=False)
            case httpx.ConnectError():
                return ServiceUnreachable(self.url, f"no connection to {host}", sent=False)
            case httpx.TimeoutException():
                return ServiceUnreachable(self.url, "it took too long", sent=True)
            case httpx.UnsupportedProtocol():
                return ServiceUnreachable(self.url, "the address must begin with http:// or https://", sent=False)
        return ServiceUnreachable(self.url, "the connection broke", sent=True)
