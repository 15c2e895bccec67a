"""POST /images and POST /local/images: reads, checks and passes on; imports FastAPI, the service and this package."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.accepting import Accepting, add_submit, idempotency_key
from entrypoints.api.bodies import read_json
from entrypoints.api.callers import Caller, caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.openapi import body
from entrypoints.api.priorities import priority_of
from entrypoints.api.submissions import LocalSubmission, StabilitySubmission, Submission
from entrypoints.api.submitted_fields import ALIASES, SubmittedFields
from imaging_core.errors import BackendNotConfigured, ImagingError, InvalidRequest, UnknownBackend
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job
from imaging_core.parameters import ParameterKind
from imaging_core.service import ImagingService


class SubmitDoor:
    """Takes requests for pictures."""

    def __init__(self, service: ImagingService, config: ApiConfig, accepting: Accepting) -> None:
        self._service = service
        self._config = config
        self._accepting = accepting

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        for path, endpoint, model, summary in (
            ("/images", self.images, StabilitySubmission, "Make pictures on Stability AI, or on a backend named"),
            ("/local/images", self.local_images, LocalSubmission, "Make pictures on your own SD WebUI"),
        ):
            add_submit(app, path, endpoint, summary=summary, request_body=body(model))

    async def images(self, request: Request) -> Response:
        """Queue a job; the answer's Location says where to look. Goes to the default backend unless one is named."""
        return await self._submit(request, StabilitySubmission, self._config.images_backend)

    async def local_images(self, request: Request) -> Response:
        """Queue a job on the local SD WebUI; the answer's Location says where to look."""
        return await self._submit(request, LocalSubmission, self._config.local_backend)

    async def _submit(self, request: Request, model: type[Submission], default: str) -> Response:
        key = idempotency_key(request)
        fields = SubmittedFields(await read_json(request, self._config), model)
        backend = fields.backend or default
        with unless_missing(fields, backend):
            job = await self._queue(fields, backend, key, caller=caller_of(request))
        return await self._accepting.answer(request, job)

    async def _queue(self, fields: SubmittedFields, backend: str, key: str | None, *, caller: Caller) -> Job:
        priority = priority_of(fields.priority, caller)
        request = await request_of(self._service, fields, backend)
        try:
            return await self._service.submit(
                request,
                backend=backend,
                owner=caller.owner,
                priority=priority,
                idempotency_key=key,
                keep_days=fields.keep_days,
                webhook=fields.webhook,
            )
        except InvalidRequest as error:
            raise fields.as_sent(error) from None


async def request_of(service: ImagingService, fields: SubmittedFields, backend: str) -> ImageRequest:
    """The request that a body stands for. Raises InvalidRequest.

    A backend that cannot be asked is no matter here: a submit says so itself, unless its Idempotency-Key stands for a job.
    """
    return fields.request(await _settings(service, fields, backend))


async def _settings(service: ImagingService, fields: SubmittedFields, backend: str) -> Iterable[str]:
    if not fields.further:
        # Only a field that no model knows needs a look at what the backend lists.
        return ()
    try:
        listed = (await service.capabilities(backend)).parameters
    except ImagingError:
        # What was taken before had no field that is unknown, and anything new is refused for the backend's sake.
        return (ALIASES.get(name, name) for name in fields.further)
    # Pictures have a way of their own.
    return (parameter.name for parameter in listed if parameter.kind is not ParameterKind.IMAGE)


@contextmanager
def unless_missing(fields: SubmittedFields, backend: str) -> Iterator[None]:
    """Within it, a backend that is not there is a mistake of the caller's only if the caller has named it."""
    try:
        yield
    except UnknownBackend as error:
        if fields.backend is not None:
            raise
        message = f"This service has no backend {backend!r}. It has: {', '.join(error.known)}."
        raise BackendNotConfigured(backend, message) from None
