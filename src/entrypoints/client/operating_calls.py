"""What operators see of the queue and do to it, as data with a reader for the answer; imports this package and attrs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import attrs

from entrypoints.client import reading
from entrypoints.client.calls import Call
from entrypoints.client.reading import from_json
from entrypoints.client.values import Paused
from imaging_core.jobs import JobStatus


@attrs.frozen(kw_only=True)
class BackendStanding:
    """A backend after it was paused or resumed."""

    name: str
    #: None while it begins jobs.
    paused: Paused | None
    #: Jobs that wait, and jobs under way.
    waiting: int
    started: int


@attrs.frozen(kw_only=True)
class CancelledJobs:
    """What came of cancelling many."""

    #: Jobs that are cancelled now.
    cancelled: int
    #: Jobs under way whose workers were asked to stop them.
    asked: int
    #: Whether there may be more: ask again.
    more: bool


@attrs.frozen(kw_only=True)
class Minute:
    """How busy a backend was in one minute: the most that was seen in it."""

    at: datetime
    waiting: int
    started: int
    #: How long the job that had waited longest had been waiting, in s.
    longest_wait_s: float


@attrs.frozen(kw_only=True)
class WorkerInfo:
    """A worker that is alive, as it says itself."""

    name: str
    #: How many jobs it takes at a time, and how many slots are busy, by backend.
    slots: Mapping[str, int]
    busy: Mapping[str, int]
    version: str
    started_at: datetime
    seen_at: datetime


def history(backend: str, minutes: int) -> Call[tuple[Minute, ...]]:
    """How busy a backend was."""
    path, params = f"/backends/{quote(backend, safe='')}/history", (("minutes", str(minutes)),)
    return Call(
        method="GET", path=path, params=params, read=from_json(lambda body: tuple(map(_minute, body["minutes"])))
    )


def workers() -> Call[tuple[WorkerInfo, ...]]:
    """Every worker that is alive."""
    return Call(method="GET", path="/workers", read=from_json(lambda body: tuple(map(_worker, body["workers"]))))


def pause(backend: str, reason: str) -> Call[BackendStanding]:
    """Keep a backend from beginning jobs."""
    path = f"/backends/{quote(backend, safe='')}/pause"
    return Call(method="POST", path=path, json={"reason": reason}, read=from_json(_standing), repeatable=True)


def resume(backend: str) -> Call[BackendStanding]:
    """Let it begin them again."""
    path = f"/backends/{quote(backend, safe='')}/resume"
    return Call(method="POST", path=path, read=from_json(_standing), repeatable=True)


def cancel_all(backend: str | None, status: JobStatus | None, *, everybody: bool) -> Call[CancelledJobs]:
    """Cancel many jobs."""
    body = {"backend": backend, "status": status and status.value, "everybody": everybody}
    read = from_json(lambda told: CancelledJobs(cancelled=told["cancelled"], asked=told["asked"], more=told["more"]))
    return Call(method="POST", path="/jobs/cancel", json=body, read=read, repeatable=True)


def _minute(body: Mapping[str, Any]) -> Minute:
    return Minute(
        at=datetime.fromisoformat(body["at"]),
        waiting=body["waiting"],
        started=body["started"],
        longest_wait_s=body["longest_wait_s"],
    )


def _worker(body: Mapping[str, Any]) -> WorkerInfo:
    return WorkerInfo(
        name=body["name"],
        slots=dict(body["slots"]),
        busy=dict(body["busy"]),
        version=body["version"],
        started_at=datetime.fromisoformat(body["started_at"]),
        seen_at=datetime.fromisoformat(body["seen_at"]),
    )


def _standing(body: Mapping[str, Any]) -> BackendStanding:
    queue = body["queue"]
    return BackendStanding(
        name=body["name"],
        paused=reading.paused(body["paused"]),
        waiting=queue["waiting"],
        started=queue["started"],
    )
