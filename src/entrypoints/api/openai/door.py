"""POST /v1/images/generations and /v1/images/edits, GET /v1/models: OpenAI's calls as jobs; imports FastAPI and the service."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import attrs
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from entrypoints.api.accepting import IDEMPOTENCY, idempotency_key
from entrypoints.api.blocking import Blocking, Stopping
from entrypoints.api.bodies import read_json
from entrypoints.api.callers import caller_of
from entrypoints.api.closing import Closing
from entrypoints.api.config import ApiConfig
from entrypoints.api.edge import HEAD
from entrypoints.api.encoding import json_answer
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.form_fields import typed
from entrypoints.api.forms import Form
from entrypoints.api.openai.answers import Pictures, Wanted
from entrypoints.api.openai.asking import request_of
from entrypoints.api.openai.catalogue import Catalogue, Target, check
from entrypoints.api.openai.errors import BELOW, Refusal, failed, fault, refusal_of, stopping
from entrypoints.api.openai.fields import ImageFields, OpenAiEdit, OpenAiGeneration, read_fields
from entrypoints.api.openai.inputs import Brought, brought_by_form, brought_by_json, inputs_of
from entrypoints.api.openai.shapes import CALL, OpenAiModel, OpenAiModels, errors
from entrypoints.api.openai.stream import ImageStream, Order
from entrypoints.api.openapi import Spec, body
from entrypoints.api.problems import Problem
from entrypoints.api.uploads import Inputs, Uploads
from imaging_core.capabilities import Capabilities
from imaging_core.errors import ImagingError, Unavailable
from imaging_core.faults import log_fault
from imaging_core.images import Operation
from imaging_core.jobs import Job, JobStatus
from imaging_core.routing import AUTO
from imaging_core.service import ImagingService

log = logging.getLogger("imaging.api")

_FILE = {"type": "string", "format": "binary"}
_FORM: Spec = {
    "schema": {
        "type": "object",
        "required": ["prompt", "image"],
        "properties": {"prompt": {"type": "string"}, "image": _FILE, "image[]": _FILE, "mask": _FILE},
        "additionalProperties": {"type": "string"},
    }
}


@attrs.frozen(kw_only=True)
class _Call:
    """One call as it was read."""

    request: Request
    fields: ImageFields
    operation: Operation


class OpenAiDoor:
    """Takes OpenAI's calls, and answers them as OpenAI does."""

    def __init__(
        self,
        service: ImagingService,
        config: ApiConfig,
        *,
        blocking: Blocking,
        feed: EventFeed,
        closing: Closing,
        uploads: Uploads,
    ) -> None:
        self._service = service
        self._config = config
        self._blocking = blocking
        self._feed = feed
        self._closing = closing
        self._uploads = uploads
        self._pictures = Pictures(service, config)
        self._catalogue = Catalogue(service, default=config.images_backend, aliases=config.openai_aliases)

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        edit = body(OpenAiEdit)
        edit["requestBody"]["content"]["multipart/form-data"] = _FORM
        for path, endpoint, summary, spec in (
            (
                "/v1/images/generations",
                self.generations,
                "Make pictures, as OpenAI's clients ask",
                body(OpenAiGeneration),
            ),
            ("/v1/images/edits", self.edits, "Edit a picture, as OpenAI's clients ask", edit),
        ):
            app.router.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                summary=summary,
                tags=["openai"],
                responses=CALL,
                openapi_extra={**spec, "parameters": IDEMPOTENCY},
            )
        models: dict[int | str, Spec] = {200: {"model": OpenAiModels}, **errors(401, 403, 421, 429)}
        app.router.add_api_route("/v1/models", self.models, summary="Every model", tags=["openai"], responses=models)
        model: dict[int | str, Spec] = {200: {"model": OpenAiModel}, **errors(401, 403, 404, 421, 429, 503)}
        app.router.add_api_route(
            "/v1/models/{model:path}", self.model, summary="One model", tags=["openai"], responses=model
        )
        app.router.add_api_route(
            "/v1/{path:path}",
            self.elsewhere,
            methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            include_in_schema=False,
        )

    # --- endpoints ---------------------------------------------------------------------------------------

    async def generations(self, request: Request) -> Response:
        """Answers when the job has ended. An ordinary job inside, which goes on when the caller does not wait."""

        async def answer() -> Response:
            fields = read_fields(await read_json(request, self._config), OpenAiGeneration)
            call = _Call(request=request, fields=fields, operation=Operation.GENERATE)
            return await self._answer(call, await self._queue(call))

        return await self._told(answer)

    async def edits(self, request: Request) -> Response:
        """The same with a picture, in a form or in JSON; what is transparent in the mask changes."""

        async def answer() -> Response:
            call, job = await self._edit(request)
            return await self._answer(call, job)

        return await self._told(answer)

    async def models(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """What `model` may be: each backend's models, then names that lead to the default backend."""

        async def answer() -> Response:
            return _good({"object": "list", "data": await self._catalogue.all()})

        return await self._told(answer)

    async def model(self, request: Request, model: str) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Whether there is that model; 404 if not."""

        async def answer() -> Response:
            return _good(await self._catalogue.one(model))

        return await self._told(answer)

    async def elsewhere(self, request: Request, path: str) -> Response:
        """Everything else below /v1, so that it is told as OpenAI's clients expect."""
        methods = _methods(request.app, BELOW + path)
        if not methods:
            message = "There is nothing at this path. GET /docs shows what there is."
            return _nothing(404, message, {})
        allow = {"allow": ", ".join(sorted({*methods, "HEAD", "OPTIONS"}))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        if HEAD in request.scope:
            return Response(headers=allow)
        return _nothing(405, f"Allowed here: {allow['allow']}.", allow)

    # --- making ------------------------------------------------------------------------------------------

    async def _edit(self, request: Request) -> tuple[_Call, Job]:
        """The call without its pictures, and its job: nobody holds them while it waits."""
        # Until the job is stored, what it brought takes room.
        with self._uploads.room() as share:
            brought = await asyncio.to_thread(_brought, await self._uploads.read(request, share))
            fields = read_fields(brought.fields, OpenAiEdit)
            inputs = await inputs_of(brought, self._uploads, model=fields.model)
            call = _Call(request=request, fields=fields, operation=Operation.EDIT)
            return call, await self._queue(call, inputs)

    async def _queue(self, call: _Call, inputs: Inputs | None = None) -> Job:
        if call.fields.stream:
            # Before anything is queued: somebody who cannot be told should not have paid.
            await self._feed.start()
        target = self._catalogue.target(call.fields.model)
        able = await self._able(target)
        return await self._service.submit(
            request_of(call.fields, target, able, call.operation),
            backend=target.backend,
            owner=caller_of(call.request).owner,
            idempotency_key=idempotency_key(call.request),
            init_image=inputs.init_image if inputs else None,
            mask=inputs.mask if inputs else None,
        )

    async def _able(self, target: Target) -> Capabilities | None:
        """What the backend takes; None for one that is chosen later, or cannot be asked now.

        The submit says so itself, unless the Idempotency-Key stands for a job. Raises UnknownModel.
        """
        if target.backend == AUTO:
            return None
        try:
            able = await self._service.capabilities(target.backend)
        except Unavailable:
            return None
        check(target, able)
        return able

    async def _answer(self, call: _Call, job: Job) -> Response:
        wanted = Wanted.of(call.fields)
        if call.fields.stream:
            order = Order(job=job, wanted=wanted, partials=call.fields.partial_images or 0, model=call.fields.model)
            return ImageStream(
                order,
                service=self._service,
                feed=self._feed,
                closing=self._closing,
                pictures=self._pictures,
                keep_alive_s=self._config.keep_alive_s,
            )
        try:
            # Its pictures are paid for, so that they are kept for a caller whose connection was cut.
            job = await self._blocking.end_of(call.request, job, cancels=False)
            if job.status is not JobStatus.FINISHED or not job.images:
                return failed(job, model=call.fields.model).response()
            return _good(await self._pictures.answer(call.request, job, wanted), {"x-job-id": job.id})
        except Stopping:
            raise stopping(job.id) from None
        except ImagingError as error:
            raise refusal_of(error, call.fields.SENT).of_job(job.id) from None
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody should make a second job of it
            log_fault(log, "A request failed.", error, {"route": "/v1", "job_id": job.id})
            raise fault().of_job(job.id) from None

    async def _told(self, answer: Callable[[], Awaitable[Response]]) -> Response:
        """The answer, or why there is none, in OpenAI's envelope."""
        try:
            return await answer()
        except Refusal as refusal:
            return refusal.response()
        except (Problem, ImagingError) as error:
            return refusal_of(error, ImageFields.SENT).response()
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # the layer that tells of all other faults speaks another language
            log_fault(log, "A request failed.", error, {"route": "/v1"})
            return fault().response()


def _brought(read: Form | object) -> Brought:
    if not isinstance(read, Form):
        return brought_by_json(read)
    brought = brought_by_form(read)
    return attrs.evolve(brought, fields=typed(brought.fields, OpenAiEdit, ()))


def _methods(app: FastAPI, path: str) -> frozenset[str]:
    """What an endpoint that is described takes at that path; empty where there is none."""
    routes = (route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema)
    return frozenset(method for route in routes if route.path_regex.match(path) for method in route.methods or ())


def _nothing(status: int, message: str, headers: Mapping[str, str]) -> Response:
    headers = {"x-should-retry": "false", **headers}
    return Refusal(status=status, message=message, type="invalid_request_error", headers=headers).response()


def _good(value: object, headers: Mapping[str, str] | None = None) -> Response:
    return json_answer(value, headers=headers)
