"""What can be done to a picture, and the form for each of it; pure, imports the core's values."""

from collections.abc import Iterable
from enum import StrEnum

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.images import Operation
from imaging_core.parameters import Parameter, ParameterKind


class Mode(StrEnum):
    """What is done to the picture."""

    #: All of it is painted anew, as much as the strength says.
    WHOLE = "whole"
    #: Only what a mask covers.
    PART = "part"
    ENLARGE = "enlarge"

    @property
    def operation(self) -> Operation:
        """What the service calls it."""
        return Operation.UPSCALE if self is Mode.ENLARGE else Operation.EDIT


#: The page paints the mask, and turns it round itself.
_MASK_TURNED = "inpainting_mask_invert"
#: An edit is as large as its picture: there is no other shape to bring it to.
_OF_THE_SIZE = frozenset({"width", "height", "resize_mode"})


def modes(capabilities: Capabilities) -> tuple[Mode, ...]:
    """What that backend can do to a picture."""
    return tuple(mode for mode in Mode if mode.operation in capabilities.operations and _possible(capabilities, mode))


def form_of(capabilities: Capabilities, mode: Mode) -> Capabilities:
    """What the backend takes for that mode, as a form of its own: `backend` is the form's name, since models and defaults differ."""
    checkpoints = _checkpoints(capabilities, mode)
    found = [_narrowed(p, checkpoints) for p in _serving(capabilities, mode) if p.kind is not ParameterKind.IMAGE]
    return attrs.evolve(
        capabilities,
        backend=f"{capabilities.backend}/{mode}",
        parameters=tuple(attrs.evolve(p, operations=()) for p in found if not _needless(p.name, mode)),
    )


def _needless(name: str, mode: Mode) -> bool:
    about_a_mask = name.startswith(("inpaint", "mask_", "grow_mask"))
    return name in _OF_THE_SIZE or name == _MASK_TURNED or (about_a_mask and mode is not Mode.PART)


def _serving(capabilities: Capabilities, mode: Mode) -> Iterable[Parameter]:
    return (p for p in capabilities.parameters if p.serves(mode.operation))


def _narrowed(parameter: Parameter, checkpoints: tuple[str, ...]) -> Parameter:
    if parameter.name != "checkpoint":
        return parameter
    default = parameter.default if parameter.default in checkpoints else next(iter(checkpoints), None)
    return attrs.evolve(parameter, choices=checkpoints, default=default)


def _checkpoints(capabilities: Capabilities, mode: Mode) -> tuple[str, ...]:
    """The models that do that: some want a mask, some take none."""
    model = next((p for p in _serving(capabilities, mode) if p.name == "checkpoint"), None)
    return tuple(name for name in (model.choices if model else ()) if _fits(capabilities, mode, name))


def _fits(capabilities: Capabilities, mode: Mode, checkpoint: str | None) -> bool:
    if mode is Mode.ENLARGE:
        return True
    mask = capabilities.parameter("mask", checkpoint, mode.operation)
    return mask is not None if mode is Mode.PART else mask is None or not mask.required


def _possible(capabilities: Capabilities, mode: Mode) -> bool:
    if any(p.name == "checkpoint" for p in _serving(capabilities, mode)):
        return bool(_checkpoints(capabilities, mode))
    return _fits(capabilities, mode, None)
