"""Sends the calls over httpx, blocking; imports httpx and this package. The client in `asynchronous` is the same with `await`."""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self, TypeVar, Unpack

import httpx

from entrypoints.client import calls, key_calls, operating_calls
from entrypoints.client.calls import Call, listed
from entrypoints.client.errors import ApiError, ClientError, ServiceUnreachable
from entrypoints.client.filters import Filters
from entrypoints.client.operating_calls import BackendStanding, CancelledJobs, Minute, WorkerInfo
from entrypoints.client.patience import Patience
from entrypoints.client.reading import Answer
from entrypoints.client.rounds import Rounds
from entrypoints.client.values import (
    Backends,
    Estimate,
    JobInfo,
    JobsPage,
    Picture,
    Priority,
    Provenance,
    Seen,
    Submitted,
)
from entrypoints.client.watching import SILENCE_S, Watching
from entrypoints.client.wire import (
    DEFAULT_URL,
    answer,
    arguments,
    is_stream,
    lowered,
    patience,
    settings,
    unreachable,
)
from imaging_core.images import OptionValue
from imaging_core.jobs import JobStatus

T = TypeVar("T")

log = logging.getLogger("imaging.client")


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
        retry_for_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`api_key` is sent with every request, if there is one.

        `timeout_s` bounds each wait for the next bytes; connecting is given 3 s at most. A call that was turned away with
        a time to come back, or did not get through, is made again for up to `retry_for_s`; 0 for one try.
        """
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._retry_for_s = retry_for_s
        self._http = httpx.Client(**settings(self.url, api_key, timeout_s), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- submitting --------------------------------------------------------------------------------------

    def submit(
        self,
        prompt: str,
        *,
        backend: str | None = None,
        idempotency_key: str | None = None,
        priority: Priority | None = None,
        webhook: str | None = None,
        webhook_events: Collection[str] | None = None,
        **settings: OptionValue | None,
    ) -> Submitted:
        """Queue a job and come back at once. A repeat under the same idempotency key gives the same job.

        Without a key one is made, so that a lost answer is no lost job. `webhook` is told of the job's end, or of
        those of `webhook_events`: finished, failed, filtered, cancelled. Of the jobs that wait, those of a higher
        priority go first.
        """
        told = {**settings, "priority": priority, "webhook": webhook, "webhook_events": listed(webhook_events)}
        return self._send(calls.submit(prompt, backend, told, idempotency_key))

    def submit_all(
        self,
        requests: Iterable[Mapping[str, OptionValue | None]],
        *,
        backend: str | None = None,
        idempotency_key: str | None = None,
        priority: Priority | None = None,
        webhook: str | None = None,
        webhook_events: Collection[str] | None = None,
        **shared: OptionValue | None,
    ) -> tuple[Submitted, ...]:
        """Queue a job for each of up to 100 requests, all of them or none; what is `shared` counts for each."""
        told = {
            **shared,
            "backend": backend,
            "priority": priority,
            "webhook": webhook,
            "webhook_events": listed(webhook_events),
        }
        return self._send(calls.submit_all(requests, told, idempotency_key))

    def edit(
        self,
        prompt: str,
        picture: str | bytes,
        *,
        mask: bytes | None = None,
        backend: str | None = None,
        idempotency_key: str | None = None,
        priority: Priority | None = None,
        **settings: OptionValue | None,
    ) -> Submitted:
        """Queue a job that paints a picture anew: a file's bytes, or that of a finished job by its id.

        With a mask as large as the picture only what is white in it changes.
        """
        told = {**settings, "backend": backend, "priority": priority}
        return self._send(calls.edit(prompt, picture, told, mask=mask, idempotency_key=idempotency_key))

    def upscale(
        self,
        picture: str | bytes,
        *,
        backend: str | None = None,
        idempotency_key: str | None = None,
        priority: Priority | None = None,
        **settings: OptionValue | None,
    ) -> Submitted:
        """Queue a job that makes a picture larger: a file's bytes, or that of a finished job by its id."""
        told = {**settings, "backend": backend, "priority": priority}
        return self._send(calls.upscale(picture, told, idempotency_key=idempotency_key))

    def estimate(self, prompt: str, *, backend: str | None = None, **settings: OptionValue | None) -> Estimate:
        """What a submit would cost, where it would go, and whether it could run now. Queues nothing."""
        return self._send(calls.estimate(prompt, {**settings, "backend": backend}))

    # --- looking -----------------------------------------------------------------------------------------

    def backends(self) -> Backends:
        """Every backend: what it can do, whether it answers now, how busy it is."""
        return self._send(calls.backends())

    def status(self, image_id: str) -> JobInfo:
        """How far a job is."""
        return self._send(calls.status(image_id))

    def job(self, image_id: str) -> JobInfo:
        """Everything about a job, what it asked for included."""
        return self._send(calls.job(image_id))

    def wait(self, image_id: str, *, timeout_s: float | None = None, poll_s: float = 0.25) -> JobInfo:
        """The job once it has ended, however it ended. Raises TimeoutError when it has not within `timeout_s`.

        The service holds each question until there is something to tell; where it does not, it is asked again after
        `poll_s`, then ever more seldom.
        """
        rounds = Rounds(image_id, timeout_s, poll_s)
        while True:
            asked_s = rounds.ask_s()
            seen = self._send(calls.status(image_id, asked_s))
            if seen.status.terminal:
                return seen
            time.sleep(rounds.pause_s(seen, asked_s))

    def watch(self, image_id: str) -> Iterator[Seen]:
        """The job now and whenever something about it changes, until it has ended; goes on after breaks where it was.

        Where the service, or a proxy before it, has no event stream, the job is looked at again and again.
        """
        watching = Watching(image_id)
        while not watching.ended:
            time.sleep(watching.pause_s)
            if watching.asks:
                yield from watching.asked(self.status(image_id))
                continue
            yield from self._streamed(watching)

    def jobs(self, *, cursor: str | None = None, limit: int = 50, **filters: Unpack[Filters]) -> JobsPage:
        """A page of jobs, newest first, narrowed by the filters; it may have few jobs, or none, and yet not be the last."""
        return self._send(calls.jobs(cursor, limit, filters))

    def every_job(self, **filters: Unpack[Filters]) -> Iterator[JobInfo]:
        """The jobs of all pages, each page being asked for when it is reached."""
        cursor: str | None = None
        while True:
            page = self.jobs(cursor=cursor, **filters)
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    # --- pictures ----------------------------------------------------------------------------------------

    def image(
        self, image_id: str, index: int = 0, *, file_format: str | None = None, quality: int | None = None
    ) -> Picture:
        """A finished job's picture; ApiError with status 409 and the reason when there is none.

        As it was stored, or as png, jpeg or webp, the latter two with a quality of 1 to 100 if need be.
        """
        return self._send(calls.image(image_id, index, file_format, quality))

    def thumbnail(self, image_id: str, index: int = 0, *, size: int = 256) -> Picture:
        """A small copy of it, its longer side at most `size` px (64 to 1024); ApiError as for `image`."""
        return self._send(calls.thumbnail(image_id, index, size))

    def input_image(
        self, image_id: str, name: Literal["image", "mask"] = "image", *, size: int | None = None
    ) -> Picture:
        """What an edit or an enlargement began with; with `size` a small copy. ApiError with status 404 if it did not."""
        return self._send(calls.input_image(image_id, name, size))

    def preview(self, image_id: str) -> Picture | None:
        """The newest live preview, None while there is none."""
        try:
            return self._send(calls.preview(image_id))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def read_picture(self, data: bytes) -> Provenance:
        """What a PNG, JPEG or WebP file says of how it was made, also one that others made. Keeps nothing."""
        return self._send(calls.read_picture(data))

    # --- changing ----------------------------------------------------------------------------------------

    def cancel(self, image_id: str) -> JobInfo:
        """Cancel a job; a started one stops within moments."""
        return self._send(calls.cancel(image_id))

    def cancel_all(
        self, *, backend: str | None = None, status: JobStatus | None = None, everybody: bool = False
    ) -> CancelledJobs:
        """Cancel all open jobs of one's own, or with an admin's key everybody's; while it says `more`, ask again."""
        return self._send(operating_calls.cancel_all(backend, status, everybody=everybody))

    def pause_backend(self, backend: str, *, reason: str = "") -> BackendStanding:
        """Keep a backend from beginning jobs until it is resumed; those under way go on. Needs an admin's key."""
        return self._send(operating_calls.pause(backend, reason))

    def resume_backend(self, backend: str) -> BackendStanding:
        """Let a backend begin jobs again. Needs an admin's key."""
        return self._send(operating_calls.resume(backend))

    def history(self, backend: str, *, minutes: int = 60) -> tuple[Minute, ...]:
        """How busy a backend was in each of the last minutes, oldest first."""
        return self._send(operating_calls.history(backend, minutes))

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Every worker that is alive. Needs an admin's key."""
        return self._send(operating_calls.workers())

    def retry(self, image_id: str) -> Submitted:
        """A new job for a failed or cancelled one's request, with the same seed."""
        return self._send(calls.retry(image_id))

    def mark(self, image_id: str, *, favourite: bool) -> JobInfo:
        """Make a job a favourite, or none any more."""
        return self._send(calls.mark(image_id, favourite=favourite))

    def delete(self, image_id: str) -> None:
        """Forget an ended job and its pictures."""
        self._send(calls.delete(image_id))

    def alive(self) -> bool:
        """Whether the service's process answers."""
        try:
            self._once(calls.alive())
        except (ApiError, ServiceUnreachable):
            return False
        return True

    # --- keys and lists ----------------------------------------------------------------------------------

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

    # --- sending -----------------------------------------------------------------------------------------

    def _send(self, call: Call[T]) -> T:
        tries = Patience(call, self._retry_for_s)
        while True:
            try:
                return self._once(call)
            except ClientError as error:
                wait_s = tries.wait_s(error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)

    def _once(self, call: Call[T]) -> T:
        try:
            response = self._http.request(**arguments(call, self._timeout_s))
        except httpx.RequestError as error:
            raise unreachable(self.url, error) from error
        return call.result(answer(response, self.url))

    def _streamed(self, watching: Watching) -> Iterator[Seen]:
        """What one connection tells; nothing more after a break, which the watch knows what to do about."""
        tries = patience(SILENCE_S)
        try:
            with self._http.stream("GET", watching.path, headers=dict(watching.headers), timeout=tries) as response:
                headers = lowered(response)
                if not is_stream(headers):
                    response.read()
                content = b"" if is_stream(headers) else response.content
                if watching.opened(Answer(status=response.status_code, headers=headers, content=content)):
                    for data in response.iter_bytes():
                        yield from watching.read(data)
                        if watching.ended:
                            return
        except httpx.RequestError as error:
            log.debug("A stream of events broke: %s", unreachable(self.url, error).reason)
        watching.broke()
