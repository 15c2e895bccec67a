"""What the demo can be asked for: its fields and limits, and what the borrowed ones mean to a painter.

May import the core and this package. It takes the fields that a first request to Stability AI usually holds, so that the examples of
the API's documentation work before there is a key.
"""

from __future__ import annotations

import math

from adapters.demo.painting import MAX_SIDE, MAX_STEPS, MIN_SIDE
from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED, Operation
from imaging_core.parameters import Parameter, ParameterKind

NOTICE = "Not AI: a small program draws from the words it knows in the prompt. It costs nothing."
DEFAULT_SIZE, DEFAULT_STEPS, DEFAULT_CFG_SCALE = 512, 20, 7.0
#: Most pictures in one call and in one job.
IMAGES_PER_CALL, MAX_COUNT = 4, 16
#: Characters.
MAX_PROMPT = 10_000
CHECKPOINT = "procedural"
DEFAULT_STRENGTH, DEFAULT_SCALE = 0.75, 2.0
#: Least side of a picture that is brought, and most px of one that is brought or made.
MIN_INPUT_SIDE, MAX_PIXELS = 16, 16 << 20

_DRAWING = (Operation.GENERATE, Operation.EDIT)
_WITH_PICTURE = (Operation.EDIT, Operation.UPSCALE)

ASPECT_RATIOS = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21")
OUTPUT_FORMATS = ("png", "jpeg", "webp")
#: Style preset -> the words that ask this painter for something like it.
STYLE_WORDS = {
    "3d-model": "", "analog-film": "vintage", "anime": "pastel", "cinematic": "", "comic-book": "poster",
    "digital-art": "vivid", "enhance": "vivid", "fantasy-art": "fantasy", "isometric": "poster", "line-art": "sketch",
    "low-poly": "poster", "modeling-compound": "poster", "neon-punk": "cyberpunk", "origami": "poster",
    "photographic": "", "pixel-art": "pixelart", "tile-texture": "poster",
}  # fmt: skip
_OTHER_MODELS = ("core", "ultra", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash")


def size_for(width: int, height: int, aspect_ratio: str | None) -> tuple[int, int]:
    """The size in px: as given, or the same area in the shape of the aspect ratio, within the limits."""
    if aspect_ratio is None:
        return width, height
    across, down = (int(part) for part in aspect_ratio.split(":"))
    share = math.sqrt(width * height / (across * down))
    # The shape comes before the area where both cannot be had.
    share = max(MIN_SIDE / min(across, down), min(MAX_SIDE / max(across, down), share))
    return round(share * across / 8) * 8, round(share * down / 8) * 8


def _sides(name: str) -> Parameter:
    return Parameter(
        name=name,
        kind=ParameterKind.INTEGER,
        default=DEFAULT_SIZE,
        minimum=MIN_SIDE,
        maximum=MAX_SIDE,
        operations=_DRAWING,
        description=f"{name.capitalize()} in px.",
    )


_PARAMETERS = (
    Parameter(
        name="prompt",
        kind=ParameterKind.TEXT,
        required=True,
        max_length=MAX_PROMPT,
        operations=_DRAWING,
        description="What to draw. It knows landscapes, weather, hours of the day, colours, some beings and styles.",
    ),
    Parameter(
        name="negative_prompt",
        kind=ParameterKind.TEXT,
        max_length=MAX_PROMPT,
        operations=_DRAWING,
        description="What to leave out, such as clouds or birds.",
    ),
    Parameter(
        name="checkpoint",
        kind=ParameterKind.CHOICE,
        choices=(CHECKPOINT,),
        aliases=dict.fromkeys(_OTHER_MODELS, CHECKPOINT),
        default=CHECKPOINT,
        description="There is no model: every name stands for the same painter.",
    ),
    _sides("width"),
    _sides("height"),
    Parameter(
        name="aspect_ratio",
        kind=ParameterKind.CHOICE,
        choices=ASPECT_RATIOS,
        operations=_DRAWING[:1],
        description="Another shape for the area of width x height.",
    ),
    Parameter(
        name="steps",
        kind=ParameterKind.INTEGER,
        default=DEFAULT_STEPS,
        minimum=1,
        maximum=MAX_STEPS,
        operations=_DRAWING,
        description="In how many steps the picture comes out of the noise; the result is the same.",
    ),
    Parameter(
        name="cfg_scale",
        kind=ParameterKind.NUMBER,
        default=DEFAULT_CFG_SCALE,
        minimum=0,
        maximum=30,
        operations=_DRAWING,
        description="How strong the colours are.",
    ),
    Parameter(
        name="style_preset",
        kind=ParameterKind.CHOICE,
        choices=tuple(STYLE_WORDS),
        operations=_DRAWING,
        description="A look; some of them this painter knows.",
    ),
    Parameter(
        name="seed",
        kind=ParameterKind.INTEGER,
        minimum=0,
        maximum=MAX_SEED,
        description="The same seed gives the same picture, in any size of the same shape.",
    ),
    Parameter(
        name="output_format",
        kind=ParameterKind.CHOICE,
        choices=OUTPUT_FORMATS,
        aliases={"jpg": "jpeg"},
        default="png",
        description="File type of the picture.",
    ),
    Parameter(
        name="count",
        kind=ParameterKind.INTEGER,
        default=1,
        minimum=1,
        maximum=MAX_COUNT,
        operations=_DRAWING,
        description="How many pictures.",
    ),
    Parameter(
        name="init_image",
        kind=ParameterKind.IMAGE,
        required=True,
        minimum=MIN_INPUT_SIDE,
        max_pixels=MAX_PIXELS,
        operations=_WITH_PICTURE,
        description="The picture to paint over, or to make larger.",
    ),
    Parameter(
        name="mask",
        kind=ParameterKind.IMAGE,
        operations=_WITH_PICTURE[:1],
        description="White is painted anew, black is kept.",
    ),
    Parameter(
        name="strength",
        kind=ParameterKind.NUMBER,
        default=DEFAULT_STRENGTH,
        minimum=0,
        maximum=1,
        operations=_WITH_PICTURE[:1],
        description="How much of what is painted shows: 0 keeps the picture.",
    ),
    Parameter(
        name="scale",
        kind=ParameterKind.NUMBER,
        default=DEFAULT_SCALE,
        minimum=1,
        maximum=8,
        operations=_WITH_PICTURE[1:],
        description="How many times larger.",
    ),
)


def capabilities_of(backend: str) -> Capabilities:
    """What the demo can do."""
    return Capabilities(
        backend=backend,
        title="Demo (not AI)",
        operations=tuple(Operation),
        images_per_call=IMAGES_PER_CALL,
        max_pixels=MAX_PIXELS,
        notice=NOTICE,
        parameters=_PARAMETERS,
    )
