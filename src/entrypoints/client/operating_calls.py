"""Pausing and resuming backends and cancelling many jobs, as data with a reader for the answer; imports this package and attrs."""

from collections.abc import Mapping
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


def _standing(body: Mapping[str, Any]) -> BackendStanding:
    queue = body["queue"]
    return BackendStanding(
        name=body["name"],
        paused=reading.paused(body["paused"]),
        waiting=queue["waiting"],
        started=queue["started"],
    )
