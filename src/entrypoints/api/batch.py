"""POST /images/batch, many jobs in one step, and POST /estimate, none; imports FastAPI, the service and this package."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.accepting import IDEMPOTENCY, idempotency_key
from entrypoints.api.batch_shapes import MOST_REQUESTS, Batch, BatchAccepted, Estimate
from entrypoints.api.bodies import read_json
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.estimates import Question, estimate_body
from entrypoints.api.openapi import BODY_PROBLEMS, body, problems
from entrypoints.api.priorities import priority_of
from entrypoints.api.submissions import StabilitySubmission
from entrypoints.api.submit import request_of, unless_missing
from entrypoints.api.submitted_fields import SubmittedFields
from imaging_core.errors import FieldProblem, InvalidRequest, UnknownBackend
from imaging_core.estimating import estimate
from imaging_core.images import ImageRequest
from imaging_core.routing import AUTO
from imaging_core.service import ImagingService

#: Fields that count for a whole batch.
_FOR_ALL = frozenset({"keep_days", "priority", "webhook", "webhook_events"})
#: How the core names an entry's field.
_ITEM = re.compile(r"items(?:\[([0-9]+)\])?\.?(.*)", re.DOTALL)

Fields = Mapping[str, object]


class BatchDoor:
    """Takes many requests at once, and tells what one would come to."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        app.router.add_api_route(
            "/images/batch",
            self.batch,
            methods=["POST"],
            status_code=202,
            summary=f"Make pictures for up to {MOST_REQUESTS} requests, all of them or none",
            tags=["submit"],
            responses={202: {"model": BatchAccepted}, **problems(*BODY_PROBLEMS, 429, 503)},
            openapi_extra={**body(Batch), "parameters": IDEMPOTENCY},
        )
        app.router.add_api_route(
            "/estimate",
            self.estimate,
            methods=["POST"],
            summary="What a request would cost, where it would go, and whether it could run now",
            tags=["submit"],
            responses={200: {"model": Estimate}, **problems(*BODY_PROBLEMS, 503)},
            openapi_extra=estimate_body(),
        )

    async def batch(self, request: Request) -> Response:
        """Queue a job for each of `requests`, in one step: all of them, or none with every wrong field named."""
        key = idempotency_key(request)
        shared, requests = _parts(await read_json(request, self._config))
        read = [SubmittedFields({**shared, **own}, StabilitySubmission) for own in requests]
        caller = caller_of(request)
        priority = priority_of(read[0].priority, caller)
        try:
            jobs = await self._service.submit_all(
                await self._items(read),
                owner=caller.owner,
                priority=priority,
                idempotency_key=key,
                keep_days=read[0].keep_days,
                webhook=read[0].webhook,
            )
        except InvalidRequest as error:
            raise _as_sent(error, shared, requests, read) from None
        headers = {"retry-after": str(self._config.retry_after_s)}
        return json_answer({"jobs": [job_answers.accepted(job) for job in jobs]}, 202, headers)

    async def _items(self, read: Iterable[SubmittedFields]) -> list[tuple[ImageRequest, str]]:
        """Each request and its backend. Raises InvalidRequest that names every wrong field as the core would."""
        items: list[tuple[ImageRequest, str]] = []
        wrong: list[FieldProblem] = []
        for index, fields in enumerate(read):
            backend = fields.backend or self._config.images_backend
            try:
                with unless_missing(fields, backend):
                    self._check_backend(backend)
                    items.append((await request_of(self._service, fields, backend), backend))
            except UnknownBackend as error:
                wrong.append(FieldProblem(field=f"items[{index}].backend", message=str(error)))
            except InvalidRequest as error:
                wrong += (FieldProblem(field=f"items[{index}].{p.field}", message=p.message) for p in error.problems)
        if wrong:
            raise InvalidRequest(wrong)
        return items

    def _check_backend(self, backend: str) -> None:
        known = self._service.backend_names
        if backend not in {AUTO, *known, *self._service.unconfigured}:
            raise UnknownBackend(backend, known)

    async def estimate(self, request: Request) -> Response:
        """The same checks as those of a submit; nothing is queued, and no call is made that costs."""
        question, caller = Question(await read_json(request, self._config)), caller_of(request)
        fields = question.fields
        backend = fields.backend or self._config.images_backend
        priority_of(fields.priority, caller)
        with unless_missing(fields, backend):
            plain = await request_of(self._service, fields, backend)
            asked = await question.about(plain, self._service, sees=caller.sees)
            try:
                found = await estimate(self._service, asked, backend=backend, owner=caller.owner)
            except InvalidRequest as error:
                raise fields.as_sent(error) from None
        return json_answer(
            {
                "backend": found.backend,
                "route": found.route,
                "credits": found.credits,
                "paid": found.paid,
                "calls": found.calls,
                "count": found.request.count,
                "accepted": found.accepted,
                "startable": found.startable,
                "queue_position": found.queue_position,
                "eta_s": None if found.eta_s is None else round(found.eta_s, 1),
                "obstacles": [{"code": o.code, "message": o.message, "refuses": o.refuses} for o in found.obstacles],
                "request": job_answers.request(attrs.evolve(found.request, init_image=None, mask=None)),
            }
        )


