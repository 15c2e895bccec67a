"""Turns answers into values and errors, without any transport; imports stdlib and the core's values.

A newer service may tell more than this client knows: unknown fields and parameter kinds are passed over.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import attrs

from entrypoints.client.errors import ApiError, NotTheService, Problem
from entrypoints.client.values import (
    BackendInfo,
    Backends,
    Estimate,
    Failure,
    JobInfo,
    JobsPage,
    Moved,
    Obstacle,
    Parked,
    Paused,
    Picture,
    PictureInfo,
    Provenance,
    Submitted,
)
from imaging_core.capabilities import Capabilities
from imaging_core.images import ImageRequest, InputImage, Operation, OptionValue
from imaging_core.jobs import JobStatus
from imaging_core.parameters import Parameter, ParameterKind

T = TypeVar("T")
Json = Mapping[str, Any]

#: What people call the backends, whose answers have no title while they are not set up; those they know best first.
TITLES = {"stability": "Stability AI", "local": "Local SD", "demo": "Demo"}


@attrs.frozen(kw_only=True)
class Answer:
    """An HTTP answer, whoever fetched it; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = attrs.field(repr=lambda content: f"<{len(content)} bytes>")

    @property
    def media_type(self) -> str:
        """Of the content, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def from_json(read: Callable[[Json], T]) -> Callable[[Answer], T]:
    """A reader of answers out of a reader of JSON objects. What it gives raises NotTheService for anything else."""

    def reader(answer: Answer) -> T:
        try:
            return read(json.loads(answer.content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _not_the_service(answer) from error

    return reader


def check(answer: Answer) -> None:
    """Raises ApiError for an answer that is an error."""
    if answer.status < 400:
        return
    try:
        body = json.loads(answer.content)
        problem = Problem(
            status=answer.status,
            type=str(body["type"]),
            title=str(body["title"]),
            detail=str(body.get("detail") or body["title"]),
            field_errors=_field_errors(body.get("errors") or ()),
            retry_after_s=_retry_after(answer),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _not_the_service(answer) from None
    raise ApiError(problem)


def _field_errors(errors: Any) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for error in errors:
        name, message = str(error["field"]), str(error["message"])
        found[name] = f"{found[name]} {message}" if name in found else message
    return found


def _retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _not_the_service(answer: Answer) -> NotTheService:
    return NotTheService(
        Problem(
            status=answer.status,
            type="about:blank",
            title="Not the imaging service",
            detail=f"Something answered with status {answer.status}, but not as the imaging service does. "
            "Check that IMAGING_API_URL is the address of its API.",
            retry_after_s=_retry_after(answer),
        )
    )


def nothing(_: Answer) -> None:
    """For answers without content."""


def picture(answer: Answer) -> Picture:
    """A picture. Raises NotTheService for something else."""
    if not answer.media_type.startswith("image/"):
        raise _not_the_service(answer)
    return Picture(data=answer.content, media_type=answer.media_type)


def submitted(body: Json) -> Submitted:
    """The answer to a submit."""
    return Submitted(image_id=body["image_id"], status=JobStatus(body["status"]), backend=body["backend"])


def all_submitted(body: Json) -> tuple[Submitted, ...]:
    """The answer to a batch."""
    return tuple(map(submitted, body["jobs"]))


def estimate(body: Json) -> Estimate:
    """What would come of a submit."""
    told = {**body, "obstacles": tuple(_known(Obstacle, one) for one in body["obstacles"])}
    return _known(Estimate, {**told, "request": image_request(body["request"])})


def provenance(body: Json) -> Provenance:
    """What a picture says of itself."""
    settings = body["settings"]
    told = None if settings is None else {name: _option(value) for name, value in settings.items()}
    return _known(Provenance, {**body, "settings": told})


def job(body: Json) -> JobInfo:
    """A status, an entry of a listing, or a whole job."""
    same = ("image_id", "backend", "attempt", "seed", "count", "cancel_requested", "retry_of", "cost_credits")
    live = ("queue_position", "progress", "step", "steps", "images_done", "eta_s")
    failure, parked, request = body.get("failure"), body.get("parked"), body.get("request")
    told: dict[str, Any] = {**{name: body[name] for name in same}, **{name: body.get(name) for name in live}}
    return JobInfo(
        **told,
        status=JobStatus(body["status"]),
        created_at=datetime.fromisoformat(body["created_at"]),
        started_at=_moment(body["started_at"]),
        finished_at=_moment(body["finished_at"]),
        has_preview=bool(body.get("preview_url")),
        favourite=bool(body.get("favourite")),
        route=body.get("route"),
        moves=tuple(
            _known(Moved, {**move, "at": datetime.fromisoformat(move["at"])}) for move in body.get("moves", ())
        ),
        images=tuple(_known(PictureInfo, image) for image in body["images"]),
        parked=parked and _known(Parked, {**parked, "until": datetime.fromisoformat(parked["until"])}),
        paused=paused(body.get("paused")),
        crashes=body.get("crashes", 0),
        owner=body.get("owner"),
        failure=failure and _known(Failure, failure),
        previous_failures=tuple(_known(Failure, earlier) for earlier in body["previous_failures"]),
        request=request and image_request(request),
    )


def image_request(body: Json) -> ImageRequest:
    """What a job asked for."""
    options = {name: _option(value) for name, value in body.get("options", {}).items()}
    plain = {name: value for name, value in body.items() if name not in {"options", "operation", "init_image", "mask"}}
    operation = Operation(body.get("operation", Operation.GENERATE))
    return attrs.evolve(
        _known(ImageRequest, plain),
        options=options,
        operation=operation,
        init_image=_input(body.get("init_image")),
        mask=_input(body.get("mask")),
    )


def _input(body: Json | None) -> InputImage | None:
    return _known(InputImage, body) if body else None


def jobs_page(body: Json) -> JobsPage:
    """A page of a listing."""
    return JobsPage(jobs=tuple(map(job, body["jobs"])), next_cursor=body["next_cursor"])


def backends(body: Json) -> Backends:
    """All backends."""
    return Backends(default=body["default"], backends=tuple(map(backend, body["backends"])))


def backend(body: Json) -> BackendInfo:
    """One backend; without capabilities while nobody knows them."""
    queue = body["queue"] or {}
    title = str(body["title"] or TITLES.get(body["name"], body["name"]))
    capabilities = None
    if body["parameters"]:
        capabilities = Capabilities(
            backend=body["name"],
            title=title,
            parameters=tuple(filter(None, map(_parameter, body["parameters"]))),
            images_per_call=body["images_per_call"] or 1,
            max_pixels=body["max_pixels"],
            paid=bool(body["paid"]),
            credits=dict(body["credits"]),
            notice=body["notice"],
            operations=_operations(body.get("operations") or (Operation.GENERATE,)),
        )
    return BackendInfo(
        name=body["name"],
        title=title,
        configured=body["configured"],
        answers=body["answers"],
        message=body["message"],
        capabilities=capabilities,
        waiting=queue.get("waiting", 0),
        started=queue.get("started", 0),
        mean_run_s=queue.get("mean_run_s"),
        paused=paused(body.get("paused")),
    )


def paused(body: Json | None) -> Paused | None:
    """That a backend was stopped."""
    return None if body is None else Paused(since=datetime.fromisoformat(body["since"]), reason=body["reason"])


def names(field: str) -> Callable[[Json], tuple[str, ...]]:
    """A reader of a list of names under that field."""
    return lambda body: tuple(str(name) for name in body[field])


def _parameter(body: Json) -> Parameter | None:
    if body["kind"] not in set(ParameterKind):
        return None
    values = {
        **body,
        "kind": ParameterKind(body["kind"]),
        "default": None if body["default"] is None else _option(body["default"]),
        "choices": tuple(body["choices"]),
        "only_for": tuple(body["only_for"]),
        "operations": _operations(body.get("operations") or ()),
    }
    return _known(Parameter, {k: v for k, v in values.items() if k != "aliases"})


def _operations(names: Iterable[Any]) -> tuple[Operation, ...]:
    return tuple(Operation(name) for name in names if name in set(Operation))


def _option(value: Any) -> OptionValue:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    if not isinstance(value, str | int | float | bool):
        raise TypeError("a setting is text, a number, a flag or a list of names")
    return value


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _known(kind: type[T], body: Json) -> T:
    """A value of that attrs class from the fields it knows."""
    names = {field.name for field in attrs.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in body.items() if name in names})
