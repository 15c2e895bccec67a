"""What can be asked about pictures that are brought: image-to-image, inpainting and enlarging.

May import the core and this folder.
"""

from collections.abc import Iterable, Sequence

from adapters.sdwebui.lists import Lists
from imaging_core.images import Operation, OptionValue
from imaging_core.parameters import Parameter, ParameterKind

_EDIT, _UPSCALE = (Operation.EDIT,), (Operation.UPSCALE,)

#: What happens to the picture's shape and to what the mask hides: the WebUI numbers them from 0.
RESIZE_MODES = ("stretch", "crop", "fill", "latent")
FILLS = ("fill", "original", "latent noise", "latent nothing")
#: Longest side of a picture that is brought, in px.
_LONGEST = 8_192


def common(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The names in all lists, in the order of the first."""
    first, *others = [tuple(names) for names in lists]
    return tuple(name for name in dict.fromkeys(first) if all(name in other for other in others))


def brought() -> list[Parameter]:
    """The fields of img2img beside those of txt2img."""
    return [
        _image("init_image", (*_EDIT, *_UPSCALE), "The picture to begin with.", required=True),
        _image("mask", _EDIT, "White is painted anew, black is kept.", required=False),
        _field("strength", ParameterKind.NUMBER, 0.75, "How much may change: 0 keeps the picture.", most=1),
        _choice("resize_mode", "stretch", RESIZE_MODES, "How the picture is brought to another shape.", _EDIT),
        _field("mask_blur", ParameterKind.INTEGER, 4, "How soft the mask's edge is, in px.", most=64),
        _choice("inpainting_fill", "original", FILLS, "What the mask hides to begin with.", _EDIT),
        _field("inpaint_full_res", ParameterKind.FLAG, False, "Paint the masked part alone, in full size."),
        _field("inpaint_full_res_padding", ParameterKind.INTEGER, 32, "Px seen around that part.", most=256),
        _field("inpainting_mask_invert", ParameterKind.FLAG, False, "Keep what is white instead."),
    ]


def upscaling(instances: Sequence[Lists]) -> list[Parameter]:
    """The fields of an enlargement; none where nothing enlarges."""
    names = common(lists.enlargers for lists in instances)
    if not names:
        return []
    return [
        Parameter(
            name="scale", kind=ParameterKind.NUMBER, default=2.0, minimum=1, maximum=8, operations=_UPSCALE,
            description="How many times larger.",
        ),
        _choice("upscaler", "Lanczos" if "Lanczos" in names else names[0], names, "What enlarges it.", _UPSCALE),
    ]  # fmt: skip


def _field(
    name: str, kind: ParameterKind, default: OptionValue, description: str, *, most: float | None = None
) -> Parameter:
    low = None if most is None else 0
    return Parameter(
        name=name, kind=kind, default=default, minimum=low, maximum=most, operations=_EDIT, description=description
    )


def _choice(
    name: str, default: str, choices: tuple[str, ...], description: str, operations: tuple[Operation, ...]
) -> Parameter:
    return Parameter(
        name=name,
        kind=ParameterKind.CHOICE,
        default=default,
        choices=choices,
        operations=operations,
        description=description,
    )


def _image(name: str, operations: tuple[Operation, ...], description: str, *, required: bool) -> Parameter:
    return Parameter(
        name=name,
        kind=ParameterKind.IMAGE,
        required=required,
        minimum=16,
        maximum=_LONGEST,
        operations=operations,
        description=description,
    )
