"""POST /images/edits and POST /images/upscale: from a picture and words to a job; imports FastAPI, the service and this package."""

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.accepting import Accepting, add_submit, idempotency_key
from entrypoints.api.callers import Caller, caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.edit_submissions import (
    OF_THE_PICTURES,
    EditSubmission,
    PictureSubmission,
    UpscaleSubmission,
    form_body,
)
from entrypoints.api.form_fields import typed
from entrypoints.api.forms import Form
from entrypoints.api.priorities import priority_of
from entrypoints.api.problems import field_problems
from entrypoints.api.submit import request_of, unless_missing
from entrypoints.api.submitted_fields import SubmittedFields
from entrypoints.api.uploads import Inputs, Uploads, decoded, texts_of
from imaging_core.errors import FieldProblem, ImagingError, InvalidRequest
from imaging_core.images import ImageRequest, Operation
from imaging_core.jobs import Job
from imaging_core.parameters import Parameter
from imaging_core.service import ImagingService

_FILES = frozenset({"image", "mask"})


class EditsDoor:
    """Takes requests that begin with a picture."""

    def __init__(self, service: ImagingService, config: ApiConfig, accepting: Accepting, uploads: Uploads) -> None:
        self._service = service
        self._config = config
        self._accepting = accepting
        self._uploads = uploads
        self._listed: dict[str, tuple[Parameter, ...]] = {}

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        for path, endpoint, model, summary in (
            ("/images/edits", self.edits, EditSubmission, "Paint a picture anew, whole or where a mask says"),
            ("/images/upscale", self.upscale, UpscaleSubmission, "Make a picture larger"),
        ):
            add_submit(app, path, endpoint, summary=summary, request_body=form_body(model))

    async def edits(self, request: Request) -> Response:
        """Queue an edit of a picture that is sent, or of an earlier one; the answer's Location says where to look."""
        return await self._submit(request, EditSubmission, Operation.EDIT)

    async def upscale(self, request: Request) -> Response:
        """Queue an enlargement of a picture that is sent, or of an earlier one; Location says where to look."""
        return await self._submit(request, UpscaleSubmission, Operation.UPSCALE)

    async def _submit(self, request: Request, model: type[PictureSubmission], operation: Operation) -> Response:
        key = idempotency_key(request)
        # Until the job is stored, what it brought takes room.
        with self._uploads.room() as share:
            brought = await self._brought(model, await self._uploads.read(request, share))
            inputs = await self._inputs(request, brought)
            fields = brought.fields
            backend = fields.backend or self._config.images_backend
            fields.sent["init_image"] = "image_id" if "image_id" in brought.about else "image"
            with unless_missing(fields, backend):
                asked = attrs.evolve(await request_of(self._service, fields, backend), operation=operation)
                job = await self._queue(asked, fields, inputs, backend=backend, caller=caller_of(request), key=key)
        return await self._accepting.answer(request, job)

    async def _brought(self, model: type[PictureSubmission], body: Form | object) -> "_Brought":
        files: Mapping[str, bytes] = {}
        if isinstance(body, Form):
            texts, files = texts_of(body, _FILES & model.model_fields.keys())
            further = texts.keys() - model.model_fields.keys()
            body = typed(texts, model, await self._parameters(texts.get("backend")) if further else ())
        if not isinstance(body, dict):
            raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object or a form.")])
        about = {name: value for name in OF_THE_PICTURES if (value := body.get(name)) is not None}
        unknown = [name for name in about if name not in model.model_fields]
        if unknown:
            raise InvalidRequest([FieldProblem(field=name, message="is not taken here.") for name in unknown])
        rest = {name: value for name, value in body.items() if name not in OF_THE_PICTURES}
        return _Brought(about=_checked(about, model), files=files, fields=SubmittedFields(rest, model))

    async def _parameters(self, named: object) -> tuple[Parameter, ...]:
        """What the backend calls its settings; of one that cannot be asked now, what it called them last."""
        backend = named if isinstance(named, str) else self._config.images_backend
        if backend not in self._service.backend_names:
            # Said when the job is queued, together with what there is.
            return ()
        try:
            self._listed[backend] = (await self._service.capabilities(backend)).parameters
        except ImagingError:
            # A form that was taken before must be read as it was then: its key may stand for a job.
            if backend not in self._listed:
                raise
        return self._listed[backend]

    async def _inputs(self, request: Request, brought: "_Brought") -> Inputs:
        about = brought.about
        image = await asyncio.to_thread(brought.file, "image")
        image_id = about.get("image_id")
        if image is not None and image_id is not None:
            raise InvalidRequest([FieldProblem(field="image_id", message="must not be given together with image.")])
        if image is None and image_id is None:
            message = "is required: a file, base64, or an earlier picture by image_id."
            raise InvalidRequest([FieldProblem(field="image", message=message)])
        if image_id is None and "index" in about:
            raise InvalidRequest([FieldProblem(field="index", message="is of use only together with image_id.")])
        if image is None:
            image = await self._uploads.earlier(request, str(image_id), about.get("index", 0))
        mask, mode = await asyncio.to_thread(brought.file, "mask"), about.get("mask_mode")
        if mask is None and mode is not None:
            raise InvalidRequest([FieldProblem(field="mask_mode", message="is of use only together with mask.")])
        return await self._uploads.cleaned(image, mask, transparent_repaints=mode == "transparent")

    async def _queue(
        self,
        asked: ImageRequest,
        fields: SubmittedFields,
        inputs: Inputs,
        *,
        backend: str,
        caller: Caller,
        key: str | None,
    ) -> Job:
        priority = priority_of(fields.priority, caller)
        try:
            return await self._service.submit(
                asked,
                backend=backend,
                owner=caller.owner,
                priority=priority,
                idempotency_key=key,
                keep_days=fields.keep_days,
                webhook=fields.webhook,
                init_image=inputs.init_image,
                mask=inputs.mask,
            )
        except InvalidRequest as error:
            raise fields.as_sent(error) from None


@attrs.frozen(kw_only=True)
class _Brought:
    """A body, sorted."""

    #: Fields about the pictures.
    about: Mapping[str, Any]
    files: Mapping[str, bytes]
    #: All other fields.
    fields: SubmittedFields

    def file(self, name: str) -> bytes | None:
        """The picture of that name, as a file of the form or as text. Takes CPU time. Raises InvalidRequest."""
        if name in self.files:
            return self.files[name]
        text = self.about.get(name)
        return None if text is None else decoded(text, name)


def _checked(about: Mapping[str, Any], model: type[PictureSubmission]) -> Mapping[str, Any]:
    """The fields about the pictures, of the right types. Raises InvalidRequest."""
    try:
        model.model_validate({"prompt": "", **about})
    except ValidationError as error:
        raise InvalidRequest(field_problems(error.errors(include_url=False, include_input=False))) from None
    return about
