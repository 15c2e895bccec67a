"""Finished pictures in another shape: small, or as another format; imports Pillow, when first needed, and the core.

Decoding and encoding happen in threads, a few at a time, so that a gallery cannot take all memory and all processors.
"""

import asyncio
import importlib.metadata
import io
import os
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from imaging_core.errors import ImageNotAvailable
from imaging_core.formats import JPEG, PNG, WEBP, PictureHeader, header_of
from imaging_core.marking import read_marks, with_marks

if TYPE_CHECKING:
    from PIL.Image import Image

#: Largest picture that is decoded, in px: 64 MP take 256 MB.
MAX_PIXELS = 64 << 20
#: From this many px on, pictures are decoded one at a time.
_LARGE = 8 << 20
#: Qualities of thumbnails, and of conversions that name none.
_SMALL_QUALITY, _QUALITY = 82, 90
#: What WebP invests in smaller files, 0..6: thumbnails are made while somebody waits.
_SMALL_METHOD, _METHOD = 0, 4
#: PNG: little is gained above this, and much time is lost.
_PNG_LEVEL = 4


#: Gives the bytes of a picture.
Read = Callable[[], Awaitable[bytes]]


class PillowRenderer:
    """Makes small and converted copies; nothing is kept here."""

    def __init__(self, *, at_once: int | None = None) -> None:
        """`at_once` copies are made side by side; by default as many as there are processors, but at most four."""
        self._slots = asyncio.Semaphore(at_once or min(4, os.cpu_count() or 1))
        self._large = asyncio.Semaphore(1)

    @cached_property
    def revision(self) -> str:
        """Changes whenever the same picture might come out in other bytes."""
        return f"1-{importlib.metadata.version('pillow')}"

    async def thumbnail(self, read: Read, *, side: int, media_type: str) -> bytes:
        """A copy of at most `side` x `side` px without metadata, as image/webp or image/jpeg.

        Raises ImageNotAvailable, and what `read` raises.
        """
        return await self._made(read, lambda data: _thumbnail(data, side, media_type))

    async def converted(self, read: Read, *, media_type: str, quality: int | None) -> bytes:
        """The picture as image/webp, image/jpeg or image/png, with what it says of its making.

        `quality` is 1..100 and nothing to a PNG. Raises ImageNotAvailable, and what `read` raises.
        """
        return await self._made(read, lambda data: _converted(data, media_type, quality or _QUALITY))

    async def _made(self, read: Read, make: Callable[[bytes], bytes]) -> bytes:
        # What waits for its turn has not been read yet, and so takes no memory.
        async with self._slots:
            data = await read()
            header = _judged(data)
            if header.width * header.height < _LARGE:
                return await asyncio.to_thread(make, data)
            async with self._large:
                return await asyncio.to_thread(make, data)


def _judged(data: bytes) -> PictureHeader:
    header = header_of(data)
    if header is None:
        raise ImageNotAvailable("The picture cannot be converted: it is damaged.")
    if header.width * header.height > MAX_PIXELS:
        raise ImageNotAvailable(f"The picture cannot be converted: {header.width} x {header.height} px are too many.")
    return header


def _thumbnail(data: bytes, side: int, media_type: str) -> bytes:
    def shrink(image: "Image") -> "Image":
        image.draft("RGB", (side * 2, side * 2))
        small = _true_colour(image)
        # Halved in whole steps first, which is many times faster; what is left is resampled well.
        small.thumbnail((side, side), reducing_gap=2.0)
        return small

    return _rendered(data, shrink, media_type, quality=_SMALL_QUALITY, method=_SMALL_METHOD)


def _converted(data: bytes, media_type: str, quality: int) -> bytes:
    encoded = _rendered(data, _true_colour, media_type, quality=quality, method=_METHOD)
    return with_marks(encoded, read_marks(data))


def _rendered(data: bytes, change: "Callable[[Image], Image]", media_type: str, *, quality: int, method: int) -> bytes:
    from PIL import Image, ImageOps  # noqa: PLC0415  # a third of a start's time, and many processes never need it

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as image:
            profile = image.info.get("icc_profile")
            changed = ImageOps.exif_transpose(change(image))
        out = io.BytesIO()
        if media_type == PNG:
            changed.save(out, "PNG", compress_level=_PNG_LEVEL, icc_profile=profile)
        elif media_type == JPEG:
            # Full colour resolution where somebody asks for quality, the usual half below that.
            sampling = 0 if quality >= _QUALITY else 2
            _opaque(changed).save(out, "JPEG", quality=quality, subsampling=sampling, icc_profile=profile)
        else:
            assert media_type == WEBP  # noqa: S101  # the API offers no other
            changed.save(out, "WEBP", quality=quality, method=method, icc_profile=profile)
    except Exception as error:  # over damaged data a decoder raises whatever its arithmetic runs into
        raise ImageNotAvailable("The picture cannot be converted.") from error
    return out.getvalue()


def _true_colour(image: "Image") -> "Image":
    if image.mode.startswith("I"):
        # 16 bits of grey, which a plain conversion would cut off at white.
        image = image.point(lambda value: value / 256).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _opaque(image: "Image") -> "Image":
    """On white, as a page would show it: JPEG has no transparency."""
    if image.mode != "RGBA":
        return image
    from PIL import Image  # noqa: PLC0415  # loaded by now

    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")
