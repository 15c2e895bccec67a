"""What changes about open jobs without an event: progress, previews, places in the queue; imports stdlib and the core.

Progress is kept by the log, newest only, and nobody is told of it: so it is looked at, once per process for all readers,
and only for jobs that somebody reads of.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

import attrs

from imaging_core.errors import ImagingError
from imaging_core.faults import log_fault
from imaging_core.jobs import JobStatus
from imaging_core.service import ImagingService, JobView

log = logging.getLogger("imaging.api")

#: How often the running jobs are looked at, in s.
_LOOK_EVERY_S = 0.25
#: Looks at the running jobs per look at the queue: a place in it need not be quite as fresh.
_QUEUE_EVERY = 4
#: Places in the queue looked up at once; the others wait for their turn.
_MOST_PLACES = 50


@attrs.define
class _Known:
    view: JobView
    #: How much had happened on its backend when its place was looked up.
    activity: int


class OpenJobs:
    """The open jobs that somebody reads of, as they were last told."""

    def __init__(
        self,
        service: ImagingService,
        *,
        wanted: Callable[[str, str | None], bool],
        changed: Callable[[JobView], None],
    ) -> None:
        """`wanted` says whether anybody reads of a job of that id and owner; `changed` is called with each news."""
        self._service = service
        self._wanted = wanted
        self._changed = changed
        self._known: dict[str, _Known] = {}
        self._activity: defaultdict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._known)

    def note(self, view: JobView) -> None:
        """Somebody was just told this; an older view than the known one changes nothing."""
        job = view.job
        known = self._known.get(job.id)
        if known is not None and known.view.job.version > job.version:
            return
        if job.status.terminal:
            self._known.pop(job.id, None)
        else:
            # Its place may have been read before the last event, so it is looked at once more.
            self._known[job.id] = _Known(view, activity=-1)

    def forget(self, job_id: str) -> None:
        """The job is gone."""
        self._known.pop(job_id, None)

    def happened(self, backend: str) -> None:
        """Something happened on that backend, so that places in its queue may have changed."""
        self._activity[backend] += 1

    async def watch(self) -> None:
        """Look, until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            turn += 1
            try:
                await self.look(queued=turn % _QUEUE_EVERY == 0)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task, and every stream's progress hangs on it
                log_fault(log, "A look at the open jobs failed.", error, {})

    async def look(self, *, queued: bool) -> None:
        """One look at every running job and, if so told, at the next queued ones."""
        places = _MOST_PLACES if queued else 0
        for job_id, known in tuple(self._known.items()):
            job = known.view.job
            if not self._wanted(job_id, job.owner):
                # It may have ended while others were looked at.
                self._known.pop(job_id, None)
                continue
            if job.status is JobStatus.QUEUED:
                if places == 0 or known.activity == self._activity[job.backend]:
                    continue
                places -= 1
            try:
                view = await self._fresh(known)
            except ImagingError:
                # The event feed hears of the same trouble, and says so.
                continue
            if view is not None and self._known.get(job_id) is known:
                # To the end, so that the next turn begins with others.
                del self._known[job_id]
                self._known[job_id] = _Known(view, known.activity)
                self._changed(view)

    async def _fresh(self, known: _Known) -> JobView | None:
        """What is new about it; None for nothing. Of the same version of the job, so that its status stays as told."""
        view = known.view
        if view.job.status is JobStatus.QUEUED:
            activity = self._activity[view.job.backend]
            new = await self._service.view_of(view.job)
            known.activity = activity
            return new if new.position != view.position else None
        progress = await self._service.events.progress(view.job.id)
        if progress is None or progress == view.progress:
            return None
        return JobView(job=view.job, progress=progress, eta_s=progress.eta_s)
