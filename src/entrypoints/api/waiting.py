"""Waits for a job on behalf of a request, without asking again and again; imports Starlette, the core and this package."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import ClientDisconnect, Request

from entrypoints.api.closing import Closing
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.event_listener import Listener
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.jobs import Job
from imaging_core.service import ImagingService, JobView

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
#: A preference of RFC 7240: a word, and what it is set to; its parameters are of no use here.
_WAIT = re.compile(r'\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:;.*)?', re.ASCII | re.IGNORECASE)


class Waiting:
    """Waits on the shared event feed; ends with the API, and when the client goes away."""

    def __init__(self, service: ImagingService, feed: EventFeed, closing: Closing, *, longest_s: float) -> None:
        self._service = service
        self._feed = feed
        self._closing = closing
        self._longest_s = longest_s

    def asked(self, request: Request) -> float:
        """How long `?wait=` asks to wait, in s, at most as long as is allowed; 0 without it. Raises InvalidRequest."""
        if not request.scope["query_string"]:
            return 0.0
        text = request.query_params.get("wait", "0")
        if not _SECONDS.fullmatch(text):
            raise InvalidRequest([FieldProblem(field="wait", message="must be a whole number of seconds.")])
        return min(float(text), self._longest_s)

    def preferred(self, request: Request) -> float | None:
        """How long `Prefer: wait=` asks to wait, in s, at most as long as is allowed; None without it.

        A preference that is not understood is no mistake, as RFC 7240 has it; of two the first counts.
        """
        preferences = ",".join(request.headers.getlist("prefer")).split(",")
        found = next((match for match in map(_WAIT.fullmatch, preferences) if match), None)
        return None if found is None else min(float(found[1]), self._longest_s)

    async def until(
        self,
        request: Request,
        job_id: str,
        enough: Callable[[JobView], bool],
        *,
        owner: str | None,
        within_s: float,
        key: str | None = None,
    ) -> JobView:
        """The job as soon as it is `enough`, or as it stands when the time is over or the API stops.

        `key` is what the wait counts for; one that comes with a new job is bounded by the queue. Raises JobNotFound,
        JobDeleted, Unavailable, Problem (429), and ClientDisconnect when nobody is there to be answered.
        """
        look = partial(self._service.view, job_id, owner=owner)
        return await self._until(request, job_id, look, enough, note=self._feed.note, within_s=within_s, key=key)

    async def until_ended(self, request: Request, job_id: str, *, within_s: float) -> Job:
        """The same for a job's end alone: what changes before, such as its place in the queue, is not looked up."""

        async def look() -> JobView:
            return JobView(job=await self._service.get(job_id))

        view = await self._until(request, job_id, look, _has_ended, note=_forget, within_s=within_s, key=None)
        return view.job

    async def _until(
        self,
        request: Request,
        job_id: str,
        look: Callable[[], Awaitable[JobView]],
        enough: Callable[[JobView], bool],
        *,
        note: Callable[[JobView], None],
        within_s: float,
        key: str | None,
    ) -> JobView:
        view = await look()
        if within_s <= 0 or enough(view) or self._closing.begun:
            return view
        await self._feed.start()
        with self._feed.listening(job_id=job_id, key=key) as listener, self._closing.telling(listener.close):
            gone = asyncio.create_task(listener.close_with(request.receive))
            try:
                view = await _looked_until(listener, look, enough, note, within_s)
                if gone.done() and not gone.cancelled():
                    raise ClientDisconnect
            finally:
                gone.cancel()
                await asyncio.wait({gone})
        return view


async def _looked_until(
    listener: Listener,
    look: Callable[[], Awaitable[JobView]],
    enough: Callable[[JobView], bool],
    note: Callable[[JobView], None],
    within_s: float,
) -> JobView:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        # Anew once the mailbox is there: whatever happens from here on is in it.
        view = await look()
        left_s = deadline - loop.time()
        if enough(view) or left_s <= 0 or listener.closed:
            return view
        note(view)
        for frame in await listener.take(left_s):
            # The feed has read the job for it, and an end is the last that there is to be seen.
            if frame.terminal and frame.view is not None and enough(frame.view):
                return frame.view


def _has_ended(view: JobView) -> bool:
    return view.job.status.terminal


def _forget(_: JobView) -> None:
    """Nobody is to be told what changes without an event."""
