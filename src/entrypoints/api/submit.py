"""POST /images and POST /local/images: reads, checks and passes on; imports FastAPI, the service and this package."""

import re

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import job_answers
from entrypoints.api.bodies import read_json
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.job_shapes import Accepted
from entrypoints.api.openapi import BODY_PROBLEMS, body, header, problems
from entrypoints.api.submissions import LocalSubmission, StabilitySubmission, Submission
from entrypoints.api.submitted_fields import SubmittedFields
from imaging_core.errors import BackendNotConfigured, FieldProblem, InvalidRequest, UnknownBackend
from imaging_core.jobs import Job
from imaging_core.service import ImagingService

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class SubmitDoor:
    """Takes requests for pictures."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        key = header("Idempotency-Key", "Submits under one key within 24 hours are one job.", maxLength=255)
        for path, endpoint, model, summary in (
            ("/images", self.images, StabilitySubmission, "Make pictures on Stability AI, or on a backend named"),
            ("/local/images", self.local_images, LocalSubmission, "Make pictures on your own SD WebUI"),
        ):
            app.router.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                status_code=202,
                summary=summary,
                tags=["submit"],
                responses={202: {"model": Accepted}, **problems(*BODY_PROBLEMS, 429, 503)},
                openapi_extra={**body(model), **key},
            )

    async def images(self, request: Request) -> Response:
        """Queue a job; the answer's Location says where to look. Goes to the default backend unless one is named."""
        return await self._submit(request, StabilitySubmission, self._config.images_backend)

    async def local_images(self, request: Request) -> Response:
        """Queue a job on the local SD WebUI; the answer's Location says where to look."""
        return await self._submit(request, LocalSubmission, self._config.local_backend)

    async def _submit(self, request: Request, model: type[Submission], default: str) -> Response:
        key = _idempotency_key(request)
        fields = SubmittedFields(await read_json(request, self._config), model)
        try:
            job = await self._queue(fields, fields.backend or default, key, owner=caller_of(request).owner)
        except UnknownBackend as error:
            if fields.backend is not None:
                raise
            raise BackendNotConfigured(
                default, f"This service has no backend {default!r}. It has: {', '.join(error.known)}."
            ) from None
        return submitted(job, self._config)

    async def _queue(self, fields: SubmittedFields, backend: str, key: str | None, *, owner: str | None) -> Job:
        # Only a field that no model knows needs a look at what the backend lists.
        settings = (await self._service.capabilities(backend)).parameters if fields.further else ()
        request = fields.request(parameter.name for parameter in settings)
        try:
            return await self._service.submit(
                request, backend=backend, owner=owner, idempotency_key=key, keep_days=fields.keep_days
            )
        except InvalidRequest as error:
            raise fields.as_sent(error) from None


def submitted(job: Job, config: ApiConfig) -> Response:
    """The answer to whatever queued a job."""
    headers = {"location": f"/status/{job.id}", "retry-after": str(config.retry_after_s)}
    return json_answer(job_answers.accepted(job), 202, headers)


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        message = "must be one header of 1 to 255 printable ASCII characters."
        raise InvalidRequest([FieldProblem(field="Idempotency-Key", message=message)])
    return keys[0]
