"""The use cases that look at jobs and fetch their pictures; imports stdlib and this package."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from imaging_core.errors import ImageNotAvailable, ImageNotReady, JobNotFound
from imaging_core.ids import JOB_ID
from imaging_core.images import ImageRef
from imaging_core.jobs import Job, JobStatus
from imaging_core.owners import job_of
from imaging_core.ports import JobPage, JobQuery
from imaging_core.service_parts import ServiceParts
from imaging_core.views import JobView
from imaging_core.watching import watched


class Looking(ServiceParts):
    """Nothing here changes anything."""

    async def get(self, job_id: str, *, owner: str | None = None) -> Job:
        """The job as it stands; with an owner, only if it is theirs. Raises JobNotFound, JobDeleted."""
        if not JOB_ID.fullmatch(job_id):
            raise JobNotFound
        return await job_of(self.jobs, job_id, owner)

    async def view(self, job_id: str, *, owner: str | None = None) -> JobView:
        """The job with its place in the queue, or its progress. Raises JobNotFound, JobDeleted."""
        return await self.view_of(await self.get(job_id, owner=owner))

    async def view_of(self, job: Job) -> JobView:
        """What a person sees of a job that was read before."""
        if job.status is JobStatus.QUEUED:
            ahead, state = await asyncio.gather(self.jobs.position(job), self.jobs.state(job.backend))
            slots = (await self.gate_state(job.backend)).slots
            mean_s = state.mean_run_s if state.paused is None else None
            eta = None if mean_s is None or slots < 1 else mean_s * ((ahead + state.started) / slots + 1)
            return JobView(job=job, position=ahead + 1, eta_s=eta, paused=state.paused)
        if job.parked:
            progress, state = await asyncio.gather(self.events.progress(job.id), self.jobs.state(job.backend))
            return JobView(job=job, progress=progress, eta_s=progress.eta_s if progress else None, paused=state.paused)
        if job.status is JobStatus.STARTED:
            progress = await self.events.progress(job.id)
            return JobView(job=job, progress=progress, eta_s=progress.eta_s if progress else None)
        return JobView(job=job)

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first. Raises InvalidRequest for a cursor that no page ended with."""
        return await self.jobs.list(query)

    async def places(self, jobs: Sequence[Job]) -> dict[str, int]:
        """The places in the queue of those that wait, 1 for the next, by id."""
        waiting = [job for job in jobs if job.status is JobStatus.QUEUED]
        ahead = await asyncio.gather(*map(self.jobs.position, waiting))
        return {job.id: before + 1 for job, before in zip(waiting, ahead, strict=True)}

    def watch(self, job_id: str, *, owner: str | None = None) -> AsyncIterator[JobView]:
        """The job now and whenever something about it changes, until it has ended. Raises what `view` raises."""
        return watched(self.events, job_id, lambda: self.view(job_id, owner=owner))

    async def read_image(
        self, job_id: str, index: int = 0, *, owner: str | None = None
    ) -> tuple[ImageRef, bytes | AsyncIterator[bytes]]:
        """A finished job's picture: its record and its bytes, a large one as a stream.

        Raises JobNotFound, JobDeleted, ImageNotReady while the job is open, ImageNotAvailable with the reason.
        """
        ref = self.image_ref(await self.get(job_id, owner=owner), index)
        opened = await self.store.open(ref)
        return ref, opened.tobytes() if isinstance(opened, memoryview) else opened

    def image_ref(self, job: Job, index: int) -> ImageRef:
        """The record of a finished job's picture. Raises ImageNotReady, ImageNotAvailable."""
        if not job.status.terminal:
            raise ImageNotReady(job.status)
        if job.status is JobStatus.CANCELLED:
            raise ImageNotAvailable("The job was cancelled.")
        if job.failure is not None:
            raise ImageNotAvailable(f"The job failed: {job.failure.message}")
        if not 0 <= index < len(job.images):
            there = "picture, index 0" if len(job.images) == 1 else f"pictures, index 0 to {len(job.images) - 1}"
            raise ImageNotAvailable(f"The job has {len(job.images)} {there}.")
        return job.images[index]
