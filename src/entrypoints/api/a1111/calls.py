"""The calls that this process holds open, and which job each task name stands for; imports attrs, the service and this package."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from starlette.requests import Request

from entrypoints.api.callers import caller_of
from imaging_core.errors import JobDeleted, JobNotFound
from imaging_core.jobs import OPEN, Job, JobStatus
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService, JobView

#: Task names that are remembered after their end.
_MOST_TASKS = 2_000
#: Longest task name that is remembered, in characters: clients make up some twenty, and a body may hold millions.
LONGEST_TASK = 200
#: Open jobs looked at to find the one that runs.
_MOST_OPEN = 50


@attrs.frozen(kw_only=True)
class Call:
    """A call that waits for its job."""

    job_id: str
    owner: str | None


class Calls:
    """Whose call is which job."""

    def __init__(self, service: ImagingService) -> None:
        self._service = service
        self._open: dict[str, Call] = {}
        self._tasks: OrderedDict[tuple[str | None, str], str] = OrderedDict()

    @contextmanager
    def holding(self, job: Job, *, task: str | None) -> Iterator[None]:
        """Within it, the call is open; `task` is the name its client gave it."""
        self._open[job.id] = Call(job_id=job.id, owner=job.owner)
        if task and len(task) <= LONGEST_TASK:
            self._tasks[job.owner, task] = job.id
            self._tasks.move_to_end((job.owner, task))
            if len(self._tasks) > _MOST_TASKS:
                self._tasks.popitem(last=False)
        try:
            yield
        finally:
            self._open.pop(job.id, None)

    async def task(self, request: Request, name: str) -> JobView | None:
        """The job of the caller's task of that name; None when there is none here. Raises Unavailable."""
        owner = caller_of(request).owner
        job_id = self._tasks.get((owner, name))
        return None if job_id is None else await self._view(job_id)

    async def current(self, request: Request) -> JobView | None:
        """The caller's job that runs, or the next that will; None when there is none. Raises Unavailable.

        Of the calls that wait here; when there are none, of all that the caller has.
        """
        return await self.held(request) or await self._any(caller_of(request).owner)

    async def to_interrupt(self, request: Request) -> JobView | None:
        """The same, but nothing that nobody can tell to be the caller's. Raises Unavailable."""
        owner = caller_of(request).owner
        held = await self.held(request)
        return held if held is not None or owner is None else await self._any(owner)

    async def held(self, request: Request) -> JobView | None:
        """The caller's job among those that wait here. Raises Unavailable."""
        owner = caller_of(request).owner
        mine = [call.job_id for call in self._open.values() if call.owner == owner]
        return _first(await asyncio.gather(*map(self._view, mine)))

    def waiting(self, request: Request) -> int:
        """How many calls of the caller wait here."""
        owner = caller_of(request).owner
        return sum(call.owner == owner for call in self._open.values())

    async def _any(self, owner: str | None) -> JobView | None:
        page = await self._service.list(JobQuery(statuses=OPEN, owner=owner, limit=_MOST_OPEN))
        job = _first_job([job for job in page.jobs if not job.status.terminal])
        return None if job is None else await self._service.view_of(job)

    async def _view(self, job_id: str) -> JobView | None:
        try:
            return await self._service.view(job_id)
        except (JobNotFound, JobDeleted):
            return None


def _first(views: list[JobView | None]) -> JobView | None:
    there = {view.job.id: view for view in views if view is not None and not view.job.status.terminal}
    job = _first_job([view.job for view in there.values()])
    return None if job is None else there[job.id]


def _first_job(jobs: list[Job]) -> Job | None:
    """The one that has run the longest, else the one that has waited the longest."""
    return min(jobs, key=lambda job: (job.status is not JobStatus.STARTED, job.created_at), default=None)
