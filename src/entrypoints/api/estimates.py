"""What the body of POST /estimate asks about: pictures, an edit or an enlargement; imports pydantic, the service and this package.

A price does not hang on a picture's bytes, so none are sent: an earlier picture is named, or one of a usual size assumed.
"""

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entrypoints.api.edit_submissions import EditSubmission, UpscaleSubmission
from entrypoints.api.problems import field_problems
from entrypoints.api.shapes import Shape
from entrypoints.api.submissions import StabilitySubmission, Submission, submission_schema
from entrypoints.api.submitted_fields import SubmittedFields
from imaging_core.errors import FieldProblem, ImageNotAvailable, ImageNotReady, InvalidRequest, JobDeleted, JobNotFound
from imaging_core.formats import PNG
from imaging_core.images import ImageRequest, InputImage, Operation
from imaging_core.service import ImagingService

#: Width and height in px of the picture that is assumed where none is named.
ASSUMED_PX = 1024

_MODELS: Mapping[Operation, type[Submission]] = {
    Operation.GENERATE: StabilitySubmission,
    Operation.EDIT: EditSubmission,
    Operation.UPSCALE: UpscaleSubmission,
}
_OWN = ("operation", "image_id", "index", "with_mask")
_NOT_SENT = ("image", "mask", "mask_mode")


class PictureEstimate(StabilitySubmission, Shape):
    """Body of POST /estimate about a picture's edit or enlargement; its further fields are those of that endpoint."""

    model_config = submission_schema({"operation": "edit", "prompt": "a lighthouse in the fog", "strength": 0.6})

    prompt: str = Field(default="", description="What to draw; an enlargement needs none.")
    operation: Literal["edit", "upscale"] = Field(description="As of POST /images/edits or /images/upscale.")
    image_id: str | None = Field(default=None, description="A finished job whose picture it would begin with.")
    index: int | None = Field(default=None, ge=0, description="Which of that job's pictures, from 0.")
    with_mask: bool | None = Field(default=None, description="Whether a mask would come with an edit's picture.")


def estimate_body() -> dict[str, Any]:
    """`openapi_extra` of the endpoint."""
    kinds = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in (StabilitySubmission, PictureEstimate)]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": kinds}}}}}


class _About(BaseModel):
    """What is said of the operation."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    operation: Literal["generate", "edit", "upscale"] = "generate"
    image_id: str | None = None
    index: int | None = Field(default=None, ge=0)
    with_mask: bool = False


class Question:
    """A body, sorted."""

    def __init__(self, body: object) -> None:
        """Raises InvalidRequest that names every field about the operation which is wrong."""
        sent = body if isinstance(body, dict) else {}
        about = {name: sent[name] for name in _OWN if sent.get(name) is not None}
        try:
            checked = _About.model_validate(about)
        except ValidationError as error:
            raise InvalidRequest(field_problems(error.errors(include_url=False, include_input=False))) from None
        self._operation = Operation(checked.operation)
        self._image_id, self._index = checked.image_id, checked.index
        self._with_mask = checked.with_mask
        self._refuse(about, sent)
        rest = {name: value for name, value in body.items() if name not in _OWN} if isinstance(body, dict) else body
        #: All other fields.
        self.fields = SubmittedFields(rest, _MODELS[self._operation])

    def _refuse(self, about: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
        wrong: list[FieldProblem] = []
        if self._operation is Operation.GENERATE:
            message = "is of use only with operation edit or upscale."
            wrong += (FieldProblem(field=name, message=message) for name in about if name != "operation")
        else:
            message = "is not looked at for an estimate: name an earlier picture by image_id, or none."
            wrong += (FieldProblem(field=name, message=message) for name in _NOT_SENT if sent.get(name) is not None)
        if self._operation is Operation.UPSCALE and self._with_mask:
            wrong.append(FieldProblem(field="with_mask", message="is of use only with operation edit."))
        if self._index is not None and self._image_id is None:
            wrong.append(FieldProblem(field="index", message="is of use only together with image_id."))
        if wrong:
            raise InvalidRequest(wrong)

    async def about(self, asked: ImageRequest, service: ImagingService, *, sees: str | None) -> ImageRequest:
        """The request with its operation, and with pictures of the size that those of a submit would have.

        `sees` is the owner whose jobs the caller may see. Raises InvalidRequest that names the field.
        """
        if self._operation is Operation.GENERATE:
            return asked
        self.fields.sent["init_image"] = "image_id"
        self.fields.sent["mask"] = "with_mask"
        picture = await self._picture(service, sees)
        mask = picture if self._with_mask else None
        return attrs.evolve(asked, operation=self._operation, init_image=picture, mask=mask)

    async def _picture(self, service: ImagingService, sees: str | None) -> InputImage:
        width = height = ASSUMED_PX
        if self._image_id is not None:
            try:
                ref = service.image_ref(await service.get(self._image_id, owner=sees), self._index or 0)
            except (JobNotFound, JobDeleted, ImageNotReady, ImageNotAvailable) as error:
                raise InvalidRequest([FieldProblem(field="image_id", message=str(error))]) from None
            width, height = ref.width, ref.height
        return InputImage(media_type=PNG, size=0, sha256="", width=width, height=height)
