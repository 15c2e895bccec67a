"""The WebUI's names for settings beside ours, both ways: from a request to its text, and from anybody's text to settings.

Imports stdlib and this package.
"""

import math
import re
from collections.abc import Callable, Mapping

from imaging_core.images import MAX_SEED, ImageRequest, OptionValue
from imaging_core.infotext import Infotext

#: Our setting -> the WebUI's, in the order in which it writes them.
_NAMES: Mapping[str, str] = {
    "steps": "Steps",
    "sampler": "Sampler",
    "scheduler": "Schedule type",
    "cfg_scale": "CFG scale",
    "seed": "Seed",
    "size": "Size",
    "checkpoint": "Model",
    "vae": "VAE",
    "denoising_strength": "Denoising strength",
    "clip_skip": "Clip skip",
    "hr_scale": "Hires upscale",
    "hr_second_pass_steps": "Hires steps",
    "hr_upscaler": "Hires upscaler",
    # The WebUI has no such settings, and takes names that it does not know for notes.
    "aspect_ratio": "Aspect ratio",
    "style_preset": "Style preset",
}
#: Settings that the WebUI leaves out of its text when they have these values.
_UNSAID: Mapping[str, OptionValue] = {"clip_skip": 1, "hr_second_pass_steps": 0, "vae": "Automatic"}
_HIRES = ("hr_scale", "hr_second_pass_steps", "hr_upscaler")

_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
#: Whole numbers longer than this are none of ours.
_WHOLE = re.compile(r"[0-9]{1,10}", re.ASCII)


def infotext_of(request: ImageRequest, *, seed: int, size: tuple[int, int], version: str) -> Infotext:
    """What the text of one picture says, `size` being its own in px; `version` names the program that made it."""
    values: dict[str, object] = {name: request.value(name) for name in _NAMES if name != "size"}
    hires = request.options.get("enable_hr") is True
    if not hires:
        values |= dict.fromkeys((*_HIRES, "denoising_strength"))
    if request.strength is not None:
        values["denoising_strength"] = request.strength
    values["seed"] = seed
    # With hires the WebUI names the size before it, from which the other follows.
    width, height = (request.width, request.height) if hires and request.width and request.height else size
    values["size"] = f"{width}x{height}"
    said = {name: value for name, value in values.items() if value is not None and value != _UNSAID.get(name)}
    settings = {_NAMES[name]: _shown(said[name]) for name in _NAMES if name in said}
    return Infotext(
        prompt=request.prompt, negative_prompt=request.negative_prompt, settings={**settings, "Version": version}
    )


def settings_in(info: Infotext) -> dict[str, OptionValue]:
    """What a text says by our names, ready to be asked for again; what has no name here, or makes no sense, is left out."""
    said = info.settings
    prompts = {"prompt": info.prompt, "negative_prompt": info.negative_prompt}
    settings: dict[str, OptionValue] = {name: text for name, text in prompts.items() if text}
    for name, theirs in _NAMES.items():
        read = _READERS.get(name, _text)(said.get(theirs, ""))
        if read is not None:
            settings[name] = read
    if "checkpoint" not in settings and (model_hash := said.get("Model hash")):
        # The WebUI knows its models by their short hash too.
        settings["checkpoint"] = model_hash
    size = _SIZE.fullmatch(said.get("Size", ""))
    if size is not None:
        settings["width"], settings["height"] = int(size[1]), int(size[2])
    if "hr_scale" in settings or "hr_upscaler" in settings:
        settings["enable_hr"] = True
    elif "denoising_strength" in settings:
        # One name for two things there: the second pass of hires, and how much an edit may change.
        settings["strength"] = settings.pop("denoising_strength")
    return settings


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _text(value: str) -> str | None:
    return value.strip() or None


def _whole(value: str) -> int | None:
    return int(value) if _WHOLE.fullmatch(value.strip()) else None


def _seed(value: str) -> int | None:
    seed = _whole(value)
    return seed if seed is not None and seed <= MAX_SEED else None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_READERS: Mapping[str, Callable[[str], OptionValue | None]] = {
    "steps": _whole,
    "cfg_scale": _number,
    "seed": _seed,
    "size": lambda _: None,
    "denoising_strength": _number,
    "clip_skip": _whole,
    "hr_scale": _number,
    "hr_second_pass_steps": _whole,
}
