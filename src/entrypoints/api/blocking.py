"""Holds an answer back until its job has ended, for clients that know no other way; imports Starlette, the core and this package."""

import asyncio
import logging
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from entrypoints.api.closing import Closing
from entrypoints.api.waiting import Waiting
from imaging_core.errors import JobConflict, JobDeleted, JobNotFound, Unavailable
from imaging_core.images import ImageRef
from imaging_core.jobs import Job
from imaging_core.opened import whole
from imaging_core.service import ImagingService

log = logging.getLogger("imaging.api")

#: A call waits as long as its job takes; so often it looks whether that has ended unnoticed, in s.
_LOOK_EVERY_S = 600.0
#: Wait before the jobs are asked again after they did not answer, in s, and how often that is done in a row.
_AGAIN_S, _MOST_TRIES = 1.0, 30


class Stopping(Exception):
    """The API stops before the job has ended; the job goes on."""


class Blocking:
    """Waits for jobs on behalf of calls that are answered with their pictures."""

    def __init__(self, service: ImagingService, waiting: Waiting, closing: Closing) -> None:
        self._service = service
        self._waiting = waiting
        self._closing = closing

    async def end_of(self, request: Request, job: Job, *, cancels: bool = True) -> Job:
        """The job once it has ended, however long that takes; cancelled when the client goes away before, if `cancels`.

        Raises Stopping, Unavailable, JobNotFound and JobDeleted when it is gone, and ClientDisconnect.
        """
        try:
            return await self._end_of(request, job)
        except ClientDisconnect:
            if cancels:
                await self._cancel(job)
            raise

    async def _end_of(self, request: Request, job: Job) -> Job:
        tries = 0
        while not self._closing.begun:
            try:
                seen = await self._waiting.until_ended(request, job.id, within_s=_LOOK_EVERY_S)
            except (JobNotFound, JobDeleted):
                raise
            except Unavailable:
                tries += 1
                if tries >= _MOST_TRIES:
                    raise
                # The job is safe where it is, and whoever waits for it would only make another one.
                await self._closing.unless_begun(asyncio.sleep(_AGAIN_S))
            else:
                tries = 0
                if seen.status.terminal:
                    return seen
        raise Stopping

    async def _cancel(self, job: Job) -> None:
        log.info("A client went away, so its job is cancelled.", extra={"job_id": job.id, "backend": job.backend})
        # It may have ended or gone by now; and where nobody can be asked, it runs to its end like any other.
        with suppress(JobConflict, JobNotFound, JobDeleted, Unavailable):
            await self._service.cancel(job.id)

    async def picture(self, ref: ImageRef) -> bytes:
        """A finished job's picture. Raises ImageNotAvailable, Unavailable."""
        return await whole(await self._service.store.open(ref))
