"""A picture that somebody brought: painted over as an edit, or made larger. Imports Pillow and attrs."""

from __future__ import annotations

import io

import attrs
from PIL import Image


@attrs.frozen(kw_only=True, eq=False)
class Ground:
    """What an edit begins with."""

    #: RGB.
    picture: Image.Image
    #: Grey, of the same size: white is painted anew, black is kept. None for all of it.
    mask: Image.Image | None = None
    #: How much of what is painted shows, 0..1.
    strength: float = 1.0

    @classmethod
    def of(cls, picture: bytes, mask: bytes | None, *, size: tuple[int, int], strength: float) -> Ground:
        """From files, brought to a size in px. Raises what Pillow raises for damaged ones."""
        return cls(
            picture=_opened(picture, "RGB", size),
            mask=None if mask is None else _opened(mask, "L", size),
            strength=strength,
        )

    def under(self, painted: Image.Image) -> Image.Image:
        """What is painted, over this: as much of it as the strength says, where the mask allows."""
        mixed = Image.blend(self.picture, painted, self.strength)
        return mixed if self.mask is None else Image.composite(mixed, self.picture, self.mask)


def enlarged(picture: bytes, scale: float) -> Image.Image:
    """The picture, so many times larger, RGB. Raises what Pillow raises for a damaged one."""
    image = _opened(picture, "RGB", None)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def _opened(data: bytes, mode: str, size: tuple[int, int] | None) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert(mode)
    return image if size in (None, image.size) else image.resize(size, Image.Resampling.LANCZOS)