def _parts(sent: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is shared, and the requests. Raises InvalidRequest."""
    if not isinstance(sent, dict):
        raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
    if not sent.keys() <= {"shared", "requests"}:
        message = "There is a field that is not known here. The fields are: requests, shared."
        raise InvalidRequest([FieldProblem(field="", message=message)])
    shared, requests = sent.get("shared"), sent.get("requests")
    shared = {} if shared is None else shared
    wrong: list[FieldProblem] = []
    if not isinstance(shared, dict):
        wrong.append(FieldProblem(field="shared", message="must be an object."))
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        message = f"must be a list of 1 to {MOST_REQUESTS} objects."
        raise InvalidRequest([*wrong, FieldProblem(field="requests", message=message)])
    for index, own in enumerate(requests):
        if not isinstance(own, dict):
            wrong.append(FieldProblem(field=f"requests[{index}]", message="must be an object."))
            continue
        message = "counts for the whole batch: give it in shared."
        wrong += (
            FieldProblem(field=f"requests[{index}].{name}", message=message) for name in sorted(_FOR_ALL & own.keys())
        )
    if wrong:
        raise InvalidRequest(wrong)
    return shared, requests


def _as_sent(
    error: InvalidRequest, shared: Fields, requests: list[dict[str, Any]], read: list[SubmittedFields]
) -> InvalidRequest:
    """The same problems under the names that the caller used: `requests[3].steps`, or `shared.steps` once for all."""
    problems: dict[FieldProblem, None] = {}
    for problem in error.problems:
        match = _ITEM.fullmatch(problem.field)
        if match is None or match[1] is None:
            field = "requests" if match else f"shared.{problem.field}"
        elif not match[2]:
            # One sentence about all fields of an entry that are unknown, which may have come from either place.
            index = int(match[1])
            for field in _places_of(read[index].unknown, shared, requests[index], f"requests[{index}]"):
                problems[FieldProblem(field=field, message=problem.message)] = None
            continue
        else:
            index = int(match[1])
            name = read[index].sent.get(match[2], match[2])
            is_shared = name in shared and name not in requests[index]
            field = f"shared.{name}" if is_shared else f"requests[{index}].{name}"
        problems[FieldProblem(field=field, message=problem.message)] = None
    return InvalidRequest(tuple(problems))


def _places_of(names: Iterable[str], shared: Fields, own: Fields, entry: str) -> list[str]:
    """Where these fields of an entry stand: in `shared` unless it has them itself."""
    places = {"shared" if name in shared and name not in own else entry for name in names}
    return sorted(places) or [entry]
