"""Takes pictures from people nobody vouches for: judged by their header, decoded under limits, written anew; imports Pillow and the core.

What leaves here was encoded here: no metadata, no second frame and nothing behind the last pixel comes along. The
functions block and take CPU time; `PillowIntake` calls them in threads.
"""

import asyncio
import io
from enum import StrEnum

import attrs
from PIL import Image, ImageOps

from imaging_core.formats import JPEG, PictureHeader, header_of, media_type_of

#: Quality of a JPEG that is written anew, with full colour resolution: no loss that anybody sees.
_JPEG_QUALITY = 95
#: PNG: little is gained above this, and much time is lost.
_PNG_LEVEL = 3
#: A JPEG draws all of its pixels once per scan; real ones have up to a dozen scans, bombs thousands.
_MOST_SCANS = 100
_SCAN = b"\xff\xda"
#: From this on a mask repaints, of 255.
_WHITE = 128


class PictureRefused(ValueError):
    """The file cannot be taken; the text is a sentence that says why and what to do, to follow the field's name."""


@attrs.frozen(kw_only=True)
class IntakeLimits:
    """What is taken from outside."""

    #: Largest file, in bytes.
    max_bytes: int = 20 << 20
    #: Largest picture that is decoded, in px: 16 MP take 64 MB.
    max_pixels: int = 16 << 20
    #: Longest side, in px.
    max_side: int = 16_384
    #: Shortest side, in px.
    min_side: int = 16


class MaskMode(StrEnum):
    """What marks the part that is painted anew."""

    #: White is repainted, black is kept (AUTOMATIC1111, Stability AI); transparent counts as black.
    WHITE = "white"
    #: Transparent is repainted, opaque is kept, whatever its colour (OpenAI).
    TRANSPARENT = "transparent"


@attrs.frozen(kw_only=True)
class CleanPicture:
    """A picture that was written anew here."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    #: image/png or image/jpeg.
    media_type: str
    #: Size in px, after an orientation in EXIF was applied.
    width: int
    height: int


def clean_picture(data: bytes, limits: IntakeLimits) -> CleanPicture:
    """The first frame upright, opaque (on white) and without metadata: a JPEG stays one, all else becomes PNG.

    Raises PictureRefused.
    """
    with _decoded(data, limits) as image:
        picture = _on_white(image)
    stays = media_type_of(data) == JPEG
    return _written(picture, "JPEG" if stays else "PNG")


def clean_mask(data: bytes, limits: IntakeLimits, *, mode: MaskMode, size: tuple[int, int] | None) -> CleanPicture:
    """The mask in the core's convention: grey PNG, white (255) is repainted and black (0) is kept.

    Raises PictureRefused, also for a mask that is not of that size in px and for one that marks nothing.
    """
    with _decoded(data, limits) as image:
        if size is not None and image.size != size:
            width, height = image.size
            raise PictureRefused(f"must be as large as the picture, {size[0]} x {size[1]} px, not {width} x {height}.")
        if mode is MaskMode.TRANSPARENT:
            mask = _transparent_as_white(image)
            if mask is None:
                raise PictureRefused("has no transparent part, and what is transparent is repainted.")
        else:
            mask = _luminance(image)
    darkest_brightest = mask.getextrema()
    if darkest_brightest[1] < _WHITE:  # type: ignore[operator]  # one band, hence one pair
        raise PictureRefused("marks nothing: what is white is repainted, and there is no white in it.")
    return _written(mask, "PNG")


def mask_in(data: bytes, limits: IntakeLimits) -> CleanPicture | None:
    """The mask that a picture's own transparent part stands for, None when it is opaque. Raises PictureRefused."""
    with _decoded(data, limits) as image:
        mask = _transparent_as_white(image)
    return None if mask is None else _written(mask, "PNG")


def _decoded(data: bytes, limits: IntakeLimits) -> Image.Image:
    """The first frame, decoded and upright."""
    header = _judged(data, limits)
    try:
        with Image.open(io.BytesIO(data), formats=[header.media_type.removeprefix("image/")]) as image:
            # The decoder's own reading counts: what another reader saw in the header says nothing about its memory.
            _check_size(*image.size, limits)
            _check_still(image, header)
            image.load()
            return ImageOps.exif_transpose(image)
    except PictureRefused:
        raise
    except Exception as error:  # over damaged data a decoder raises whatever its arithmetic runs into
        raise PictureRefused("cannot be decoded: the file is damaged or cut off.") from error


