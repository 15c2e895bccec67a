"""The models of the API with their routes, fields, ranges and prices, and how a call becomes a form.

May import the core and attrs.
"""

from collections.abc import Iterable

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.ports import GenerationCall

#: 4:3 and 3:4 do not exist, nor do width and height.
ASPECT_RATIOS = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21")
STYLE_PRESETS = (
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
)
OUTPUT_FORMATS = ("png", "jpeg", "webp")
#: Characters.
MAX_PROMPT = 10_000


@attrs.frozen(kw_only=True)
class Model:
    """One model as the API serves it."""

    #: What callers choose it by.
    name: str
    path: str
    #: List price of one call, in credits of 0.01 USD.
    credits: float
    #: Value of the `model` field; None on routes that have no such field.
    field: str | None = None
    #: The API's own default of cfg_scale; None where the field does not exist.
    cfg_scale: float | None = None


def _sd3(name: str, price: float, cfg_scale: float) -> Model:
    path = "/v2beta/stable-image/generate/sd3"
    return Model(name=name, path=path, credits=price, field=name, cfg_scale=cfg_scale)


_ALL = (
    Model(name="core", path="/v2beta/stable-image/generate/core", credits=3),
    Model(name="ultra", path="/v2beta/stable-image/generate/ultra", credits=8),
    _sd3("sd3.5-large", 6.5, 4.0),
    _sd3("sd3.5-large-turbo", 4, 1.0),
    _sd3("sd3.5-medium", 3.5, 4.0),
    # Missing from the published list of values, yet accepted and billed.
    _sd3("sd3.5-flash", 2.5, 1.0),
)
MODELS = {model.name: model for model in _ALL}

#: Other names in use. SD 3.0 was re-routed to 3.5 in 2025; its ids may be refused by now, so they are never sent.
_ALIASES = {
    "stable-image-core": "core",
    "stable-image-ultra": "ultra",
    "sd3": "sd3.5-large",
    "sd3.5": "sd3.5-large",
    "sd3-large": "sd3.5-large",
    "sd3-large-turbo": "sd3.5-large-turbo",
    "sd3-medium": "sd3.5-medium",
}


def capabilities_of(backend: str, *, default_model: str, max_count: int) -> Capabilities:
    """What the API can do; it need not be asked."""
    kinds = ParameterKind
    return Capabilities(
        backend=backend,
        title="Stability AI",
        paid=True,
        images_per_call=1,
        credits={model.name: model.credits for model in _ALL},
        parameters=(
            Parameter(
                name="prompt",
                kind=kinds.TEXT,
                required=True,
                max_length=MAX_PROMPT,
                description="What to draw, in English. (word:0.5) sets a word's weight between 0 and 1.",
            ),
            Parameter(
                name="negative_prompt", kind=kinds.TEXT, max_length=MAX_PROMPT, description="What to avoid, in English."
            ),
            Parameter(
                name="checkpoint",
                kind=kinds.CHOICE,
                choices=tuple(MODELS),
                aliases=_ALIASES,
                default=default_model,
                description="The model: core is fast, ultra is best, sd3.5-* take cfg_scale.",
            ),
            Parameter(
                name="aspect_ratio",
                kind=kinds.CHOICE,
                choices=ASPECT_RATIOS,
                default="1:1",
                description="Shape of the picture; its size in px follows from it and the model.",
            ),
            Parameter(
                name="style_preset", kind=kinds.CHOICE, choices=STYLE_PRESETS, description="A look, if you want one."
            ),
            *_cfg_scales(),
            Parameter(
                name="seed",
                kind=kinds.INTEGER,
                minimum=0,
                maximum=MAX_SEED,
                description="The same seed gives the same picture; 0 lets the provider draw one.",
            ),
            Parameter(
                name="output_format",
                kind=kinds.CHOICE,
                choices=OUTPUT_FORMATS,
                aliases={"jpg": "jpeg"},
                default="png",
                description="File type of the picture.",
            ),
            Parameter(
                name="count",
                kind=kinds.INTEGER,
                minimum=1,
                maximum=max_count,
                default=1,
                description="How many pictures; each is charged.",
            ),
        ),
    )


def _cfg_scales() -> Iterable[Parameter]:
    defaults = {model.cfg_scale for model in _ALL if model.cfg_scale is not None}
    for default in sorted(defaults, reverse=True):
        yield Parameter(
            name="cfg_scale",
            kind=ParameterKind.NUMBER,
            minimum=1,
            maximum=10,
            default=default,
            only_for=tuple(model.name for model in _ALL if model.cfg_scale == default),
            description="How closely the picture follows the prompt.",
        )


def form_of(call: GenerationCall, model: Model) -> dict[str, str]:
    """The form fields of one call, all text; what is left out is the API's default."""
    request = call.request
    form = {"prompt": request.prompt, "seed": str(call.seed)}
    if model.field is not None:
        form["model"] = model.field
    if request.negative_prompt:
        form["negative_prompt"] = request.negative_prompt
    for name in ("aspect_ratio", "style_preset", "output_format"):
        if value := request.options.get(name):
            form[name] = str(value)
    # The API's own default is not repeated to it: turbo models have refused the field before.
    if model.cfg_scale is not None and request.cfg_scale not in (None, model.cfg_scale):
        form["cfg_scale"] = f"{request.cfg_scale:.15g}"
    return form
