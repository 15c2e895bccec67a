"""Draws the pictures: noise and a gradient that depend on everything a sampler would depend on, in a real file format.

May import Pillow.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import random
from collections.abc import Sequence

from PIL import Image, ImageChops, PngImagePlugin

from fakes.sdwebui.errors import HTTPRefusal

_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286


def draw(width: int, height: int, *ingredients: object) -> Image.Image:
    """A picture of that size in px; the same ingredients give the same picture, others another."""
    dice = random.Random(repr(ingredients))
    clouds = Image.frombytes("RGB", (5, 5), dice.randbytes(75)).resize((width, height), Image.Resampling.BICUBIC)
    grain = Image.frombytes("L", (width, height), dice.randbytes(width * height)).point([v // 10 for v in range(256)])
    return ImageChops.add(clouds, Image.merge("RGB", (grain, grain, grain)), offset=-12)


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """A contact sheet, as the server puts before the pictures."""
    rows = math.isqrt(len(images))
    while len(images) % rows:
        rows -= 1
    columns = len(images) // rows
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, rows * height))
    for position, image in enumerate(images):
        sheet.paste(image, (position % columns * width, position // columns * height))
    return sheet


def encode(image: Image.Image, kind: str, text: str | None, *, keyword: str = "parameters") -> str:
    """Base64 of the file without a data: prefix, with the infotext inside where the format keeps it."""
    buffer = io.BytesIO()
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        if text is not None:
            info.add_text(keyword, text)
        image.save(buffer, "PNG", pnginfo=info, compress_level=1)
    else:
        exif = Image.Exif()
        if text:
            exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\x00" + text.encode("utf-16be")
        image.save(buffer, "WEBP" if kind == "webp" else "JPEG", quality=80, exif=exif)
    return base64.b64encode(buffer.getvalue()).decode()


def decode(encoded: str) -> Image.Image:
    """A picture sent by a client, with or without a data: prefix. Raises the real server's refusals."""
    if encoded.startswith(("http://", "https://")):
        raise HTTPRefusal(500, "Request to local resource not allowed")
    if encoded.startswith("data:image/"):
        encoded = encoded.partition(",")[2]
    try:
        image = Image.open(io.BytesIO(base64.b64decode(encoded)))
        image.load()
    except (binascii.Error, ValueError, OSError) as error:
        raise HTTPRefusal(500, "Invalid encoded image") from error
    return image
