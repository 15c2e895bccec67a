"""Pictures that come of pictures: changed by strength or within a mask, or made larger, each stamped like any other.

May import the standard library and Pillow.
"""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from fakes.stability.fields import Value
from fakes.stability.pictures import Template, cut_open


def over(values: dict[str, Value], size: tuple[int, int], kind: str) -> Template | None:
    """What becomes of the picture in the form, at that size in px; None when the form has none."""
    source = values.get("image")
    if not isinstance(source, bytes):
        return None
    picture = _opened(source).resize(size, Image.Resampling.LANCZOS)
    painted = ImageOps.invert(picture)
    mask, strength = values.get("mask"), values.get("strength")
    if isinstance(mask, bytes):
        # A mask of another size is brought to the picture's.
        picture = Image.composite(painted, picture, _opened(mask).convert("L").resize(size))
    elif strength is not None:
        # A full strength ignores the picture; it must not show it again in other colours.
        picture = Image.blend(picture, Image.new("RGB", size, (90, 110, 130)), float(strength))
    return cut_open(picture, kind)


def _opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")
