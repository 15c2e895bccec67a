"""What a submit's body may hold, as models for the reader and for OpenAPI; imports pydantic and the core's limits.

Types are checked here, strictly; limits and choices are the backend's, and the core checks them against its capabilities.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from imaging_core.images import MAX_SEED

Names = Annotated[list[str], Field(max_length=100)]

_FURTHER: dict[str, Any] = {
    "description": "Any further setting that GET /backends lists for the backend.",
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"type": "string"}},
    ],
}


def submission_schema(example: Mapping[str, object]) -> ConfigDict:
    """The configuration of a body's model, with an example for OpenAPI."""
    extra: dict[str, Any] = {"additionalProperties": _FURTHER, "examples": [dict(example)]}
    return ConfigDict(strict=True, frozen=True, extra="forbid", json_schema_extra=extra)


class Submission(BaseModel):
    """Fields of every submit; absent and null both mean the backend's default."""

    #: Seeds that mean "draw one".
    random_seeds: ClassVar[frozenset[int]] = frozenset({-1})

    prompt: str = Field(description="What to draw.")
    negative_prompt: str | None = Field(default=None, description="What to avoid.")
    model: str | None = Field(default=None, description="The model; the same as checkpoint.")
    checkpoint: str | None = Field(default=None, description="The model.")
    cfg_scale: float | None = Field(default=None, description="How closely to follow the prompt.")
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED, description="-1: a random one.")
    count: int | None = Field(default=None, ge=1, description="How many pictures.")
    n: int | None = Field(default=None, ge=1, description="How many pictures; the same as count.")
    batch_size: int | None = Field(default=None, ge=1, description="How many of them are made in one call.")
    keep_days: float | None = Field(
        default=None, ge=0.001, le=36_500, description="Days after its end that the job and its pictures are deleted."
    )
    priority: Literal["low", "normal", "high"] | None = Field(
        default=None, description="What is claimed first: high (which needs the scope admin), then normal, then low."
    )
    webhook: str | None = Field(
        default=None, max_length=2_000, description="An https URL that is told of the job's end, signed."
    )
    webhook_events: list[Literal["finished", "failed", "filtered", "cancelled"]] | None = Field(
        default=None, min_length=1, max_length=4, description="Which ends the webhook is told of; all by default."
    )


class StabilitySubmission(Submission):
    """Body of POST /images."""

    model_config = submission_schema(
        {"prompt": "a lighthouse at dusk", "model": "core", "aspect_ratio": "16:9", "output_format": "png", "seed": 0}
    )
    random_seeds = frozenset({-1, 0})

    backend: str | None = Field(default=None, description="Another backend than the default one.")
    aspect_ratio: str | None = Field(default=None, description="Width to height, such as 16:9.")
    style_preset: str | None = Field(default=None, description="A style, such as photographic.")
    output_format: str | None = Field(default=None, description="png, jpeg or webp, as the model allows.")
    seed: int | None = Field(default=None, ge=-1, le=MAX_SEED, description="0 or -1: a random one.")


class LocalSubmission(Submission):
    """Body of POST /local/images."""

    model_config = submission_schema(
        {
            "prompt": "a lighthouse at dusk",
            "negative_prompt": "people",
            "model": "v1-5-pruned-emaonly",
            "sampler_name": "Euler a",
            "steps": 25,
            "cfg_scale": 7.0,
            "width": 512,
            "height": 512,
            "n_iter": 1,
        }
    )

    sampler_name: str | None = Field(default=None, description="The sampler; the same as sampler.")
    sampler: str | None = Field(default=None, description="One of GET /local/sampler_names.")
    scheduler: str | None = Field(default=None, description="One of GET /local/schedulers.")
    steps: int | None = Field(default=None, description="Sampling steps.")
    width: int | None = Field(default=None, description="Width in px.")
    height: int | None = Field(default=None, description="Height in px.")
    n_iter: int | None = Field(default=None, ge=1, description="How many batches; count is n_iter x batch_size.")
    clip_skip: int | None = Field(default=None, description="Which layer of the text encoder to stop at, from the end.")
    vae: str | None = Field(default=None, description="The VAE.")
    styles: Names | None = Field(default=None, description="Names of prompt styles.")
    enable_hr: bool | None = Field(default=None, description="Make it small first, then enlarge it (hires fix).")
    hr_scale: float | None = Field(default=None, description="How much larger.")
    hr_upscaler: str | None = Field(default=None, description="What enlarges it.")
    hr_second_pass_steps: int | None = Field(default=None, description="Steps of the second pass; 0 for the same.")
    denoising_strength: float | None = Field(default=None, description="How much the second pass may change.")
