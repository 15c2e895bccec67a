"""The bodies of AUTOMATIC1111's calls, read as leniently as it reads them; imports pydantic and the core's errors.

Every field of WebUI 1.10.1 is here with its default, so that an answer can repeat the request as the WebUI does; what becomes of
each one is said in docs/clients.md.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from entrypoints.api.problems import field_problems
from imaging_core.errors import FieldProblem, InvalidRequest

B = TypeVar("B", bound="Body")


def _whole(value: object) -> object:
    """The WebUI cuts 3.7 down to 3."""
    return int(value) if isinstance(value, float) else value


Whole = Annotated[int, BeforeValidator(_whole)]
#: Of a thing that is on some list. What a call sends is kept while it waits, so nothing may be endless.
Name = Annotated[str, Field(max_length=500)]
Words = Annotated[str, Field(max_length=10_000)]


class Body(BaseModel):
    """What all calls have in common: null, "" and absent are alike, unknown fields are ignored, "3" is a number."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)


def read_fields(value: object, model: type[B]) -> B:
    """The fields of a JSON body. Raises InvalidRequest that names every field which is wrong."""
    if not isinstance(value, dict):
        raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
    try:
        return model.model_validate({name: item for name, item in value.items() if item is not None and item != ""})
    except ValidationError as error:
        # Inputs stay out of it: they may be prompts.
        raise InvalidRequest(field_problems(error.errors(include_url=False, include_input=False))) from None


class Generation(Body):
    """Fields of txt2img and img2img."""

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] | None = None
    seed: Whole = -1
    subseed: Whole = -1
    subseed_strength: float = 0
    seed_resize_from_h: Whole = -1
    seed_resize_from_w: Whole = -1
    sampler_name: Name | None = None
    scheduler: Name | None = None
    batch_size: Whole = Field(default=1, ge=1)
    n_iter: Whole = Field(default=1, ge=1)
    steps: Whole = 50
    cfg_scale: float = 7.0
    width: Whole = Field(default=512, ge=1)
    height: Whole = Field(default=512, ge=1)
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    denoising_strength: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: Name | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    firstpass_image: str | None = None
    comments: dict[str, Any] | None = None
    force_task_id: str | None = None
    sampler_index: Name = "Euler"
    script_name: Name | None = None
    script_args: list[Any] = Field(default_factory=list)
    send_images: bool = True
    save_images: bool = False
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    infotext: str | None = None


class Txt2Img(Generation):
    """Body of POST /sdapi/v1/txt2img."""

    enable_hr: bool = False
    firstphase_width: Whole = 0
    firstphase_height: Whole = 0
    hr_scale: float = 2.0
    hr_upscaler: Name | None = None
    hr_second_pass_steps: Whole = 0
    hr_resize_x: Whole = 0
    hr_resize_y: Whole = 0
    hr_checkpoint_name: Name | None = None
    hr_sampler_name: Name | None = None
    hr_scheduler: Name | None = None
    hr_prompt: Words = ""
    hr_negative_prompt: Words = ""


class Img2Img(Generation):
    """Body of POST /sdapi/v1/img2img."""

    init_images: list[str] | None = None
    resize_mode: Whole = 0
    denoising_strength: float | None = 0.75
    image_cfg_scale: float | None = None
    mask: str | None = None
    mask_blur_x: Whole = 4
    mask_blur_y: Whole = 4
    mask_blur: Whole | None = None
    mask_round: bool = True
    inpainting_fill: Whole = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: Whole = 0
    inpainting_mask_invert: Whole = 0
    initial_noise_multiplier: float | None = None
    latent_mask: str | None = None
    include_init_images: bool = False


class ExtraSingleImage(Body):
    """Body of POST /sdapi/v1/extra-single-image."""

    image: str = ""
    resize_mode: Whole = Field(default=0, ge=0, le=1)
    show_extras_results: bool = True
    gfpgan_visibility: float = 0
    codeformer_visibility: float = 0
    codeformer_weight: float = 0
    upscaling_resize: float = Field(default=2, gt=0)
    upscaling_resize_w: Whole = Field(default=512, ge=1)
    upscaling_resize_h: Whole = Field(default=512, ge=1)
    upscaling_crop: bool = True
    upscaler_1: Name = "None"
    upscaler_2: Name = "None"
    extras_upscaler_2_visibility: float = 0
    upscale_first: bool = False


class PngInfo(Body):
    """Body of POST /sdapi/v1/png-info."""

    image: str = ""


class TaskProgress(Body):
    """Body of POST /internal/progress."""

    id_task: str | None = None
    id_live_preview: Whole = -1
    live_preview: bool = True
