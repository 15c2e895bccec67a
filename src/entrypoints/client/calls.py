"""Every request the service takes, as data with a reader for its answer; imports no transport, so any client can send them."""

import base64
import math
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from entrypoints.client import reading
from entrypoints.client.filters import Filters, as_params
from entrypoints.client.reading import Answer, from_json
from entrypoints.client.values import Backends, Estimate, JobInfo, JobsPage, Picture, Provenance, Submitted

T_co = TypeVar("T_co", covariant=True)

#: The backend with a route of its own.
LOCAL = "local"


@attrs.frozen(kw_only=True)
class Call(Generic[T_co]):
    """One request, ready for any transport."""

    method: str
    path: str
    read: Callable[[Answer], T_co]
    #: Words of a prompt may be among them, so they stay out of the repr, like the body's fields.
    params: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    json: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    #: How long the service may take on purpose, in s.
    waits_s: float = 0.0
    #: Whether doing it twice is as good as once; nothing else is sent again after a lost answer.
    repeatable: bool = attrs.field(default=attrs.Factory(lambda self: self.method == "GET", takes_self=True))

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
    body = {"prompt": prompt, **_given(settings)}
    if backend not in (None, LOCAL):
        body["backend"] = backend
    path = "/local/images" if backend == LOCAL else "/images"
    return _queueing(path, body, from_json(reading.submitted), idempotency_key)


def submit_all(
    requests: Iterable[Mapping[str, Any]], shared: Mapping[str, Any], idempotency_key: str | None = None
) -> Call[tuple[Submitted, ...]]:
    """Ask for many jobs in one step."""
    body = {"shared": _given(shared), "requests": [_given(own) for own in requests]}
    return _queueing("/images/batch", body, from_json(reading.all_submitted), idempotency_key)


def estimate(prompt: str, settings: Mapping[str, Any]) -> Call[Estimate]:
    """Ask what a submit would come to."""
    body = {"prompt": prompt, **_given(settings)}
    return Call(method="POST", path="/estimate", json=body, read=from_json(reading.estimate), repeatable=True)


def edit(
    prompt: str,
    picture: str | bytes,
    settings: Mapping[str, Any],
    *,
    mask: bytes | None = None,
    idempotency_key: str | None = None,
) -> Call[Submitted]:
    """Ask for a picture to be painted anew: a file's bytes, or an earlier job's by its id."""
    body = {"prompt": prompt, **_picture(picture), **_given(settings)}
    if mask is not None:
        body["mask"] = base64.b64encode(mask).decode("ascii")
    return _queueing("/images/edits", body, from_json(reading.submitted), idempotency_key)


def upscale(
    picture: str | bytes, settings: Mapping[str, Any], *, idempotency_key: str | None = None
) -> Call[Submitted]:
    """Ask for a picture to be made larger."""
    body = {**_picture(picture), **_given(settings)}
    return _queueing("/images/upscale", body, from_json(reading.submitted), idempotency_key)


def read_picture(data: bytes) -> Call[Provenance]:
    """Ask what a picture's file says of how it was made."""
    body = {"image": base64.b64encode(data).decode("ascii")}
    return Call(method="POST", path="/png-info", json=body, read=from_json(reading.provenance), repeatable=True)


def listed(names: Collection[str] | None) -> tuple[str, ...] | None:
    """Names as a setting."""
    return None if names is None else tuple(names)


def _queueing(path: str, body: Mapping[str, Any] | None, read: Callable[[Answer], T_co], key: str | None) -> Call[T_co]:
    # With a key, the service knows a submit that it has taken already, and a lost answer is no lost job.
    headers = {"idempotency-key": key or secrets.token_hex(16)}
    return Call(method="POST", path=path, json=body, headers=headers, read=read, repeatable=True)


def _picture(picture: str | bytes) -> dict[str, Any]:
    if isinstance(picture, str):
        return {"image_id": picture}
    return {"image": base64.b64encode(picture).decode("ascii")}


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in settings.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a setting must be a finite number")
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def status(image_id: str, wait_s: int = 0) -> Call[JobInfo]:
    """How far a job is; with `wait_s` once it has ended, or after that many seconds."""
    params = (("wait", str(wait_s)),) if wait_s else ()
    path = f"/status/{_id(image_id)}"
    return Call(method="GET", path=path, params=params, read=from_json(reading.job), waits_s=wait_s)


def job(image_id: str) -> Call[JobInfo]:
    """Everything about a job."""
    return Call(method="GET", path=f"/jobs/{_id(image_id)}", read=from_json(reading.job))


def jobs(cursor: str | None, limit: int, filters: Filters) -> Call[JobsPage]:
    """A page of jobs, newest first."""
    params = (("limit", str(limit)), *((("cursor", cursor),) if cursor else ()), *as_params(filters))
    return Call(method="GET", path="/jobs", params=params, read=from_json(reading.jobs_page))


def image(image_id: str, index: int, file_format: str | None = None, quality: int | None = None) -> Call[Picture]:
    """A finished job's picture; with a format, in that one."""
    asked = (("index", index), ("format", file_format), ("quality", quality))
    params = tuple((name, str(value)) for name, value in asked if value is not None)
    return Call(method="GET", path=f"/image/{_id(image_id)}", params=params, read=reading.picture)


def thumbnail(image_id: str, index: int, size: int) -> Call[Picture]:
    """A small copy of it."""
    params = (("index", str(index)), ("size", str(size)))
    return Call(method="GET", path=f"/image/{_id(image_id)}/thumbnail", params=params, read=reading.picture)


def input_image(image_id: str, name: str, size: int | None) -> Call[Picture]:
    """What an edit or an enlargement began with: its image or its mask."""
    params = (("name", name), *((("size", str(size)),) if size is not None else ()))
    return Call(method="GET", path=f"/image/{_id(image_id)}/input", params=params, read=reading.picture)


def preview(image_id: str) -> Call[Picture]:
    """A started job's newest preview."""
    return Call(method="GET", path=f"/image/{_id(image_id)}/preview", read=reading.picture)


def cancel(image_id: str) -> Call[JobInfo]:
    """Cancel a job."""
    return Call(method="POST", path=f"/jobs/{_id(image_id)}/cancel", read=from_json(reading.job), repeatable=True)


def retry(image_id: str) -> Call[Submitted]:
    """Ask again for what a failed or cancelled job asked for."""
    return _queueing(f"/jobs/{_id(image_id)}/retry", None, from_json(reading.submitted), None)


def mark(image_id: str, *, favourite: bool) -> Call[JobInfo]:
    """Make a job a favourite, or none any more."""
    path, method = f"/jobs/{_id(image_id)}/favourite", "PUT" if favourite else "DELETE"
    return Call(method=method, path=path, read=from_json(reading.job), repeatable=True)


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
