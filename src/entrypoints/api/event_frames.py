"""What goes out on an event stream, encoded once for everybody; imports FastAPI's event format and the core's values."""

import hashlib
from collections.abc import Mapping

import attrs
from fastapi.sse import format_sse_event

from entrypoints.api import job_answers
from entrypoints.api.encoding import encode
from imaging_core.events import JobEvent
from imaging_core.service import JobView

#: Kinds beside the core's: where a stream begins, how far a job is, and the end of the first look at many jobs.
SNAPSHOT, PROGRESS, READY = "snapshot", "progress", "ready"

#: How long a client should wait before it comes back, in ms.
_RETRY_MS = 2000
#: Opens every stream. No blank line ends it: it belongs to whatever event comes first, and proxies pass it on at once.
OPENING = f"retry: {_RETRY_MS}\n".encode()
#: Says that the stream lives. A comment line by itself is no event, not even an empty one.
KEEP_ALIVE = b": alive\n"


@attrs.frozen(kw_only=True)
class Frame:
    """One event as it goes out."""

    job_id: str
    #: Whose job it is; None while keys are off.
    owner: str | None
    #: The version of the job that it tells of; a reader that has seen a later one skips it.
    version: int
    #: Whether the job has ended.
    terminal: bool
    #: Whether a newer one of the same job makes it worthless.
    lossy: bool
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    #: What it was made of; None for a job that is gone.
    view: JobView | None = attrs.field(default=None, repr=False)


def frame_of(view: JobView, kind: str, *, cursor: str = "") -> Frame:
    """A job as it stands, under that kind; with a cursor it is a place to resume from."""
    job = view.job
    body = {**job_answers.status(view), "kind": kind}
    if body["preview_url"] is not None and view.progress is not None and view.progress.preview is not None:
        # With a version, so that a page loads each preview once.
        digest = hashlib.blake2b(view.progress.preview.data, digest_size=6).hexdigest()
        body["preview_url"] = f"{body['preview_url']}?v={digest}"
    return Frame(
        job_id=job.id,
        owner=job.owner,
        version=job.version,
        terminal=job.status.terminal,
        lossy=kind == PROGRESS,
        data=_event(body, kind, cursor),
        view=view,
    )


def gone(event: JobEvent) -> Frame:
    """A job of which nothing is left to tell but that it is gone."""
    body = {"image_id": event.job_id, "status": event.status.value, "backend": event.backend, "kind": event.kind.value}
    return Frame(
        job_id=event.job_id,
        owner=event.owner,
        version=2**63,
        terminal=True,
        lossy=False,
        data=_event(body, event.kind.value, event.cursor),
    )


def ready(jobs: int, *, complete: bool, cursor: str) -> bytes:
    """The end of the first look: so many open jobs were told of, and whether those are all."""
    return _event({"kind": READY, "jobs": jobs, "complete": complete}, READY, cursor)


def _event(body: Mapping[str, object], kind: str, cursor: str) -> bytes:
    return format_sse_event(data_str=encode(body).decode(), event=kind, id=cursor or None)
