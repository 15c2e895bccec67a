"""Every error as application/problem+json, and the one table from the core's errors to HTTP; imports Starlette and the core."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from entrypoints.api.encoding import encode
from imaging_core.errors import (
    BackendNotConfigured,
    DeliveryNotFound,
    FieldProblem,
    GenerationError,
    IdempotencyMismatch,
    ImageNotAvailable,
    ImageNotReady,
    ImagingError,
    InvalidRequest,
    JobConflict,
    JobDeleted,
    JobNotFound,
    LeaseLost,
    QueueFull,
    StaleJob,
    StorageFull,
    Unavailable,
    UnknownBackend,
    UnknownCursor,
    UnreadableDelivery,
    UnreadableJob,
)
from imaging_core.spending import CreditLimitReached

log = logging.getLogger("imaging.api")

#: Every kind of problem: the last part of its `type`, and its title.
TITLES: Mapping[str, str] = {
    "malformed-json": "The body is not strict JSON",
    "bad-request": "The request is malformed",
    "unauthorized": "A key is needed",
    "forbidden": "The key does not allow it",
    "bad-link": "The link is not good",
    "cross-site": "A page from elsewhere asked",
    "wrong-host": "The service is not known under that name",
    "too-many-requests": "Too many requests",
    "credit-limit": "The day's credits are used up",
    "not-found": "Not found",
    "method-not-allowed": "The method is not allowed here",
    "head-too-slow": "The request's head came too slowly",
    "body-too-slow": "The body came too slowly",
    "conflict": "The job's status does not allow it",
    "image-not-available": "The job ended without that picture",
    "deleted": "The job has been deleted",
    "unknown-cursor": "The event log does not reach back that far",
    "body-too-large": "The body is too large",
    "head-too-large": "The request's head is too large",
    "unsupported-media-type": "The body is of the wrong type",
    "range-not-satisfiable": "The picture has no such range",
    "invalid-request": "The request cannot be made",
    "unknown-backend": "There is no such backend",
    "idempotency-mismatch": "The idempotency key was used before",
    "queue-full": "Too many jobs are waiting",
    "internal": "The service has a fault",
    "backend-not-configured": "The backend is not set up",
    "not-ready": "The service is not ready",
    "unavailable": "A part of the service does not answer",
    "storage-full": "There is no room for more pictures",
    "unreadable-job": "A newer version of the service wrote this job",
}

#: How each core error is told: kind and status. A class not named here is told like the nearest one above it.
TABLE: Mapping[type[ImagingError], tuple[str, int]] = {
    InvalidRequest: ("invalid-request", 422),
    UnknownBackend: ("unknown-backend", 422),
    BackendNotConfigured: ("backend-not-configured", 503),
    JobNotFound: ("not-found", 404),
    DeliveryNotFound: ("not-found", 404),
    JobDeleted: ("deleted", 410),
    ImageNotReady: ("conflict", 409),
    ImageNotAvailable: ("image-not-available", 409),
    JobConflict: ("conflict", 409),
    StaleJob: ("conflict", 409),
    LeaseLost: ("conflict", 409),
    IdempotencyMismatch: ("idempotency-mismatch", 422),
    QueueFull: ("queue-full", 503),
    UnknownCursor: ("unknown-cursor", 410),
    UnreadableJob: ("unreadable-job", 503),
    UnreadableDelivery: ("unreadable-job", 503),
    StorageFull: ("storage-full", 503),
    CreditLimitReached: ("credit-limit", 429),
    Unavailable: ("unavailable", 503),
    GenerationError: ("unavailable", 503),
    ImagingError: ("internal", 500),
}

_HTTP_KINDS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}


class Problem(Exception):
    """An answer that is an error; `extra` are further members of its body."""

    def __init__(
        self,
        kind: str,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def response(self) -> Response:
        """The answer as it goes out."""
        body = {
            "type": f"/problems/{self.kind}",
            "title": TITLES[self.kind],
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
        headers = {"cache-control": "no-store", **self.headers}
        return Response(encode(body), self.status, headers, "application/problem+json")


def invalid(problems: Iterable[FieldProblem]) -> Problem:
    """422 that names every field which is wrong."""
    return problem_of(InvalidRequest(tuple(problems)))


def problem_of(error: ImagingError) -> Problem:
    """How a core error is told to a client."""
    kind, status = next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)
    headers: dict[str, str] = {}
    extra: dict[str, object] = {}
    match error:
        case InvalidRequest():
            extra["errors"] = [{"field": p.field, "message": p.message} for p in error.problems]
        case UnknownBackend():
            extra["errors"] = [{"field": "backend", "message": str(error)}]
        case QueueFull():
            status = 429 if error.mine else status
            headers["retry-after"] = str(error.retry_after_s)
        case CreditLimitReached():
            extra["limit"] = error.limit
            extra["resets_at"] = error.resets_at.isoformat().replace("+00:00", "Z")
            left_s = math.ceil((error.resets_at - datetime.now(UTC)).total_seconds())
            headers["retry-after"] = str(max(1, left_s))
        case Unavailable():
            headers["retry-after"] = str(error.retry_after_s)
        case GenerationError():
            headers["retry-after"] = str(math.ceil(error.retry_after_s or 5))
            extra["code"] = error.code.value
    if status == 500:
        log.error("A core error has no translation: %s", type(error).__name__, exc_info=error)
        return Problem(kind, status, "This is a fault of the service. Its log says more.")
    return Problem(kind, status, _sentence(error) or f"{TITLES[kind]}. Try again.", headers=headers, extra=extra)


def _sentence(error: ImagingError) -> str:
    if isinstance(error, InvalidRequest):
        return " ".join(f"{p.field}: {p.message}" if p.field else p.message for p in error.problems)
    return str(error)


# --- what the framework finds wrong ------------------------------------------------------------------------

_MESSAGES = {
    "missing": "is required.",
    "string_type": "must be text.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_parsing_size": "is too large.",
    "float_type": "must be a number.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "list_type": "must be a list.",
    "tuple_type": "must be a list.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "must be at most {le}.",
    "string_too_long": "must have at most {max_length} characters.",
    "too_long": "must have at most {max_length} entries.",
    "enum": "must be one of {expected}.",
    "literal_error": "must be one of {expected}.",
    "string_pattern_mismatch": "has characters that do not belong there.",
}


def field_problems(errors: Sequence[ErrorDetails]) -> list[FieldProblem]:
    """Pydantic's findings in our words, which never repeat the input."""
    problems = []
    for error in errors:
        location = [part for part in error["loc"] if part not in ("body", "query", "path", "header")]
        if error["loc"][:1] == ("query",):
            # A parameter that comes several times has no numbers to its sender.
            location = [part for part in location if not isinstance(part, int)]
        template = _MESSAGES.get(error["type"], "is not valid.")
        problems.append(
            FieldProblem(field=".".join(map(str, location)), message=template.format_map(dict(error.get("ctx") or {})))
        )
    return problems


