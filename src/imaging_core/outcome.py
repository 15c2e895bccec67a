"""How a job ends when everything it asked for has been made; imports attrs and this package's values."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from imaging_core.errors import Charged, FailureCode
from imaging_core.images import StoredCall
from imaging_core.jobs import Job, JobFailure


def concluded(job: Job, stored: Sequence[StoredCall], *, now: datetime) -> Job:
    """The job ended by what the store holds of all its calls.

    Finished with its pictures; filtered ones are on record as a failure, and when none is left the job has failed.
    """
    images = tuple(image for call in stored for image in call.images)
    filtered = sum(call.filtered for call in stored)
    if not filtered:
        return job.succeeded(images, now=now)
    failure = JobFailure(
        code=FailureCode.CONTENT_FILTERED,
        message=_sentence(filtered, filtered + len(images)),
        retryable=False,
        attempt=job.attempt,
        at=now,
        charged=Charged.YES if job.credits else Charged.NO,
    )
    if not images:
        return job.failed(failure, now=now)
    # By these numbers they are asked for, and those that there are have no gaps.
    numbered = [attrs.evolve(image, index=nth) for nth, image in enumerate(images)]
    return job.with_failure(failure).succeeded(numbered, now=now)


def _sentence(filtered: int, made: int) -> str:
    if made == 1:
        return "The picture was filtered by the provider."
    if filtered == made:
        return f"All {made} pictures were filtered by the provider."
    return f"{filtered} of the {made} pictures {'was' if filtered == 1 else 'were'} filtered by the provider."
