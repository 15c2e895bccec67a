"""Sends the calls over httpx, for programs that await; imports httpx and this package. The client in `sync` is the same, blocking."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from types import TracebackType
from typing import Literal, Self, TypeVar, Unpack

import httpx

from entrypoints.client import calls, operating_calls
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


class AsyncImagingClient:
    """The service over HTTP; may be shared between tasks of one loop.

    Every method raises ApiError when the service says no, and ServiceUnreachable when no answer came.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retry_for_s: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_key` is sent with every request, if there is one.

        `timeout_s` bounds each wait for the next bytes; connecting is given 3 s at most. A call that was turned away with
        a time to come back, or did not get through, is made again for up to `retry_for_s`; 0 for one try.
        """
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._retry_for_s = retry_for_s
        self._http = httpx.AsyncClient(**settings(self.url, api_key, timeout_s), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # --- submitting --------------------------------------------------------------------------------------

    async def submit(
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
        return await self._send(calls.submit(prompt, backend, told, idempotency_key))

    async def submit_all(
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
        return await self._send(calls.submit_all(requests, told, idempotency_key))

    async def edit(
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
        return await self._send(calls.edit(prompt, picture, told, mask=mask, idempotency_key=idempotency_key))

    async def upscale(
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
        return await self._send(calls.upscale(picture, told, idempotency_key=idempotency_key))

    async def estimate(self, prompt: str, *, backend: str | None = None, **settings: OptionValue | None) -> Estimate:
        """What a submit would cost, where it would go, and whether it could run now. Queues nothing."""
        return await self._send(calls.estimate(prompt, {**settings, "backend": backend}))

    # --- looking -----------------------------------------------------------------------------------------

    async def backends(self) -> Backends:
        """Every backend: what it can do, whether it answers now, how busy it is."""
        return await self._send(calls.backends())

    async def status(self, image_id: str) -> JobInfo:
        """How far a job is."""
        return await self._send(calls.status(image_id))

    async def job(self, image_id: str) -> JobInfo:
        """Everything about a job, what it asked for included."""
        return await self._send(calls.job(image_id))

    async def wait(self, image_id: str, *, timeout_s: float | None = None, poll_s: float = 0.25) -> JobInfo:
        """The job once it has ended, however it ended. Raises TimeoutError when it has not within `timeout_s`.

        The service holds each question until there is something to tell; where it does not, it is asked again after
        `poll_s`, then ever more seldom.
        """
        rounds = Rounds(image_id, timeout_s, poll_s)
        while True:
            asked_s = rounds.ask_s()
            seen = await self._send(calls.status(image_id, asked_s))
            if seen.status.terminal:
                return seen
            await asyncio.sleep(rounds.pause_s(seen, asked_s))

    async def watch(self, image_id: str) -> AsyncIterator[Seen]:
        """The job now and whenever something about it changes, until it has ended; goes on after breaks where it was.

        Where the service, or a proxy before it, has no event stream, the job is looked at again and again.
        """
        watching = Watching(image_id)
        while not watching.ended:
            await asyncio.sleep(watching.pause_s)
            if watching.asks:
                for seen in watching.asked(await self.status(image_id)):
                    yield seen
                continue
            async for seen in self._streamed(watching):
                yield seen

    async def jobs(self, *, cursor: str | None = None, limit: int = 50, **filters: Unpack[Filters]) -> JobsPage:
        """A page of jobs, newest first, narrowed by the filters; it may have few jobs, or none, and yet not be the last."""
        return await self._send(calls.jobs(cursor, limit, filters))

    async def every_job(self, **filters: Unpack[Filters]) -> AsyncIterator[JobInfo]:
        """The jobs of all pages, each page being asked for when it is reached."""
        cursor: str | None = None
        while True:
            page = await self.jobs(cursor=cursor, **filters)
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    # --- pictures ----------------------------------------------------------------------------------------

    async def image(
        self, image_id: str, index: int = 0, *, file_format: str | None = None, quality: int | None = None
    ) -> Picture:
        """A finished job's picture; ApiError with status 409 and the reason when there is none.

        As it was stored, or as png, jpeg or webp, the latter two with a quality of 1 to 100 if need be.
        """
        return await self._send(calls.image(image_id, index, file_format, quality))

    async def thumbnail(self, image_id: str, index: int = 0, *, size: int = 256) -> Picture:
        """A small copy of it, its longer side at most `size` px (64 to 1024); ApiError as for `image`."""
        return await self._send(calls.thumbnail(image_id, index, size))

    async def input_image(
        self, image_id: str, name: Literal["image", "mask"] = "image", *, size: int | None = None
    ) -> Picture:
        """What an edit or an enlargement began with; with `size` a small copy. ApiError with status 404 if it did not."""
        return await self._send(calls.input_image(image_id, name, size))

    async def preview(self, image_id: str) -> Picture | None:
        """The newest live preview, None while there is none."""
        try:
            return await self._send(calls.preview(image_id))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def read_picture(self, data: bytes) -> Provenance:
        """What a PNG, JPEG or WebP file says of how it was made, also one that others made. Keeps nothing."""
        return await self._send(calls.read_picture(data))

    # --- changing ----------------------------------------------------------------------------------------

    async def cancel(self, image_id: str) -> JobInfo:
        """Cancel a job; a started one stops within moments."""
        return await self._send(calls.cancel(image_id))

    async def cancel_all(
        self, *, backend: str | None = None, status: JobStatus | None = None, everybody: bool = False
    ) -> CancelledJobs:
        """Cancel all open jobs of one's own, or with an admin's key everybody's; while it says `more`, ask again."""
        return await self._send(operating_calls.cancel_all(backend, status, everybody=everybody))

    async def pause_backend(self, backend: str, *, reason: str = "") -> BackendStanding:
        """Keep a backend from beginning jobs until it is resumed; those under way go on. Needs an admin's key."""
        return await self._send(operating_calls.pause(backend, reason))

    async def resume_backend(self, backend: str) -> BackendStanding:
        """Let a backend begin jobs again. Needs an admin's key."""
        return await self._send(operating_calls.resume(backend))

    async def history(self, backend: str, *, minutes: int = 60) -> tuple[Minute, ...]:
        """How busy a backend was in each of the last minutes, oldest first."""
        return await self._send(operating_calls.history(backend, minutes))

    async def workers(self) -> tuple[WorkerInfo, ...]:
        """Every worker that is alive. Needs an admin's key."""
        return await self._send(operating_calls.workers())

    async def retry(self, image_id: str) -> Submitted:
        """A new job for a failed or cancelled one's request, with the same seed."""
        return await self._send(calls.retry(image_id))

    async def mark(self, image_id: str, *, favourite: bool) -> JobInfo:
        """Make a job a favourite, or none any more."""
        return await self._send(calls.mark(image_id, favourite=favourite))

    async def delete(self, image_id: str) -> None:
        """Forget an ended job and its pictures."""
        await self._send(calls.delete(image_id))

    async def alive(self) -> bool:
        """Whether the service's process answers."""
        try:
            await self._once(calls.alive())
        except (ApiError, ServiceUnreachable):
            return False
        return True

    # --- sending -----------------------------------------------------------------------------------------

    async def _send(self, call: Call[T]) -> T:
        tries = Patience(call, self._retry_for_s)
        while True:
            try:
                return await self._once(call)
            except ClientError as error:
                wait_s = tries.wait_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _once(self, call: Call[T]) -> T:
        try:
            response = await self._http.request(**arguments(call, self._timeout_s))
        except httpx.RequestError as error:
            raise unreachable(self.url, error) from error
        return call.result(answer(response, self.url))

    async def _streamed(self, watching: Watching) -> AsyncIterator[Seen]:
        """What one connection tells; nothing more after a break, which the watch knows what to do about."""
        tries = patience(SILENCE_S)
        try:
            async with self._http.stream(
                "GET", watching.path, headers=dict(watching.headers), timeout=tries
            ) as response:
                headers = lowered(response)
                if not is_stream(headers):
                    await response.aread()
                content = b"" if is_stream(headers) else response.content
                if watching.opened(Answer(status=response.status_code, headers=headers, content=content)):
                    async for data in response.aiter_bytes():
                        for seen in watching.read(data):
                            yield seen
                        if watching.ended:
                            return
        except httpx.RequestError as error:
            log.debug("A stream of events broke: %s", unreachable(self.url, error).reason)
        watching.broke()
