"""What the bodies of edits and enlargements may hold, as models for the reader and for OpenAPI; imports pydantic and the submissions.

The same names serve JSON and forms; in a form the pictures are file parts and all else is text.
"""

from typing import Any, Literal

from pydantic import Field

from entrypoints.api.submissions import Submission, submission_schema

#: Fields that are about the pictures themselves, and read apart from all others.
OF_THE_PICTURES = ("image", "mask", "image_id", "index", "mask_mode")

_IMAGE = "The picture: PNG, JPEG or WebP, in base64 or as a data: URL; in a form, a file."


class PictureSubmission(Submission):
    """What edits and enlargements have in common."""

    backend: str | None = Field(default=None, description="Another backend than the default one.")
    image: str | None = Field(default=None, description=_IMAGE)
    image_id: str | None = Field(default=None, description="Instead of image: a finished job, whose picture it is.")
    index: int | None = Field(default=None, ge=0, description="Which of that job's pictures, from 0.")
    output_format: str | None = Field(default=None, description="png, jpeg or webp, as the model allows.")


class EditSubmission(PictureSubmission):
    """Body of POST /images/edits."""

    model_config = submission_schema(
        {"prompt": "a lighthouse in the fog", "image_id": "5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e", "strength": 0.6}
    )

    mask: str | None = Field(default=None, description="As large as the picture; like image. What is white changes.")
    mask_mode: Literal["white", "transparent"] | None = Field(
        default=None, description="What of the mask is painted anew: what is white, or what is transparent."
    )
    strength: float | None = Field(
        default=None, description="How much may change: 0 keeps the picture, 1 hardly looks at it."
    )
    steps: int | None = Field(default=None, description="Sampling steps.")
    sampler: str | None = Field(default=None, description="The sampler.")
    scheduler: str | None = Field(default=None, description="The scheduler.")
    width: int | None = Field(default=None, description="Width in px; the picture's by default.")
    height: int | None = Field(default=None, description="Height in px; the picture's by default.")


class UpscaleSubmission(PictureSubmission):
    """Body of POST /images/upscale."""

    model_config = submission_schema({"image_id": "5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e", "backend": "local", "scale": 2.0})

    prompt: str = Field(default="", description="What the picture shows, for models that want to know.")
    scale: float | None = Field(default=None, description="How many times larger, where the backend leaves a choice.")
    upscaler: str | None = Field(default=None, description="What enlarges it, where the backend has several.")


def form_body(model: type[PictureSubmission]) -> dict[str, Any]:
    """`openapi_extra` of an endpoint that reads this body as JSON or as a form."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    files = {name: {"type": "string", "format": "binary"} for name in ("image", "mask") if name in model.model_fields}
    form = {"type": "object", "properties": files, "additionalProperties": {"type": "string"}}
    content = {"application/json": {"schema": reference}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}
