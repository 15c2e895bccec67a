"""Shapes to choose from: the aspect ratios a backend offers, or sizes in px that fit its limits; pure, imports the core's values."""

import math
from collections.abc import Sequence

import attrs

from imaging_core.capabilities import Capabilities

#: Width to height, widest use first.
RATIOS: tuple[tuple[int, int], ...] = ((1, 1), (3, 2), (2, 3), (16, 9), (9, 16), (4, 5), (5, 4), (21, 9), (9, 21))


@attrs.frozen(kw_only=True)
class Size:
    """One size in px, named by its shape."""

    ratio: str
    width: int
    height: int


def ratio_order(choices: Sequence[str]) -> list[str]:
    """A backend's aspect ratios, the most used first, unknown ones last in their own order."""
    known = [f"{w}:{h}" for w, h in RATIOS]
    return sorted(choices, key=lambda c: known.index(c) if c in known else len(known))


def sizes(capabilities: Capabilities, checkpoint: str | None = None) -> tuple[Size, ...]:
    """Sizes of about the backend's default area, one per shape that fits its limits; empty when it takes no size."""
    width, height = (capabilities.parameter(name, checkpoint) for name in ("width", "height"))
    if width is None or height is None:
        return ()
    area = _number(width.default, 512) * _number(height.default, 512)
    if capabilities.max_pixels:
        area = min(area, capabilities.max_pixels)
    found = []
    for across, down in RATIOS[:7]:
        grid = math.lcm(width.multiple_of or 1, height.multiple_of or 1, 8)
        # A coarse grid gives rounder numbers, and models are trained on multiples of 64.
        grid = math.lcm(grid, 64) if area >= 256 * 256 else grid
        wide = round(math.sqrt(area * across / down) / grid) * grid
        high = round(math.sqrt(area * down / across) / grid) * grid
        fits = (width.minimum or 1) <= wide <= (width.maximum or wide) and (height.minimum or 1) <= high <= (
            height.maximum or high
        )
        if fits and not (capabilities.max_pixels and wide * high > capabilities.max_pixels):
            found.append(Size(ratio=f"{across}:{down}", width=wide, height=high))
    return tuple(found)


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
