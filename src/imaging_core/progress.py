"""Turns a call's progress into its job's, and publishes the newest at a bounded rate; imports stdlib and this package."""

import asyncio
import logging

from imaging_core.beside import Beside
from imaging_core.errors import Unavailable
from imaging_core.events import JobProgress
from imaging_core.images import PlannedCall
from imaging_core.jobs import Job
from imaging_core.ports import CallProgress, JobEvents

log = logging.getLogger("imaging.runner")

#: Shortest time between two publications of one job, in s: a person sees no more, and a bus need not carry more.
PUBLISH_EVERY_S = 0.2
#: How long an attempt must last before anything is published of it, in s: nobody looks at what is over by then.
FIRST_AFTER_S = 0.05


class ProgressReporter:
    """The progress of one attempt. Lossy by design: only the newest matters."""

    def __init__(self, job: Job, events: JobEvents) -> None:
        self._job_id = job.id
        self._count = job.request.count
        self._done = 0
        self._images = 1
        self._newest: JobProgress | None = None
        self._changed = asyncio.Event()
        self._events = events
        #: The publishing.
        self.beside = Beside("A progress report", self.run, after_s=FIRST_AFTER_S)

    def call_begins(self, planned: PlannedCall, *, done: int) -> None:
        """Progress is now that of this call; `done` of the job's pictures are made already."""
        self._done, self._images = done, planned.images
        self.report(CallProgress(fraction=0.0))

    def report(self, progress: CallProgress) -> None:
        """Take a call's progress; from the event loop's own thread."""
        # In this order NaN, which some engines give for 0 of 0 steps, becomes 0.
        fraction = min(max(0.0, progress.fraction), 1.0)
        overall = (self._done + fraction * self._images) / self._count
        before = self._newest
        if before is not None and before.images_done == self._done:
            # Engines let their figures fall near the end; a bar that runs backwards looks broken.
            overall = max(overall, before.fraction)
        self._newest = JobProgress(
            job_id=self._job_id,
            fraction=overall,
            images_done=self._done,
            step=progress.step,
            steps=progress.steps,
            eta_s=progress.eta_s,
            preview=progress.preview or (before.preview if before else None),
        )
        self._changed.set()

    async def run(self) -> None:
        """Publish the newest progress whenever it changed, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                try:
                    await self._events.publish(self._newest)
                except Unavailable as error:
                    log.debug("Progress was not published: %s", error)
            await asyncio.sleep(PUBLISH_EVERY_S)
