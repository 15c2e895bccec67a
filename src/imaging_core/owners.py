"""Whose a job is, and who is told that it is there; imports this package."""

from imaging_core.errors import JobDeleted, JobNotFound
from imaging_core.jobs import Job
from imaging_core.repository import JobRepository


async def job_of(jobs: JobRepository, job_id: str, owner: str | None) -> Job:
    """The job as it stands; with an owner, only if it is theirs. Raises JobNotFound, JobDeleted.

    Somebody else's job, deleted or not, looks like an id that never was.
    """
    try:
        job = await jobs.get(job_id)
    except JobDeleted as error:
        if owner is not None and error.owner != owner:
            raise JobNotFound from None
        raise
    if owner is not None and job.owner != owner:
        raise JobNotFound
    return job
