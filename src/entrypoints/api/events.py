"""Event streams of one job and of all the caller's; imports FastAPI, the service and this package."""

import math

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.callers import caller_of
from entrypoints.api.closing import Closing
from entrypoints.api.config import ApiConfig
from entrypoints.api.edge import HEAD
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.event_frames import SNAPSHOT, frame_of, ready
from entrypoints.api.event_listener import Listener
from entrypoints.api.event_shapes import STREAM
from entrypoints.api.event_stream import HEADERS, MEDIA_TYPE, EventStream
from entrypoints.api.openapi import header, problems, query
from imaging_core.errors import JobDeleted, JobNotFound
from imaging_core.jobs import OPEN
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService

#: Open jobs in the first look of a stream of all jobs.
MOST_SHOWN = 50


class EventsDoor:
    """Tells what happens, as it happens."""

    def __init__(self, service: ImagingService, config: ApiConfig, feed: EventFeed, closing: Closing) -> None:
        self._service = service
        self._config = config
        self._feed = feed
        self._closing = closing

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        last = header("Last-Event-ID", "The id of the last event that was seen.", maxLength=64)
        after = query("after", "The same, for clients that cannot send the header.", type="string", maxLength=64)
        parameters = {"parameters": [*last["parameters"], *after["parameters"]]}
        app.router.add_api_route(
            "/events",
            self.all,
            summary="What happens to your jobs, as server-sent events",
            tags=["events"],
            response_class=Response,
            responses={200: {"description": "Events.", "content": STREAM}, **problems(429, 503)},
            openapi_extra=parameters,
        )
        app.router.add_api_route(
            "/jobs/{image_id}/events",
            self.one,
            summary="What happens to one job, as server-sent events",
            tags=["events"],
            response_class=Response,
            responses={
                200: {"description": "Events.", "content": STREAM},
                204: {"description": "You have seen its end; do not come back."},
                **problems(404, 410, 429, 503),
            },
            openapi_extra=parameters,
        )

    async def one(self, request: Request, image_id: str) -> Response:
        """A snapshot, then every change and the progress; ends with the job. Come back with Last-Event-ID."""
        sees = caller_of(request).sees
        ended = (await self._service.get(image_id, owner=sees)).status.terminal
        if HEAD in request.scope:
            return _head()
        after = await self._begun(request)
        listener = self._feed.join(job_id=image_id, sees=sees, key=caller_of(request).key_id)
        try:
            first = await self._first_of_one(listener, image_id, after, ended=ended)
        except BaseException:
            self._feed.leave(listener)
            raise
        if first is None:
            self._feed.leave(listener)
            return Response(status_code=204, headers=HEADERS)
        return self._stream(request, first, listener)

    async def all(self, request: Request) -> Response:
        """A snapshot of each open job, then `ready`, then every change. Come back with Last-Event-ID."""
        sees = caller_of(request).sees
        if HEAD in request.scope:
            return _head()
        after = await self._begun(request)
        listener = self._feed.join(sees=sees, key=caller_of(request).key_id)
        try:
            first = await self._first_of_all(listener, sees, after)
        except BaseException:
            self._feed.leave(listener)
            raise
        return self._stream(request, first, listener)

    async def _begun(self, request: Request) -> str | None:
        """Where the caller left off, the feed being at least as far."""
        await self._feed.start()
        after = request.headers.get("last-event-id") or request.query_params.get("after") or None
        if after is not None:
            await self._feed.abreast()
        return after

    async def _first_of_one(self, listener: Listener, job_id: str, after: str | None, *, ended: bool) -> bytes | None:
        """What was missed, or how it stands; None for somebody who has seen it all.

        `ended` is whether the job had ended before the feed was abreast of the log: then its end is not yet to come.
        """
        position = self._feed.position
        events = None if after is None else await self._feed.missed(after)
        view = await self._service.view(job_id)
        self._feed.note(view)
        if events is None:
            listener.knows(job_id, view.job.version)
            if view.job.status.terminal:
                listener.close()
            return frame_of(view, SNAPSHOT, cursor=position).data
        told = await self._feed.frames(event for event in events if event.job_id == job_id)
        if ended and not told:
            return None
        for _, frame in told:
            listener.knows(job_id, frame.version)
            if frame.terminal:
                listener.close()
        return b"".join(frame.data for _, frame in told)

    async def _first_of_all(self, listener: Listener, sees: str | None, after: str | None) -> bytes:
        position = self._feed.position
        events = None if after is None else await self._feed.missed(after)
        if events is None:
            return await self._open_jobs(listener, sees, position)
        told = await self._feed.frames(event for event in events if listener.wants(event.job_id, event.owner))
        for _, frame in told:
            listener.knows(frame.job_id, frame.version)
        return b"".join(frame.data for _, frame in told)

    async def _open_jobs(self, listener: Listener, sees: str | None, position: str) -> bytes:
        page = await self._service.list(JobQuery(statuses=OPEN, owner=sees, limit=MOST_SHOWN))
        shown = []
        for job in reversed(page.jobs):
            try:
                view = await self._service.view(job.id, owner=sees)
            except (JobNotFound, JobDeleted):
                continue
            # The end of one that ended meanwhile is in the mailbox.
            if not view.job.status.terminal:
                listener.knows(job.id, view.job.version)
                self._feed.note(view)
                shown.append(frame_of(view, SNAPSHOT).data)
        return b"".join([*shown, ready(len(shown), complete=page.cursor is None, cursor=position)])

    def _stream(self, request: Request, first: bytes, listener: Listener) -> Response:
        return EventStream(
            first,
            listener,
            leave=self._feed.leave,
            closing=self._closing,
            keep_alive_s=self._config.keep_alive_s,
            longest_s=math.inf if caller_of(request).key_id is None else self._config.key_seen_again_s,
        )


def _head() -> Response:
    answer = Response(None, headers=HEADERS, media_type=MEDIA_TYPE)
    del answer.headers["content-length"]
    return answer
