"""From the fields of a call to the request it stands for; imports the core's values and this package.

What a backend has no setting for is left out, since A1111's clients send every field with every call.
"""

import math
from collections.abc import Mapping

from entrypoints.api.a1111.fields import ExtraSingleImage, Generation, Img2Img, Txt2Img
from entrypoints.api.a1111.models import Model
from imaging_core.capabilities import Capabilities
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.images import FieldValue, ImageRequest, Operation, OptionValue
from imaging_core.parameters import Parameter
from imaging_core.sizes import nearest_shape

#: Canonical names -> those that A1111's clients know.
SENT: Mapping[str, str] = {
    "checkpoint": "sd_model_checkpoint",
    "sampler": "sampler_name",
    "count": "n_iter x batch_size",
    "strength": "denoising_strength",
    "clip_skip": "CLIP_stop_at_last_layers",
    "vae": "sd_vae",
    "output_format": "samples_format",
    "init_image": "init_images",
    "scale": "upscaling_resize",
    "upscaler": "upscaler_1",
}
_FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
#: What the upscalers' list begins with, and what is sent by clients that leave the choice.
NONE = "None"


def as_sent(error: InvalidRequest) -> InvalidRequest:
    """The same problems, under the names that the client knows."""
    return InvalidRequest([FieldProblem(field=SENT.get(p.field, p.field), message=p.message) for p in error.problems])


