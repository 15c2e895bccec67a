"""Writes the body of txt2img and img2img: every setting that may have leaked from somebody else's call is named on every call.

May import the core and this folder.
"""

import attrs

from adapters.sdwebui.edits import edit_of
from adapters.sdwebui.lists import Checkpoint, Lists
from adapters.sdwebui.settings import SdWebuiSettings
from imaging_core.errors import CallRejected
from imaging_core.images import ImageRequest, Operation, OptionValue
from imaging_core.ports import GenerationCall


@attrs.frozen(kw_only=True)
class Asked:
    """What was asked of one instance, in the words its `info` will use."""

    images: int
    checkpoint: Checkpoint | None
    sampler: str | None
    scheduler: str | None
    #: Pixels of the finished pictures.
    width: int
    height: int
    steps: int
    clip_skip: int
    vae: str | None
    #: Passes each picture takes: two with hires.
    passes: int
    seed: int


def asked_of(call: GenerationCall, lists: Lists, settings: SdWebuiSettings) -> Asked:
    """What this call asks. Raises CallRejected for what this instance, by its lists, would not do as asked."""
    request = call.request
    checkpoint = lists.find(request.checkpoint)
    if request.checkpoint is not None and checkpoint is None:
        known = ", ".join(sorted(lists.checkpoints)) or "none"
        raise CallRejected(f"The WebUI has no checkpoint named {request.checkpoint!r}. It has: {known}.")
    for what, name, choices in (
        ("sampler", request.sampler, tuple(lists.samplers)),
        ("scheduler", request.scheduler, tuple(lists.schedulers)),
    ):
        if name is not None and name not in choices:
            raise CallRejected(f"The WebUI has no {what} named {name!r}. It has: {', '.join(choices) or 'none'}.")
    width, height = request.width or 512, request.height or 512
    hires = request.options.get("enable_hr") is True
    if hires:
        scale = _number(request.options.get("hr_scale"), 2.0)
        width, height = int(width * scale), int(height * scale)
    if width * height > settings.max_pixels:
        most = f"{settings.max_pixels / 1e6:.0f} megapixels"
        raise CallRejected(f"A picture of {width} x {height} px is more than {most}. Ask for a smaller one.")
    vae = request.options.get("vae")
    return Asked(
        images=call.images,
        checkpoint=checkpoint,
        sampler=request.sampler,
        scheduler=request.scheduler,
        width=width // 8 * 8,
        height=height // 8 * 8,
        steps=request.steps or 20,
        clip_skip=int(_number(request.options.get("clip_skip"), 1)),
        vae=vae if isinstance(vae, str) else None,
        passes=2 if hires else 1,
        seed=call.seed,
    )


def body_of(call: GenerationCall, asked: Asked, lists: Lists) -> dict[str, object]:
    """The JSON of one txt2img or img2img call, which makes all its pictures side by side."""
    request = call.request
    body: dict[str, object] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": call.seed,
        "batch_size": call.images,
        "n_iter": 1,
        "steps": asked.steps,
        "cfg_scale": 7.0 if request.cfg_scale is None else request.cfg_scale,
        "width": request.width or 512,
        "height": request.height or 512,
        "send_images": True,
        "save_images": False,
        "override_settings": _overrides(asked, lists),
        # The checkpoint stays the server's setting: restoring it would make SD.Next load the old one at once.
        "override_settings_restore_afterwards": False,
        "force_task_id": call.task_id,
    }
    if asked.sampler is not None:
        body["sampler_name"] = asked.sampler
    if asked.scheduler is not None:
        body["scheduler"] = asked.scheduler
    styles = request.options.get("styles")
    if isinstance(styles, tuple) and styles:
        body["styles"] = list(styles)
    if asked.passes == 2:
        body |= _hires(request)
    if request.operation is Operation.EDIT:
        body |= edit_of(call)
    return body


def _overrides(asked: Asked, lists: Lists) -> dict[str, object]:
    # An override of a key that the server's config.json lacks stays for all later calls, so each call names them all.
    overrides: dict[str, object] = {"CLIP_stop_at_last_layers": asked.clip_skip}
    if asked.checkpoint is not None:
        overrides["sd_model_checkpoint"] = asked.checkpoint.title
    if lists.vaes is not None:
        overrides["sd_vae"] = asked.vae or "Automatic"
    return overrides


def _hires(request: ImageRequest) -> dict[str, object]:
    options = request.options
    return {
        "enable_hr": True,
        "hr_scale": _number(options.get("hr_scale"), 2.0),
        "hr_upscaler": options.get("hr_upscaler") or "Latent",
        "hr_second_pass_steps": int(_number(options.get("hr_second_pass_steps"), 0)),
        # Without it WebUI 1.10 fails with a TypeError after the first pass.
        "denoising_strength": _number(options.get("denoising_strength"), 0.7),
    }


def _number(value: OptionValue | None, default: float) -> float:
    return default if value is None or isinstance(value, str | tuple) else value
