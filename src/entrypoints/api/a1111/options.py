"""GET and POST /sdapi/v1/options: the model that a caller draws with, and what clients look for beside it.

Imports Starlette and this package.
"""

import math
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.a1111.choices import Choices
from entrypoints.api.a1111.fields import Body, Name, read_fields
from entrypoints.api.a1111.models import Models
from entrypoints.api.bodies import parsed, read_body
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from imaging_core.errors import FieldProblem, InvalidRequest

#: Options that hold for the caller's later calls.
HONOURED = ("sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers", "samples_format")
#: The WebUI's defaults of what clients read; setting them changes nothing.
_SHOWN: Mapping[str, object] = {
    "samples_save": True,
    "samples_format": "png",
    "save_images_add_number": True,
    "grid_save": False,
    "grid_format": "png",
    "jpeg_quality": 80,
    "webp_lossless": False,
    "save_to_dirs": True,
    "upscaler_for_img2img": None,
    "face_restoration": False,
    "face_restoration_model": None,
    "code_former_weight": 0.5,
    "sd_vae": "Automatic",
    "sd_vae_overrides_per_model_preferences": True,
    "sd_unet": "Automatic",
    "sd_checkpoints_limit": 1,
    "sd_lora": "None",
    "CLIP_stop_at_last_layers": 1,
    "emphasis": "Original",
    "eta_noise_seed_delta": 0,
    "eta_ddim": 0.0,
    "eta_ancestral": 1.0,
    "randn_source": "GPU",
    "tiling": False,
    "img2img_color_correction": False,
    "img2img_fix_steps": False,
    "initial_noise_multiplier": 1.0,
    "inpainting_mask_weight": 1.0,
    "enable_pnginfo": True,
    "live_previews_enable": True,
    "live_previews_image_format": "png",
    "show_progress_every_n_steps": 10,
    "show_progress_type": "Approx NN",
    "interrogate_clip_num_beams": 1,
    "sd_hypernetwork": "None",
    "show_progress_in_title": True,
}


class Posted(Body):
    """What of the options is used; all others are taken and left as they are."""

    sd_model_checkpoint: Name | None = None
    sd_vae: Name | None = None
    CLIP_stop_at_last_layers: float | None = None
    samples_format: Name | None = None


class Options:
    """The options as each caller has set them."""

    def __init__(self, models: Models, choices: Choices, config: ApiConfig) -> None:
        self._models = models
        self._choices = choices
        self._config = config

    async def get(self, request: Request) -> Response:
        """What holds for the caller."""
        chosen = dict(self._choices.of(request))
        spelling = chosen.pop("sd_model_checkpoint", None)
        title, short_hash = await self._current(spelling)
        current = {"sd_model_checkpoint": title, "sd_checkpoint_hash": short_hash or ""}
        return json_answer({**_SHOWN, **chosen, **current})

    async def _current(self, spelling: object) -> tuple[str, str | None]:
        if spelling is None:
            model = await self._models.default()
            return model.title, model.short_hash
        try:
            model = await self._models.find(str(spelling))
        except InvalidRequest:
            # It was there when it was chosen. A call says that it is gone; who reads this would choose another one.
            return str(spelling), None
        return model.title, model.short_hash

    async def post(self, request: Request) -> Response:
        """Set some or all: the whole object may come back as it was given. A model that is not there is refused."""
        limit, deadline_s = self._config.max_json_bytes, self._config.body_deadline_s
        posted = read_fields(parsed(await read_body(request, limit=limit, deadline_s=deadline_s)), Posted)
        values: dict[str, object] = {
            name: getattr(posted, name) for name in HONOURED if getattr(posted, name) is not None
        }
        if posted.CLIP_stop_at_last_layers is not None:
            values["CLIP_stop_at_last_layers"] = _layer(posted.CLIP_stop_at_last_layers)
        if posted.sd_model_checkpoint is not None:
            values["sd_model_checkpoint"] = (await self._models.find(posted.sd_model_checkpoint)).name
        self._choices.set(request, values)
        return json_answer(None)


def _layer(value: float) -> int:
    if not math.isfinite(value) or not 1 <= value <= 12:
        raise InvalidRequest([FieldProblem(field="CLIP_stop_at_last_layers", message="must be from 1 to 12.")])
    return int(value)
