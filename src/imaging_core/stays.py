"""What a job has been through at the backend where it is, since each deserves a whole trial of its own; imports jobs.

Attempts, crashes and failures of a job that was moved are counted on over all its backends; here they begin anew with each.
"""

from collections.abc import Sequence

from imaging_core.jobs import Call, Job, JobFailure


def attempts_here(job: Job) -> int:
    """How many attempts it has had there, from 1 once it was claimed."""
    return job.attempt - (job.moves[-1].attempts if job.moves else 0)


def crashes_here(job: Job) -> int:
    """How many running leases ran out there."""
    return job.crashes - (job.moves[-1].crashes if job.moves else 0)


def calls_here(job: Job) -> Sequence[Call]:
    """Its calls to that backend."""
    return job.calls[job.moves[-1].calls :] if job.moves else job.calls


def failures_here(job: Job) -> Sequence[JobFailure]:
    """What went wrong there."""
    return job.failures[job.moves[-1].failures :] if job.moves else job.failures
