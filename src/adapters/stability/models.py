"""The models of the API with their routes, limits and prices, and how a call becomes a form.

May import the core and attrs.
"""

import attrs

from imaging_core.images import Operation
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


_GENERATE, _EDIT, _UPSCALE = Operation.GENERATE, Operation.EDIT, Operation.UPSCALE


@attrs.frozen(kw_only=True)
class Picture:
    """Limits of a picture that is brought: its sides and its area in px, and how many times longer than the other one side may be."""

    minimum: int
    maximum: int | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_ratio: float | None = None


@attrs.frozen(kw_only=True)
class Model:
    """One model as the API serves it."""

    #: What callers choose it by.
    name: str
    path: str
    #: List price of one call, in credits of 0.01 USD; the same for each of its operations.
    credits: float
    #: Value of the `model` field; None on routes that have no such field.
    field: str | None = None
    #: The API's own default of cfg_scale; None where the field does not exist.
    cfg_scale: float | None = None
    operations: tuple[Operation, ...] = (_GENERATE,)
    #: What the API wants of a picture that is brought; None where it takes none.
    picture: Picture | None = None
    #: Whether an edit is told how much it may change, rather than where.
    strength: bool = False
    #: Whether it knows words.
    prompt: bool = True


def _sd3(name: str, price: float, cfg_scale: float) -> Model:
    return Model(
        name=name,
        path="/v2beta/stable-image/generate/sd3",
        credits=price,
        field=name,
        cfg_scale=cfg_scale,
        operations=(_GENERATE, _EDIT),
        picture=Picture(minimum=64),
        strength=True,
    )


_ALL = (
    Model(name="core", path="/v2beta/stable-image/generate/core", credits=3),
    Model(
        name="ultra",
        path="/v2beta/stable-image/generate/ultra",
        credits=8,
        operations=(_GENERATE, _EDIT),
        picture=Picture(minimum=64, maximum=16_384, min_pixels=4_096),
        strength=True,
    ),
    _sd3("sd3.5-large", 6.5, 4.0),
    _sd3("sd3.5-large-turbo", 4, 1.0),
    _sd3("sd3.5-medium", 3.5, 4.0),
    # Missing from the published list of values, yet accepted and billed.
    _sd3("sd3.5-flash", 2.5, 1.0),
    Model(
        name="inpaint",
        path="/v2beta/stable-image/edit/inpaint",
        credits=5,
        operations=(_EDIT,),
        picture=Picture(minimum=64, min_pixels=4_096, max_pixels=9_437_184),
    ),
    Model(
        name="upscale-fast",
        path="/v2beta/stable-image/upscale/fast",
        credits=2,
        operations=(_UPSCALE,),
        picture=Picture(minimum=32, maximum=1_536, min_pixels=1_024, max_pixels=1_048_576),
        prompt=False,
    ),
    Model(
        name="upscale-conservative",
        path="/v2beta/stable-image/upscale/conservative",
        credits=40,
        operations=(_UPSCALE,),
        picture=Picture(minimum=64, min_pixels=4_096, max_pixels=9_437_184, max_ratio=2.5),
    ),
)
MODELS = {model.name: model for model in _ALL}


def form_of(call: GenerationCall, model: Model) -> dict[str, str]:
    """The text fields of one call's form; what is left out is the API's default."""
    request = call.request
    form = {"seed": str(call.seed)}
    if not model.prompt:
        # Not even a seed is known there.
        form = {}
    elif request.prompt:
        form["prompt"] = request.prompt
    if model.field is not None:
        form["model"] = model.field
        if request.operation is _EDIT:
            form["mode"] = "image-to-image"
    if model.strength and request.operation is _EDIT and request.strength is not None:
        form["strength"] = f"{request.strength:.15g}"
    if request.negative_prompt:
        form["negative_prompt"] = request.negative_prompt
    for name in ("aspect_ratio", "style_preset", "output_format"):
        if value := request.options.get(name):
            form[name] = str(value)
    for name in ("grow_mask", "creativity"):
        if (number := request.options.get(name)) is not None:
            form[name] = f"{number:.15g}"
    # The API's own default is not repeated to it: turbo models have refused the field before.
    if model.cfg_scale is not None and request.cfg_scale not in (None, model.cfg_scale):
        form["cfg_scale"] = f"{request.cfg_scale:.15g}"
    return form
