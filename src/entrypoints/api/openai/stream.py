"""A call's answer as server-sent events: previews, then the pictures; imports FastAPI, the service and this package."""

import asyncio
import logging
from collections.abc import AsyncIterator

import attrs
from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrypoints.api.closing import Closing
from entrypoints.api.encoding import encode
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.event_frames import KEEP_ALIVE
from entrypoints.api.event_listener import Listener
from entrypoints.api.event_stream import HEADERS, MEDIA_TYPE
from entrypoints.api.openai.answers import Pictures, Wanted
from entrypoints.api.openai.errors import Refusal, failed, fault, refusal_of, stopping
from imaging_core.errors import ImageNotAvailable, ImagingError, Unavailable
from imaging_core.faults import log_fault
from imaging_core.images import Operation
from imaging_core.jobs import Job, JobStatus
from imaging_core.service import ImagingService, JobView

log = logging.getLogger("imaging.api")

#: What the events of a call begin with.
_KINDS = {Operation.GENERATE: "image_generation", Operation.EDIT: "image_edit"}


@attrs.frozen(kw_only=True)
class Order:
    """What a stream is to tell."""

    job: Job
    wanted: Wanted
    #: Most previews.
    partials: int
    #: The model that was named.
    model: str | None

    @property
    def kind(self) -> str:
        """What its events begin with."""
        return _KINDS[self.job.request.operation]


class ImageStream(Response):
    """Tells of a job until its end. The head goes out at once, with the job's id."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        order: Order,
        *,
        service: ImagingService,
        feed: EventFeed,
        closing: Closing,
        pictures: Pictures,
        keep_alive_s: float,
    ) -> None:
        """The feed must have been started."""
        super().__init__(None, headers={**HEADERS, "x-job-id": order.job.id})
        # It has no length.
        del self.headers["content-length"]
        self._order = order
        self._service = service
        self._feed = feed
        self._closing = closing
        self._pictures = pictures
        self._keep_alive_s = keep_alive_s
        self._sent = 0
        self._last = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI calls it
        """Send until the job has ended, the client has gone (the job goes on) or the API stops."""
        with (
            self._feed.listening(job_id=self._order.job.id) as listener,
            self._closing.telling(listener.close),
        ):
            gone = asyncio.create_task(listener.close_with(receive))
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for data in self._events(listener):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                gone.cancel()
                await asyncio.wait({gone})

    async def _events(self, listener: Listener) -> AsyncIterator[bytes]:
        yield KEEP_ALIVE
        try:
            async for data in self._told(listener):
                yield data
        except ImagingError as error:
            yield _error(refusal_of(error, {}))
        except Exception as error:  # noqa: BLE001  # the head has gone out: what is left is to say it and to note it
            log_fault(log, "A stream failed.", error, {"job_id": self._order.job.id})
            yield _error(fault())

    async def _told(self, listener: Listener) -> AsyncIterator[bytes]:
        while True:
            view = await self._view()
            if view is not None and view.job.status.terminal:
                async for data in self._end(view.job):
                    yield data
                return
            if view is not None:
                self._feed.note(view)
                if (preview := await self._preview(view)) is not None:
                    yield preview
            if listener.closed:
                if self._closing.begun:
                    yield _error(stopping(self._order.job.id))
                return
            if not await listener.take(self._keep_alive_s):
                yield KEEP_ALIVE

    async def _view(self) -> JobView | None:
        """The job; None while nobody can tell. Raises JobNotFound, JobDeleted."""
        try:
            return await self._service.view(self._order.job.id)
        except Unavailable as error:
            log.debug("A stream waits: %s", error, extra={"job_id": self._order.job.id})
            return None

    async def _preview(self, view: JobView) -> bytes | None:
        """The newest preview, if it is new and its turn has come: they are spread over the time it takes."""
        progress, order = view.progress, self._order
        if progress is None or progress.preview is None or self._sent >= order.partials:
            return None
        preview = progress.preview
        if preview.data == self._last or progress.fraction < (self._sent + 1) / (order.partials + 1):
            return None
        self._last = preview.data
        try:
            told = await self._pictures.partial(order.kind, preview.data, preview.media_type, self._sent, order.wanted)
        except ImageNotAvailable:
            return None
        self._sent += 1
        return _event(told)

    async def _end(self, job: Job) -> AsyncIterator[bytes]:
        order = self._order
        if job.status is not JobStatus.FINISHED or not job.images:
            yield _error(failed(job, model=order.model))
            return
        for ref in job.images:
            yield _event(await self._pictures.completed(order.kind, job, ref, order.wanted))


def _event(data: dict[str, object]) -> bytes:
    return format_sse_event(data_str=encode(data).decode(), event=str(data["type"]))


def _error(refusal: Refusal) -> bytes:
    return _event({"type": "error", **refusal.body})
