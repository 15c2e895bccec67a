"""What WebUI 1.10.1 answers a generation with: pictures in base64, the request repeated, and `info` as JSON in a text.

Imports stdlib, attrs, the core's values and this package.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import attrs

from entrypoints.api.a1111.fields import Generation
from entrypoints.api.a1111.models import Model
from entrypoints.api.encoding import encode
from imaging_core.images import ImageRequest, Operation
from imaging_core.infotext_names import infotext_of
from imaging_core.jobs import Job
from imaging_core.marking import read_marks


@attrs.frozen(kw_only=True)
class Made:
    """A generation that has ended, with pictures or interrupted without."""

    job: Job
    body: Generation
    #: The one that was chosen; another one may have made an edit.
    model: Model
    pictures: Sequence[bytes] = attrs.field(repr=False)
    #: Names the program that made them.
    version: str

    @property
    def request(self) -> ImageRequest:
        """What was really asked."""
        return self.job.request

    @property
    def seeds(self) -> list[int]:
        """Of each picture; without pictures those that were meant."""
        first = self.request.seed or 0
        return [ref.seed for ref in self.job.images] or [first + k for k in range(self.request.count)]


def generation_answer(made: Made) -> bytes:
    """The body of an answer. Takes CPU time."""
    return encode(
        {
            "images": [base64_of(picture) for picture in made.pictures] if made.body.send_images else [],
            "parameters": made.body.model_dump(),
            "info": json.dumps(_info(made)),
        }
    )


def base64_of(data: bytes) -> str:
    """Without a `data:` in front, as the WebUI has it."""
    return base64.b64encode(data).decode("ascii")


def _info(made: Made) -> dict[str, Any]:
    body, request, seeds = made.body, made.request, made.seeds
    many = len(seeds)
    vae = request.options.get("vae")
    denoising = request.strength if request.operation is Operation.EDIT else request.options.get("denoising_strength")
    steps, cfg_scale = request.steps, request.cfg_scale
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * many,
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * many,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": body.subseed,
        "all_subseeds": [body.subseed] * many,
        "subseed_strength": body.subseed_strength,
        "width": body.width if "width" in body.model_fields_set else request.width or body.width,
        "height": body.height if "height" in body.model_fields_set else request.height or body.height,
        "sampler_name": request.sampler or body.sampler_name or body.sampler_index,
        "cfg_scale": body.cfg_scale if cfg_scale is None else cfg_scale,
        "steps": body.steps if steps is None else steps,
        "batch_size": body.batch_size,
        "restore_faces": bool(body.restore_faces),
        "face_restoration_model": None,
        "sd_model_name": request.checkpoint or made.job.backend,
        "sd_model_hash": made.model.short_hash if made.model.checkpoint == request.checkpoint else None,
        "sd_vae_name": vae if isinstance(vae, str) and vae not in ("Automatic", "None") else None,
        "sd_vae_hash": None,
        "seed_resize_from_w": body.seed_resize_from_w,
        "seed_resize_from_h": body.seed_resize_from_h,
        "denoising_strength": denoising,
        "extra_generation_params": {} if denoising is None else {"Denoising strength": denoising},
        "index_of_first_image": 0,
        "infotexts": _infotexts(made),
        "styles": body.styles or [],
        "job_timestamp": (made.job.started_at or made.job.created_at).strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.options.get("clip_skip", 1),
        "is_using_inpainting_conditioning": False,
        "version": made.version,
    }


def _infotexts(made: Made) -> list[str]:
    """The text in each picture itself; where it has none, what it would be."""
    texts = []
    for ref, picture in zip(made.job.images, made.pictures, strict=True):
        size = ref.width, ref.height
        told = read_marks(picture).parameters
        texts.append(told or infotext_of(made.request, seed=ref.seed, size=size, version=made.version).text())
    return texts
