"""From WIDTHxHEIGHT to what a backend can make: its grid, or the nearest of its shapes; imports stdlib and this package's values."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.images import Operation
from imaging_core.parameters import Parameter

if TYPE_CHECKING:
    from imaging_core.capabilities import Capabilities

#: The option of a request that says its size for whichever backend it will be.
SIZE = "size"

_SIZE = re.compile(r"\s*([1-9][0-9]{0,4})\s*[xX×]\s*([1-9][0-9]{0,4})\s*", re.ASCII)
_RATIO = re.compile(r"([1-9][0-9]*):([1-9][0-9]*)", re.ASCII)


def size_options(
    size: str | None, able: "Capabilities", checkpoint: str | None, operation: Operation
) -> Mapping[str, int | str]:
    """The fields that come nearest to that size; none for `auto`, and for a backend that leaves no choice.

    Raises InvalidRequest for what is no size.
    """
    asked = read_size(size)
    if asked is None:
        return {}
    across, down = able.parameter("width", checkpoint, operation), able.parameter("height", checkpoint, operation)
    if across is not None and down is not None:
        width, height = on_grid(asked, (across, down), able.max_pixels)
        return {"width": width, "height": height}
    shapes = able.parameter("aspect_ratio", checkpoint, operation)
    if shapes is not None and (nearest := nearest_shape(asked, shapes.choices)) is not None:
        return {"aspect_ratio": nearest}
    return {}


def read_size(size: str | None) -> tuple[int, int] | None:
    """Width and height in px, None for `auto`. Raises InvalidRequest for what is no size."""
    if size is None or size.strip().lower() == "auto":
        return None
    match = _SIZE.fullmatch(size)
    if match is None:
        raise InvalidRequest([FieldProblem(field=SIZE, message="must be WIDTHxHEIGHT in px, or auto.")])
    return int(match[1]), int(match[2])


def on_grid(asked: tuple[int, int], sides: tuple[Parameter, Parameter], max_pixels: int | None) -> tuple[int, int]:
    """The nearest size in px that the backend takes: of the same shape, unless that has a side out of its limits."""
    width, height = asked
    across, down = sides
    largest = (max_pixels / (width * height)) ** 0.5 if max_pixels else 1.0
    share = min(1.0, largest, (across.maximum or width) / width, (down.maximum or height) / height)
    share = max(share, (across.minimum or 1) / width, (down.minimum or 1) / height)
    found = [_side(width * share, across), _side(height * share, down)]
    while max_pixels and found[0] * found[1] > max_pixels:
        longer = 0 if found[0] >= found[1] else 1
        smaller = found[longer] - (sides[longer].multiple_of or 1)
        if smaller < (sides[longer].minimum or 1):
            break
        found[longer] = smaller
    return found[0], found[1]


def _side(length: float, parameter: Parameter) -> int:
    step = parameter.multiple_of or 1
    low = math.ceil((parameter.minimum or 1) / step) * step
    high = math.floor((parameter.maximum or length + step) / step) * step
    return max(low, min(high, round(length / step) * step))


def nearest_shape(asked: tuple[int, int], shapes: tuple[str, ...]) -> str | None:
    """The one of these ratios, such as 16:9, that differs least, twice as wide being as far off as half as wide."""
    wanted = math.log(asked[0] / asked[1])
    known = [(shape, match) for shape in shapes if (match := _RATIO.fullmatch(shape))]
    distances = [(abs(math.log(int(match[1]) / int(match[2])) - wanted), shape) for shape, match in known]
    return min(distances)[1] if distances else None
