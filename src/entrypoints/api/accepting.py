"""The answer to whatever queued a job, and what its request says about that answer; imports FastAPI and this package."""

import logging
import re
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.job_shapes import Accepted, Status
from entrypoints.api.openapi import BODY_PROBLEMS, Spec, header, problems
from entrypoints.api.waiting import Waiting
from imaging_core.errors import FieldProblem, InvalidRequest, JobDeleted, JobNotFound, Unavailable
from imaging_core.jobs import Job
from imaging_core.service import JobView

log = logging.getLogger("imaging.api")

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)

#: OpenAPI's parameters of an endpoint that queues a job.
IDEMPOTENCY: list[Spec] = header(
    "Idempotency-Key", "Submits under one key within 24 hours are one submit.", maxLength=255
)["parameters"]
PREFERENCE: list[Spec] = header(
    "Prefer", "`wait=N`: wait up to N s for the job's end, and answer 200 with its status.", examples=["wait=30"]
)["parameters"]


def add_submit(
    app: FastAPI, path: str, endpoint: Callable[[Request], Awaitable[Response]], *, summary: str, request_body: Spec
) -> None:
    """Register an endpoint that reads a body and queues a job for it."""
    app.router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        status_code=202,
        summary=summary,
        tags=["submit"],
        responses={
            200: {"model": Status, "description": "It has ended within the time of Prefer: wait."},
            202: {"model": Accepted},
            **problems(*BODY_PROBLEMS, 429, 503),
        },
        openapi_extra={**request_body, "parameters": [*IDEMPOTENCY, *PREFERENCE]},
    )


class Accepting:
    """Answers that a job was taken: at once, or with its end if the client prefers to wait for that."""

    def __init__(self, config: ApiConfig, waiting: Waiting) -> None:
        self._config = config
        self._waiting = waiting

    async def answer(self, request: Request, job: Job) -> Response:
        """202 with the id; 200 with the status when the client waited for it and it has ended in time."""
        headers = {"location": f"/status/{job.id}"}
        within_s = self._waiting.preferred(request)
        if within_s is not None:
            headers["preference-applied"] = f"wait={within_s:g}"
            done = await self._ended(request, job, within_s)
            if done is not None:
                return json_answer(job_answers.status(JobView(job=done)), 200, headers)
        headers["retry-after"] = str(self._config.retry_after_s)
        return json_answer(job_answers.accepted(job), 202, headers)

    async def _ended(self, request: Request, job: Job, within_s: float) -> Job | None:
        """The job once it has ended; None when it has not in time, or nobody can tell: it is taken all the same."""
        try:
            seen = await self._waiting.until_ended(request, job.id, within_s=within_s)
        except (JobNotFound, JobDeleted, Unavailable) as error:
            log.debug("A wait ended early: %s", error, extra={"job_id": job.id})
            return None
        return seen if seen.status.terminal else None


def idempotency_key(request: Request) -> str | None:
    """The value of the request's Idempotency-Key. Raises InvalidRequest for more than one, or a malformed one."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        message = "must be one header of 1 to 255 printable ASCII characters."
        raise InvalidRequest([FieldProblem(field="Idempotency-Key", message=message)])
    return keys[0]
