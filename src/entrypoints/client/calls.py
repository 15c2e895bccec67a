"""Every request the service takes, as data with a reader for its answer; imports no transport, so any client can send them."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from entrypoints.client import reading
from entrypoints.client.reading import Answer, from_json
from entrypoints.client.values import Backends, JobInfo, JobsPage, Picture, Submitted
from imaging_core.jobs import JobStatus

T_co = TypeVar("T_co", covariant=True)

#: The backend with a route of its own.
LOCAL = "local"


@attrs.frozen(kw_only=True)
class Call(Generic[T_co]):
    """One request, ready for any transport."""

    method: str
    path: str
    read: Callable[[Answer], T_co]
    params: tuple[tuple[str, str], ...] = ()
    #: The body's fields; a prompt is among them, so it stays out of the repr.
    json: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def result(self, answer: Answer) -> T_co:
        """What the answer means. Raises ApiError when it is an error."""
        reading.check(answer)
        return self.read(answer)


def backends() -> Call[Backends]:
    """Every backend."""
    return Call(method="GET", path="/backends", read=from_json(reading.backends))


def submit(
    prompt: str, backend: str | None, settings: Mapping[str, Any], idempotency_key: str | None = None
) -> Call[Submitted]:
    """Ask for pictures; settings that are None are left to the backend."""
    body = {"prompt": prompt, **{k: _plain(v) for k, v in settings.items() if v is not None}}
    if backend not in (None, LOCAL):
        body["backend"] = backend
    return Call(
        method="POST",
        path="/local/images" if backend == LOCAL else "/images",
        json=body,
        headers={} if idempotency_key is None else {"idempotency-key": idempotency_key},
        read=from_json(reading.submitted),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a setting must be a finite number")
    return list(value) if isinstance(value, tuple) else value


def status(image_id: str) -> Call[JobInfo]:
    """How far a job is."""
    return Call(method="GET", path=f"/status/{_id(image_id)}", read=from_json(reading.job))


def job(image_id: str) -> Call[JobInfo]:
    """Everything about a job."""
    return Call(method="GET", path=f"/jobs/{_id(image_id)}", read=from_json(reading.job))


def jobs(cursor: str | None, statuses: Collection[JobStatus], backend: str | None, limit: int) -> Call[JobsPage]:
    """A page of jobs, newest first."""
    params = [("limit", str(limit)), *(("status", str(status)) for status in sorted(statuses))]
    params += [(name, value) for name, value in (("cursor", cursor), ("backend", backend)) if value is not None]
    return Call(method="GET", path="/jobs", params=tuple(params), read=from_json(reading.jobs_page))


def image(image_id: str, index: int) -> Call[Picture]:
    """A finished job's picture."""
    params = (("index", str(index)),)
    return Call(method="GET", path=f"/image/{_id(image_id)}", params=params, read=reading.picture)


def thumbnail(image_id: str, index: int, size: int) -> Call[Picture]:
    """A small copy of it."""
    params = (("index", str(index)), ("size", str(size)))
    return Call(method="GET", path=f"/image/{_id(image_id)}/thumbnail", params=params, read=reading.picture)


def preview(image_id: str) -> Call[Picture]:
    """A started job's newest preview."""
    return Call(method="GET", path=f"/image/{_id(image_id)}/preview", read=reading.picture)


def cancel(image_id: str) -> Call[JobInfo]:
    """Cancel a job."""
    return Call(method="POST", path=f"/jobs/{_id(image_id)}/cancel", read=from_json(reading.job))


def retry(image_id: str) -> Call[Submitted]:
    """Ask again for what a failed or cancelled job asked for."""
    return Call(method="POST", path=f"/jobs/{_id(image_id)}/retry", read=from_json(reading.submitted))


def delete(image_id: str) -> Call[None]:
    """Forget an ended job."""
    return Call(method="DELETE", path=f"/jobs/{_id(image_id)}", read=reading.nothing)


def local_list(what: str, field: str) -> Call[tuple[str, ...]]:
    """One of the WebUI's lists."""
    return Call(method="GET", path=f"/local/{what}", read=from_json(reading.names(field)))


def alive() -> Call[None]:
    """Whether the service's process answers."""
    return Call(method="GET", path="/livez", read=reading.nothing)


def _id(image_id: str) -> str:
    return quote(image_id, safe="")
