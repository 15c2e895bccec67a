"""Draws the pictures: noise and a gradient that depend on everything a sampler would depend on, in a real file format.

May import numpy and Pillow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, PngImagePlugin

from fakes.sdwebui.errors import HTTPRefusal

_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286


def draw(width: int, height: int, *ingredients: object) -> Image.Image:
    """A picture of that size in px; the same ingredients give the same picture, others another."""
    digest = hashlib.sha256(repr(ingredients).encode("utf-8", "surrogatepass")).digest()
    generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16])))
    cells = generator.integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
    clouds = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
    grain = generator.integers(-12, 13, size=(height, width, 1))
    return Image.fromarray(np.clip(np.asarray(clouds, dtype=np.int16) + grain, 0, 255).astype(np.uint8))


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
