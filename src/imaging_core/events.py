"""What happened to a job, for whoever watches; values only; imports stdlib, attrs and this package's values.

Events are stored with the write that caused them. Progress is not: it is lossy, and only the newest matters.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from imaging_core.jobs import Job, JobStatus


class EventKind(StrEnum):
    """Why an event was written."""

    QUEUED = "queued"
    STARTED = "started"
    TAKEN_OVER = "taken_over"
    PARKED = "parked"
    MOVED = "moved"
    CANCEL_REQUESTED = "cancel_requested"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


@attrs.frozen(kw_only=True)
class JobEvent:
    """One stored step of a job's life."""

    job_id: str
    kind: EventKind
    status: JobStatus
    attempt: int
    at: datetime
    backend: str
    owner: str | None = None
    #: Facts for people and programs (reason, code, until; of an end also waited_s, ran_s and credits; of a move the backend
    #: it left); never a prompt.
    data: Mapping[str, str] = attrs.field(factory=dict)
    #: Given by the log that stored it; a place to resume from. Empty before.
    cursor: str = ""

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to the job but its deletion."""
        return self.status.terminal


_ENDS = (EventKind.FINISHED, EventKind.FAILED, EventKind.CANCELLED)


def event_of(job: Job, kind: EventKind, *, at: datetime, **data: str) -> JobEvent:
    """The event that a write of this job causes. An end tells its figures, so that whoever counts need not read the job."""
    return JobEvent(
        job_id=job.id,
        kind=kind,
        status=job.status,
        attempt=job.attempt,
        at=at,
        backend=job.backend,
        owner=job.owner,
        data={**_figures(job), **data} if kind in _ENDS else data,
    )


def _figures(job: Job) -> dict[str, str]:
    """How long it waited and ran, in s, and what it cost, in credits."""
    started, ended = job.started_at, job.finished_at
    figures = {"credits": f"{job.credits:g}"}
    if started is not None:
        figures["waited_s"] = f"{(started - job.created_at).total_seconds():.3f}"
        if ended is not None:
            figures["ran_s"] = f"{(ended - started).total_seconds():.3f}"
    return figures


@attrs.frozen(kw_only=True)
class Preview:
    """A small picture of how far the job has come."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    media_type: str


@attrs.frozen(kw_only=True)
class JobProgress:
    """How far a started job has come; lossy."""

    job_id: str
    #: 0..1 over all the job's pictures.
    fraction: float
    #: Pictures that are done.
    images_done: int = 0
    #: Sampling step within the current call, and how many there are; None when the backend does not say.
    step: int | None = None
    steps: int | None = None
    #: Seconds left, None when unknown.
    eta_s: float | None = None
    preview: Preview | None = None