class Asking:
    """One call on its way to a request for one backend."""

    def __init__(self, able: Capabilities, operation: Operation, model: Model | None) -> None:
        """`model` is the one the caller has chosen, None for the backend's own choice."""
        self._able = able
        self._operation = operation
        self._values: dict[str, FieldValue | None] = {}
        models = [p for p in able.parameters if p.name == "checkpoint" and p.serves(operation)]
        chosen = model.checkpoint if model is not None else None
        knowing = [p for p in models if chosen is not None and chosen in (*p.choices, *p.aliases)]
        # One that only draws leaves it to the backend what edits.
        self._values["checkpoint"] = chosen if knowing else None
        default = models[0].default if models else None
        known = knowing[0].aliases.get(chosen, chosen) if knowing and chosen is not None else default
        self._checkpoint = known if isinstance(known, str) else None

    def generation(self, body: Generation, settings: Mapping[str, object]) -> ImageRequest:
        """The request of a txt2img or an img2img under these options. Raises InvalidRequest."""
        values = self._values
        values["prompt"], values["negative_prompt"] = body.prompt, body.negative_prompt
        if body.negative_prompt and self._parameter("negative_prompt") is None:
            values["negative_prompt"] = ""
        values["seed"] = body.seed if body.seed >= 0 else None
        values["count"] = body.n_iter * body.batch_size
        values["batch_size"] = min(body.batch_size, self._able.images_per_call)
        self._steps(body)
        if "cfg_scale" in body.model_fields_set:
            self._put("cfg_scale", body.cfg_scale)
        self._sampler(body)
        self._size(body)
        self._settings(settings)
        if body.styles:
            self._put("styles", tuple(style for style in body.styles if style and style != NONE) or None)
        if isinstance(body, Txt2Img) and body.enable_hr:
            self._hires(body)
        if isinstance(body, Img2Img):
            self._edit(body)
        return self._request()

    def enlargement(self, body: ExtraSingleImage, size: tuple[int, int]) -> ImageRequest:
        """The request of an extra-single-image for a picture of that size in px. Raises InvalidRequest."""
        scale = body.upscaling_resize
        if body.resize_mode == 1:
            # So large that it covers the size; cutting off what stands out is left to the client.
            scale = max(body.upscaling_resize_w / size[0], body.upscaling_resize_h / size[1])
        self._put("scale", scale)
        if body.upscaler_1 != NONE:
            self._put("upscaler", body.upscaler_1)
        return self._request()

    def _request(self) -> ImageRequest:
        return ImageRequest(prompt="", operation=self._operation).with_values(self._values)

    def _parameter(self, name: str) -> Parameter | None:
        return self._able.parameter(name, self._checkpoint, self._operation)

    def _put(self, name: str, value: OptionValue | None) -> None:
        if value is not None and self._parameter(name) is not None:
            self._values[name] = value

    def _steps(self, body: Generation) -> None:
        parameter = self._parameter("steps")
        if parameter is None:
            return
        steps = body.steps
        if "steps" not in body.model_fields_set and parameter.maximum is not None:
            steps = min(steps, int(parameter.maximum))
        self._values["steps"] = steps

    def _sampler(self, body: Generation) -> None:
        samplers, schedulers = self._parameter("sampler"), self._parameter("scheduler")
        name, scheduler = body.sampler_name or body.sampler_index, body.scheduler
        if samplers is not None:
            said = {"sampler_name", "sampler_index"} & body.model_fields_set
            if not _knows(samplers, name):
                # Before 1.9 the two were one name, "DPM++ 2M Karras"; 1.10 still takes it.
                name, scheduler = _taken_apart(name, samplers, schedulers) or (name, scheduler)
            if said or _knows(samplers, name):
                self._values["sampler"] = name
        if schedulers is not None:
            self._values["scheduler"] = scheduler

    def _size(self, body: Generation) -> None:
        said = {"width", "height"} & body.model_fields_set
        if not said and self._operation is Operation.EDIT:
            return
        sides = {"width": body.width, "height": body.height}
        for name, length in sides.items():
            if (parameter := self._parameter(name)) is not None:
                # The WebUI rounds down in silence.
                step = parameter.multiple_of or 1
                self._values[name] = length // step * step
        shapes = self._parameter("aspect_ratio")
        if shapes is not None and self._parameter("width") is None:
            self._values["aspect_ratio"] = nearest_shape((body.width, body.height), shapes.choices)

    def _settings(self, settings: Mapping[str, object]) -> None:
        clip_skip, vae = settings.get("CLIP_stop_at_last_layers"), settings.get("sd_vae")
        if isinstance(clip_skip, int | float) and math.isfinite(clip_skip):
            self._put("clip_skip", int(clip_skip))
        if isinstance(vae, str) and vae:
            self._put("vae", vae)
        written = settings.get("samples_format")
        if isinstance(written, str) and written.lower() in _FORMATS:
            parameter, name = self._parameter("output_format"), _FORMATS[written.lower()]
            if parameter is not None and name in parameter.choices:
                self._values["output_format"] = name

    def _hires(self, body: Txt2Img) -> None:
        scale = body.hr_scale
        if body.hr_resize_x > 0 or body.hr_resize_y > 0:
            scale = max(body.hr_resize_x / body.width, body.hr_resize_y / body.height)
        self._put("enable_hr", True)
        self._put("hr_scale", scale)
        self._put("hr_upscaler", body.hr_upscaler)
        self._put("hr_second_pass_steps", body.hr_second_pass_steps)
        self._put("denoising_strength", body.denoising_strength)

    def _edit(self, body: Img2Img) -> None:
        self._put("strength", body.denoising_strength)
        self._numbered("resize_mode", body.resize_mode)
        if body.mask is None:
            return
        self._put(
            "mask_blur", body.mask_blur if body.mask_blur is not None else max(body.mask_blur_x, body.mask_blur_y)
        )
        self._numbered("inpainting_fill", body.inpainting_fill)
        self._put("inpaint_full_res", body.inpaint_full_res)
        self._put("inpaint_full_res_padding", body.inpaint_full_res_padding)
        inverted = bool(body.inpainting_mask_invert)
        if inverted and self._parameter("inpainting_mask_invert") is None:
            # Left out, it would paint exactly what is to be kept.
            message = f"is not a setting of backend {self._able.backend!r}. Send the mask inverted."
            raise InvalidRequest([FieldProblem(field="inpainting_mask_invert", message=message)])
        self._put("inpainting_mask_invert", inverted)

    def _numbered(self, name: str, number: int) -> None:
        """A choice that the WebUI's clients know by its number."""
        parameter = self._parameter(name)
        if parameter is None:
            return
        if not 0 <= number < len(parameter.choices):
            message = f"must be from 0 to {len(parameter.choices) - 1}: {', '.join(parameter.choices)}."
            raise InvalidRequest([FieldProblem(field=name, message=message)])
        self._values[name] = parameter.choices[number]


def _knows(parameter: Parameter, name: str) -> bool:
    return name in parameter.choices or name in parameter.aliases


def _taken_apart(name: str, samplers: Parameter, schedulers: Parameter | None) -> tuple[str, str] | None:
    if schedulers is None:
        return None
    for label in schedulers.choices:
        sampler = name[: -len(label)].rstrip()
        if name.casefold().endswith(f" {label}".casefold()) and _knows(samplers, sampler):
            return sampler, label
    return None
