"""What the API's models can be asked for, as parameters with their limits.

May import the core and this folder.
"""

from collections.abc import Callable, Iterable, Iterator

from adapters.stability.models import ASPECT_RATIOS, MAX_PROMPT, MODELS, OUTPUT_FORMATS, STYLE_PRESETS, Model, Picture
from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED, Operation
from imaging_core.parameters import Parameter, ParameterKind

_GENERATE, _EDIT, _UPSCALE = Operation.GENERATE, Operation.EDIT, Operation.UPSCALE
_DRAWING = (_GENERATE, _EDIT)
#: How much of a picture changes when nobody says: the API wants to be told.
_STRENGTH = 0.75

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
    return Capabilities(
        backend=backend,
        title="Stability AI",
        paid=True,
        operations=tuple(Operation),
        images_per_call=1,
        credits={model.name: model.credits for model in MODELS.values()},
        parameters=(
            *_words(),
            *_checkpoints(default_model),
            *_looks(),
            *_cfg_scales(),
            *_pictures(),
            Parameter(
                name="seed",
                kind=ParameterKind.INTEGER,
                minimum=0,
                maximum=MAX_SEED,
                description="The same seed gives the same picture; 0 lets the provider draw one.",
            ),
            Parameter(
                name="count",
                kind=ParameterKind.INTEGER,
                minimum=1,
                maximum=max_count,
                default=1,
                operations=_DRAWING,
                description="How many pictures; each is charged.",
            ),
        ),
    )


def _names(operation: Operation, which: Callable[[Model], bool] = lambda _: True) -> tuple[str, ...]:
    return tuple(model.name for model in MODELS.values() if operation in model.operations and which(model))


def _words() -> Iterator[Parameter]:
    description = "What to draw, in English. (word:0.5) sets a word's weight between 0 and 1."
    told = _names(_UPSCALE, lambda model: model.prompt)
    for name, required, sentence in (
        ("prompt", True, description),
        ("negative_prompt", False, "What to avoid, in English."),
    ):
        for operations, only_for in ((_DRAWING, ()), ((_UPSCALE,), told)):
            yield Parameter(
                name=name,
                kind=ParameterKind.TEXT,
                required=required,
                max_length=MAX_PROMPT,
                operations=operations,
                only_for=only_for,
                description=sentence,
            )


def _checkpoints(default_model: str) -> Iterator[Parameter]:
    editing = _names(_EDIT)
    for operation, default, description in (
        (_GENERATE, default_model, "The model: core is fast, ultra is best, sd3.5-* take cfg_scale."),
        (_EDIT, default_model if default_model in editing else "sd3.5-large", "The model: inpaint takes a mask."),
        (_UPSCALE, "upscale-fast", "The model: fast quadruples the sides, conservative fills in detail by a prompt."),
    ):
        names = _names(operation)
        yield Parameter(
            name="checkpoint",
            kind=ParameterKind.CHOICE,
            choices=names,
            aliases={alias: name for alias, name in _ALIASES.items() if name in names},
            default=default,
            operations=(operation,),
            description=description,
        )


def _looks() -> Iterator[Parameter]:
    yield Parameter(
        name="aspect_ratio",
        kind=ParameterKind.CHOICE,
        choices=ASPECT_RATIOS,
        default="1:1",
        operations=(_GENERATE,),
        description="Shape of the picture; its size in px follows from it and the model.",
    )
    yield Parameter(
        name="style_preset",
        kind=ParameterKind.CHOICE,
        choices=STYLE_PRESETS,
        operations=_DRAWING,
        description="A look, if you want one.",
    )
    yield Parameter(
        name="output_format",
        kind=ParameterKind.CHOICE,
        choices=OUTPUT_FORMATS,
        aliases={"jpg": "jpeg"},
        default="png",
        description="File type of the picture.",
    )


def _cfg_scales() -> Iterable[Parameter]:
    defaults = {model.cfg_scale for model in MODELS.values() if model.cfg_scale is not None}
    for default in sorted(defaults, reverse=True):
        yield Parameter(
            name="cfg_scale",
            kind=ParameterKind.NUMBER,
            minimum=1,
            maximum=10,
            default=default,
            only_for=tuple(model.name for model in MODELS.values() if model.cfg_scale == default),
            operations=_DRAWING,
            description="How closely the picture follows the prompt.",
        )


def _pictures() -> Iterator[Parameter]:
    for operation in (_EDIT, _UPSCALE):
        limits = {MODELS[name].picture for name in _names(operation)} - {None}
        for picture in sorted(limits, key=repr):
            assert picture is not None  # noqa: S101  # narrows for the type checker
            yield _init_image(operation, picture)
    masked = _names(_EDIT, lambda model: not model.strength)
    yield Parameter(
        name="mask",
        kind=ParameterKind.IMAGE,
        required=True,
        operations=(_EDIT,),
        only_for=masked,
        description="White is painted anew, black is kept.",
    )
    yield _number("grow_mask", _EDIT, masked, (0, 100, 5), "By how many px the mask's edge is widened and softened.")
    yield _number(
        "strength", _EDIT, _names(_EDIT, lambda model: model.strength), (0, 1, _STRENGTH),
        "How much may change: 0 keeps the picture.",
    )  # fmt: skip
    yield _number(
        "creativity", _UPSCALE, _names(_UPSCALE, lambda model: model.prompt), (0.2, 0.5, 0.35),
        "How much detail may be invented.",
    )  # fmt: skip


def _init_image(operation: Operation, picture: Picture) -> Parameter:
    return Parameter(
        name="init_image",
        kind=ParameterKind.IMAGE,
        required=True,
        minimum=picture.minimum,
        maximum=picture.maximum,
        min_pixels=picture.min_pixels,
        max_pixels=picture.max_pixels,
        max_ratio=picture.max_ratio,
        operations=(operation,),
        only_for=_names(operation, lambda model: model.picture == picture),
        description="The picture to begin with.",
    )


def _number(
    name: str, operation: Operation, only_for: tuple[str, ...], limits: tuple[float, float, float], description: str
) -> Parameter:
    low, high, default = limits
    return Parameter(
        name=name,
        kind=ParameterKind.NUMBER,
        minimum=low,
        maximum=high,
        default=float(default),
        operations=(operation,),
        only_for=only_for,
        description=description,
    )