def _judged(data: bytes, limits: IntakeLimits) -> PictureHeader:
    """What the file says of itself, before anything is decoded."""
    if not data:
        raise PictureRefused("is empty.")
    if len(data) > limits.max_bytes:
        raise PictureRefused(f"must have at most {limits.max_bytes} bytes.")
    if media_type_of(data) is None:
        raise PictureRefused("must be a PNG, JPEG or WebP file; by its first bytes it is none of them.")
    header = header_of(data)
    if header is None:
        raise PictureRefused("cannot be decoded: the file is damaged or cut off.")
    _check_size(header.width, header.height, limits)
    if header.media_type == JPEG and data.count(_SCAN) > _MOST_SCANS:
        raise PictureRefused("cannot be decoded: the JPEG has too many scans. Save it anew.")
    return header


def _check_size(width: int, height: int, limits: IntakeLimits) -> None:
    if width * height > limits.max_pixels:
        raise PictureRefused(f"must have at most {limits.max_pixels} px, not {width} x {height}.")
    if max(width, height) > limits.max_side or min(width, height) < limits.min_side:
        raise PictureRefused(
            f"must have sides from {limits.min_side} to {limits.max_side} px; it has {width} x {height}."
        )


def _check_still(image: Image.Image, header: PictureHeader) -> None:
    # A JPEG of several pictures (MPO) is a photograph with extras, not an animation.
    if header.media_type != JPEG and getattr(image, "n_frames", 1) > 1:
        raise PictureRefused("must not be animated. Send one of its frames.")


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return _eight_bit(image).convert("RGB")
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(ground, layers).convert("RGB")


def _luminance(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return _eight_bit(image).convert("L")
    layers = image.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "black")
    return Image.alpha_composite(ground, layers).convert("L")


def _transparent_as_white(image: Image.Image) -> Image.Image | None:
    """None for an opaque picture."""
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    lowest, _ = alpha.getextrema()
    return None if lowest == 255 else ImageOps.invert(alpha)


def _eight_bit(image: Image.Image) -> Image.Image:
    """PNG has 16 bits of grey too, which a plain conversion would cut off at white."""
    return image.point(lambda value: value / 256).convert("L") if image.mode.startswith("I") else image


def _written(image: Image.Image, kind: str) -> CleanPicture:
    buffer = io.BytesIO()
    # A new image: nothing that the decoder noted about the old one (EXIF, ICC, text) is written with it.
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    if kind == "JPEG":
        bare.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        bare.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return CleanPicture(
        data=buffer.getvalue(), media_type=f"image/{kind.lower()}", width=bare.size[0], height=bare.size[1]
    )


class PillowIntake:
    """Cleans pictures in threads, few at a time: each may take some hundred MB while it is decoded."""

    def __init__(self, limits: IntakeLimits | None = None, *, at_once: int = 2) -> None:
        self.limits = limits or IntakeLimits()
        self._turn = asyncio.Semaphore(at_once)

    async def picture(self, data: bytes) -> CleanPicture:
        """The picture upright, opaque and without metadata. Raises PictureRefused."""
        async with self._turn:
            return await asyncio.to_thread(clean_picture, data, self.limits)

    async def mask(self, data: bytes, *, transparent_repaints: bool, size: tuple[int, int] | None) -> CleanPicture:
        """The mask, white where it is painted anew; see `clean_mask`. Raises PictureRefused."""
        mode = MaskMode.TRANSPARENT if transparent_repaints else MaskMode.WHITE
        async with self._turn:
            return await asyncio.to_thread(clean_mask, data, self.limits, mode=mode, size=size)

    async def mask_in(self, data: bytes) -> CleanPicture | None:
        """The mask that a picture's own transparent part stands for, None when it is opaque. Raises PictureRefused."""
        async with self._turn:
            return await asyncio.to_thread(mask_in, data, self.limits)
