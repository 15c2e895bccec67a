"""txt2img, img2img and extra-single-image: blocking calls over ordinary jobs; imports Starlette, the service and this package."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from html import escape

import attrs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from entrypoints.api.a1111.answers import Made, base64_of, generation_answer
from entrypoints.api.a1111.asking import NONE, Asking, as_sent
from entrypoints.api.a1111.calls import LONGEST_TASK, Calls
from entrypoints.api.a1111.choices import Choices
from entrypoints.api.a1111.fields import B, ExtraSingleImage, Generation, Img2Img, Txt2Img, read_fields
from entrypoints.api.a1111.models import Model, Models
from entrypoints.api.a1111.options import HONOURED
from entrypoints.api.a1111.reading import sent_picture
from entrypoints.api.a1111.refusals import failed, fault, stopping, tell
from entrypoints.api.blocking import Blocking, Stopping
from entrypoints.api.callers import caller_of
from entrypoints.api.encoding import json_answer
from entrypoints.api.forms import Form
from entrypoints.api.problems import problem_of
from entrypoints.api.uploads import Inputs, Share, Uploads
from imaging_core.errors import FieldProblem, ImagingError, InvalidRequest
from imaging_core.faults import log_fault
from imaging_core.images import ImageRequest, Operation
from imaging_core.jobs import Job, JobStatus
from imaging_core.service import ImagingService

log = logging.getLogger("imaging.api")


@attrs.frozen(kw_only=True)
class _Submit:
    """A request, and where it goes."""

    request: ImageRequest
    backend: str
    inputs: Inputs | None = None


class Generations:
    """Makes pictures while the client waits."""

    def __init__(
        self,
        service: ImagingService,
        *,
        models: Models,
        choices: Choices,
        calls: Calls,
        blocking: Blocking,
        uploads: Uploads,
        version: str,
    ) -> None:
        self._service = service
        self._models = models
        self._choices = choices
        self._calls = calls
        self._blocking = blocking
        self._uploads = uploads
        self._version = version

    async def txt2img(self, request: Request) -> Response:
        """Draw from a prompt."""
        with self._uploads.room() as share:
            body = await self._read(request, Txt2Img, share)
            _check_script(body)
        model, settings = await self._settings(request, body)
        backend = model.backend if model is not None else self._models.home
        asking = Asking(await self._models.able(backend), Operation.GENERATE, model)
        submit = _Submit(request=asking.generation(body, settings), backend=backend)
        named = model or await self._models.default()
        job = await self._queue(request, submit)
        # Whatever waits here for minutes waits without the rest of what was sent.
        told = _repeated(body)
        del body
        return await self._generated(request, told, named, job)

    async def img2img(self, request: Request) -> Response:
        """Draw over a picture, where the mask is white if there is one."""
        # Until the job is stored, what it brought takes room.
        with self._uploads.room() as share:
            body = await self._read(request, Img2Img, share)
            _check_script(body)
            model, settings = await self._settings(request, body)
            backend = model.backend if model is not None else self._models.home
            able = await self._models.able(backend)
            inputs = await self._inputs(body)
            named = model or await self._models.default()
            asked = Asking(able, Operation.EDIT, model).generation(body, settings)
            job = await self._queue(request, _Submit(request=asked, backend=backend, inputs=inputs))
        del inputs
        told = _repeated(body)
        del body
        return await self._generated(request, told, named, job)

    async def extra_single_image(self, request: Request) -> Response:
        """Make a picture larger."""
        with self._uploads.room() as share:
            body = await self._read(request, ExtraSingleImage, share)
            inputs = await self._uploads.cleaned(await _picture(body.image, "image"), names=("image", "mask"))
            backend = await self._enlarger(request)
            asking = Asking(await self._models.able(backend), Operation.UPSCALE, None)
            asked = asking.enlargement(body, (inputs.width, inputs.height))
            job = await self._queue(request, _Submit(request=asked, backend=backend, inputs=inputs))
        upscaler_1, resize = body.upscaler_1, body.upscaling_resize
        del body, inputs

        async def answer(ended: Job) -> Response:
            if ended.status is not JobStatus.FINISHED or not ended.images:
                return failed(ended)
            options = ended.request.options
            upscaler = options.get("upscaler", upscaler_1 if upscaler_1 != NONE else ended.backend)
            scale = options.get("scale", resize)
            text = f"Postprocess upscale by: {scale}, Postprocess upscaler: {upscaler}"
            image = await asyncio.to_thread(base64_of, await self._blocking.picture(ended.images[0]))
            return json_answer({"html_info": f"<p>{escape(text)}</p>", "image": image})

        return await self._ended(request, job, answer)

    # --- reading -----------------------------------------------------------------------------------------

    async def _read(self, request: Request, model: type[B], share: Share) -> B:
        value = await self._uploads.read(request, share)
        if isinstance(value, Form):
            raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
        return read_fields(value, model)

    async def _settings(self, request: Request, body: Generation) -> tuple[Model | None, Mapping[str, object]]:
        """The model that is chosen, None for the default, and the options that hold for this call."""
        overrides = {k: v for k, v in (body.override_settings or {}).items() if v is not None and v != ""}
        settings = {**self._choices.of(request), **overrides}
        chosen = settings.get("sd_model_checkpoint")
        if chosen is None:
            return None, settings
        return await self._models.find(str(chosen)), settings

    async def _inputs(self, body: Img2Img) -> Inputs:
        if not body.init_images:
            raise InvalidRequest([FieldProblem(field="init_images", message="Init image not found: it is required.")])
        if len(body.init_images) > 1:
            message = "must be one picture: one call edits one. Send a call for each."
            raise InvalidRequest([FieldProblem(field="init_images", message=message)])
        mask = None if body.mask is None else await _picture(body.mask, "mask")
        return await self._uploads.cleaned(
            await _picture(body.init_images[0], "init_images"),
            mask,
            names=("init_images", "mask"),
        )

    async def _enlarger(self, request: Request) -> str:
        """The backend that enlarges: the chosen model's, the home's, or another that can and costs nothing."""
        chosen = self._choices.of(request).get("sd_model_checkpoint")
        first = (await self._models.find(str(chosen))).backend if chosen is not None else self._models.home
        if Operation.UPSCALE in (await self._models.able(first)).operations:
            return first
        for backend in self._service.backend_names:
            try:
                able = await self._models.able(backend)
            except ImagingError:
                # Whether it could is not known, and the others may.
                continue
            if Operation.UPSCALE in able.operations and not able.paid:
                return backend
        return first

    # --- making ------------------------------------------------------------------------------------------

    async def _queue(self, request: Request, submit: _Submit) -> Job:
        try:
            return await self._service.submit(
                submit.request,
                backend=submit.backend,
                owner=caller_of(request).owner,
                init_image=submit.inputs.init_image if submit.inputs else None,
                mask=submit.inputs.mask if submit.inputs else None,
            )
        except InvalidRequest as error:
            raise as_sent(error) from None

    async def _generated(self, request: Request, body: Generation, model: Model, job: Job) -> Response:
        async def answer(ended: Job) -> Response:
            if ended.status is JobStatus.FAILED or (ended.status is JobStatus.FINISHED and not ended.images):
                return failed(ended)
            # An interrupted call is answered like any other, with what there is: here, nothing.
            pictures = [await self._blocking.picture(ref) for ref in ended.images]
            made = Made(job=ended, body=body, model=model, pictures=pictures, version=self._version)
            told = await asyncio.to_thread(generation_answer, made)
            return Response(told, 200, {"cache-control": "no-store"}, "application/json")

        return await self._ended(request, job, answer, task=body.force_task_id)

    async def _ended(
        self, request: Request, job: Job, answer: Callable[[Job], Awaitable[Response]], *, task: str | None = None
    ) -> Response:
        """What the end of a job is answered with; every answer names the job."""
        try:
            with self._calls.holding(job, task=task):
                ended = await self._blocking.end_of(request, job)
            response = await answer(ended)
        except Stopping:
            response = stopping(job)
        except ImagingError as error:
            response = tell(problem_of(error))
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the job is told of
            log_fault(log, "A request failed.", error, {"route": "/sdapi/v1", "job_id": job.id})
            response = fault()
        response.headers["x-job-id"] = job.id
        return response


def _repeated(body: Generation) -> Generation:
    """What the answer will repeat of a call: it is kept until then, so without what is large and was not used."""
    settings = body.override_settings
    told: dict[str, object] = {
        **dict.fromkeys(("comments", "firstpass_image", "infotext")),
        "alwayson_scripts": {},
        "script_args": [],
        "override_settings": settings and {name: settings[name] for name in HONOURED if name in settings},
    }
    if len(body.force_task_id or "") > LONGEST_TASK:
        told["force_task_id"] = None
    if isinstance(body, Img2Img):
        told["latent_mask"] = None
        if not body.include_init_images:
            told |= {"init_images": None, "mask": None}
    return body.model_copy(update=told)


def _check_script(body: Generation) -> None:
    if body.script_name and body.script_name.casefold() != NONE.casefold():
        message = "Script not found: this service runs no scripts."
        raise InvalidRequest([FieldProblem(field="script_name", message=message)])


async def _picture(text: str, field: str) -> bytes:
    if not text:
        raise InvalidRequest([FieldProblem(field=field, message="is required: the picture in base64.")])
    if text[:5].lower() in ("http:", "https"):
        message = "must be the picture in base64: this service fetches nothing from other addresses."
        raise InvalidRequest([FieldProblem(field=field, message=message)])
    return await asyncio.to_thread(sent_picture, text, field)
