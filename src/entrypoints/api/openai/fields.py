"""What the bodies of OpenAI's calls hold, as models for the reader and for OpenAPI; imports pydantic and the core's limits.

Fields that are of no use here are taken whatever they hold, known or not: clients send what their own menus offer.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entrypoints.api.problems import field_problems
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.formats import JPEG, PNG, WEBP
from imaging_core.images import MAX_SEED

#: `output_format`, and the media type it means.
FORMATS = {"png": PNG, "jpeg": JPEG, "jpg": JPEG, "webp": WEBP}

_NO_USE = "Taken and not used."


def _body(example: dict[str, Any]) -> ConfigDict:
    extra: dict[str, Any] = {"examples": [example], "additionalProperties": True}
    return ConfigDict(strict=True, frozen=True, extra="ignore", json_schema_extra=extra)


class ImageFields(BaseModel):
    """Fields of both calls. Null, absent and empty mean the same."""

    #: Canonical fields of a request, and the name under which they were sent.
    SENT: ClassVar[dict[str, str]] = {
        "checkpoint": "model",
        "backend": "model",
        "count": "n",
        "sampler": "sampler_name",
        "width": "size",
        "height": "size",
        "aspect_ratio": "size",
        "init_image": "image",
    }

    prompt: str = Field(description="What to draw.")
    model: str | None = Field(default=None, description="One of GET /v1/models; the default backend without it.")
    n: int | None = Field(default=None, ge=1, le=10, description="How many pictures.")
    size: str | None = Field(
        default=None, description="WIDTHxHEIGHT, brought to the nearest that the backend can; or auto."
    )
    quality: Any = Field(default=None, description="Taken, and repeated in the answer; a backend has no such setting.")
    output_format: str | None = Field(default=None, description="png, jpeg or webp.")
    output_compression: int | None = Field(
        default=None, ge=0, le=100, description="Quality of a JPEG or a WebP; nothing to a PNG."
    )
    response_format: str | None = Field(
        default=None, description="b64_json, or url: an address that needs no key, good for an hour."
    )
    stream: bool | None = Field(default=None, description="Answer with server-sent events.")
    partial_images: int | None = Field(
        default=None, ge=0, le=3, description="Most previews in a stream, from backends that give any."
    )
    background: Any = Field(default=None, description=_NO_USE)
    moderation: Any = Field(default=None, description=_NO_USE)
    user: Any = Field(default=None, description=_NO_USE)
    negative_prompt: str | None = Field(default=None, description="What to avoid. Not one of OpenAI's.")
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED, description="-1: a random one. Not one of OpenAI's.")
    steps: int | None = Field(default=None, description="Sampling steps. Not one of OpenAI's.")
    cfg_scale: float | None = Field(default=None, description="How closely to follow it. Not one of OpenAI's.")
    sampler_name: str | None = Field(default=None, description="The sampler. Not one of OpenAI's.")

    @property
    def media_type(self) -> str | None:
        """Of the pictures, None for whatever the backend gives."""
        return FORMATS[self.output_format] if self.output_format else None

    @property
    def compression(self) -> int | None:
        """Quality of a JPEG or a WebP, 1..100; None for the usual one, and for a PNG."""
        lossy = self.media_type in (JPEG, WEBP)
        return max(1, self.output_compression) if lossy and self.output_compression is not None else None


class OpenAiGeneration(ImageFields):
    """Body of POST /v1/images/generations."""

    model_config = _body({"prompt": "a lighthouse at dusk", "model": "stability/core", "size": "1536x1024"})

    style: Any = Field(default=None, description=_NO_USE)


class OpenAiEdit(ImageFields):
    """Body of POST /v1/images/edits, as JSON."""

    model_config = _body(
        {"prompt": "the same in fog", "images": [{"image_url": "data:image/png;base64,iVBORw0KGgo="}], "size": "auto"}
    )

    images: Any = Field(default=None, description="Pictures as {image_url: a data: URL}; the first one is edited.")
    image: Any = Field(default=None, description="The same, or base64.")
    mask: Any = Field(default=None, description="As large as the picture; like one. What is transparent changes.")
    input_fidelity: Any = Field(default=None, description=_NO_USE)
    strength: float | None = Field(default=None, description="How much may change, from 0 to 1. Not one of OpenAI's.")


def read_fields(body: object, model: type[ImageFields]) -> ImageFields:
    """The fields of a body. Raises InvalidRequest that names every field which is wrong."""
    if not isinstance(body, dict):
        raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
    given = {name: value for name, value in body.items() if value is not None and (value != "" or name == "prompt")}
    try:
        fields = model.model_validate(given)
    except ValidationError as error:
        # Inputs stay out of it: they may be prompts.
        raise InvalidRequest(field_problems(error.errors(include_url=False, include_input=False))) from None
    problems = [*_choices(fields)]
    if problems:
        raise InvalidRequest(problems)
    return fields


def _choices(fields: ImageFields) -> list[FieldProblem]:
    problems = []
    for name, choices in (("output_format", tuple(FORMATS)), ("response_format", ("b64_json", "url"))):
        value = getattr(fields, name)
        if value is not None and value not in choices:
            problems.append(FieldProblem(field=name, message=f"must be one of {', '.join(choices)}."))
    return problems