def _path(request: Request) -> str:
    """The path below the prefix that a proxy in front may have."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def allowed_methods(app: FastAPI, path: str) -> str:
    """The value of `Allow` for a path: Starlette names only the methods of the first route that matches."""
    methods = {
        method
        for route in app.routes
        if isinstance(route, Route) and route.path_regex.match(path)
        for method in route.methods or ()
    }
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # registered for this class alone
    return error.response()


async def _on_imaging_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ImagingError)  # noqa: S101  # registered for this class alone
    return problem_of(error).response()


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class alone
    return invalid(field_problems(error.errors())).response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class alone
    path = _path(request)
    if error.status_code == 404:
        # An id with a slash in it matches no route, and must look like any other id that does not exist.
        if path.startswith(("/status/", "/image/", "/jobs/")):
            return problem_of(JobNotFound()).response()
        return Problem("not-found", 404, "There is nothing at this path. GET /docs shows what there is.").response()
    if error.status_code == 405:
        allow = allowed_methods(request.app, path)
        return Problem("method-not-allowed", 405, f"Allowed here: {allow}.", headers={"allow": allow}).response()
    kind = _HTTP_KINDS.get(error.status_code, "bad-request")
    return Problem(kind, error.status_code, f"{TITLES[kind]}.").response()


def tell_problems(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(ImagingError, _on_imaging_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
