"""The canvas: float pixels, coordinates that do not depend on the resolution, and the few ways to put colour on it.

Imports numpy, Pillow and the noise of this package only.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from adapters.demo.noise import Array, Dice, clamp

#: What every picture of this generator says of itself.
CAPTION = "demo - not AI"


class Abandoned(Exception):
    """Nobody waits for this picture any more."""


class Canvas:
    """RGB pixels in 0..1, rows from the top.

    One unit is the shorter side. `x` runs over the columns with 0 in the middle, `y` over the rows from 0 at the top
    to `tall` at the bottom, so that a seed gives the same composition at 256 px and at 2048 px.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = min(width, height)
        #: The size of one pixel in units: the width of an anti-aliased edge.
        self.pixel = 1.0 / self.unit
        self.wide, self.tall = width / self.unit, height / self.unit
        self.x: Array = ((np.arange(width) + 0.5 - width / 2) / self.unit).astype(np.float32)
        self.y: Array = ((np.arange(height) + 0.5) / self.unit).astype(np.float32)
        self.pixels: Array = np.zeros((height, width, 3), np.float32)
        #: Set from any thread: the next brush stroke raises `Abandoned`.
        self.abandoned = False

    def row(self, y: float) -> int:
        """The row of the height `y`, held within the canvas."""
        return max(0, min(self.height, round(y * self.unit)))

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns that cover the rectangle, cut off at the canvas."""
        left = max(0, int((x0 + self.wide / 2) * self.unit) - 1)
        right = min(self.width, int((x1 + self.wide / 2) * self.unit) + 2)
        top, bottom = max(0, int(y0 * self.unit) - 1), min(self.height, int(y1 * self.unit) + 2)
        return slice(top, max(top, bottom)), slice(left, max(left, right))

    def blend(self, colour: Array, mask: Array, rows: slice = slice(None), columns: slice = slice(None)) -> None:
        """Lay `colour` (one, or one per pixel) over the part, as opaque as `mask` (0..1)."""
        if self.abandoned:
            raise Abandoned
        part = self.pixels[rows, columns]
        part += (colour - part) * mask[..., None]

    def add(self, colour: Array, light: Array, rows: slice = slice(None), columns: slice = slice(None)) -> None:
        """Add light of one colour: never darkens, and saturates softly (screen)."""
        if self.abandoned:
            raise Abandoned
        part = self.pixels[rows, columns]
        part += (1 - np.minimum(part, np.float32(1))) * clamp(colour * light[..., None])

    def below(self, line: Array) -> tuple[slice, Array, Array]:
        """For a silhouette under `line` (a height per column): its rows, its anti-aliased mask, the depth below it."""
        rows = slice(self.row(float(line.min()) - 2 * self.pixel), self.height)
        depth = self.y[rows, None] - line
        return rows, clamp(depth * np.float32(self.unit) + np.float32(0.5)), depth

    def disc(
        self, cx: float, cy: float, radius: float, colour: Array, *, opacity: float = 1.0, soft: float = 0.0
    ) -> None:
        """A filled circle; `soft` (units) blurs its edge, one pixel at least."""
        edge = max(soft, self.pixel)
        rows, columns = self.box(cx - radius - edge, cy - radius - edge, cx + radius + edge, cy + radius + edge)
        distance = np.sqrt((self.x[columns] - np.float32(cx)) ** 2 + (self.y[rows, None] - np.float32(cy)) ** 2)
        mask = clamp((np.float32(radius) - distance) * np.float32(1 / edge) + np.float32(0.5))
        self.blend(colour, mask * np.float32(opacity), rows, columns)

    def glow(self, cx: float, cy: float, radius: float, colour: Array, strength: float) -> None:
        """Light that falls off with the square of the distance: around a sun, a moon, a lamp."""
        reach = radius * 9
        rows, columns = self.box(cx - reach, cy - reach, cx + reach, cy + reach)
        square = (self.x[columns] - np.float32(cx)) ** 2 + (self.y[rows, None] - np.float32(cy)) ** 2
        light = 1 / (1 + square * np.float32(1 / radius**2)) - np.float32(1 / 82)
        self.add(colour, np.maximum(light, 0) * np.float32(strength), rows, columns)

    def polygon(self, points: list[tuple[float, float]], colour: Array, opacity: float = 1.0) -> None:
        """A filled polygon, anti-aliased by drawing it four times as large."""
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        rows, columns = self.box(min(xs), min(ys), max(xs), max(ys))
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if high < 1 or wide < 1:
            return
        big = 4
        stencil = Image.new("L", (wide * big, high * big))
        at = [
            (((x + self.wide / 2) * self.unit - columns.start) * big, (y * self.unit - rows.start) * big)
            for x, y in points
        ]
        ImageDraw.Draw(stencil).polygon(at, fill=255)
        self.blend(colour, as_mask(stencil.reduce(big)) * np.float32(opacity), rows, columns)

    def finish(self, dice: Dice, *, bloom: float, vignette: float, grain: float) -> None:
        """What a lens and film add: light that spills over, darker corners, a little grain."""
        if bloom > 0:
            self._bloom(bloom)
        if vignette > 0:
            across = (self.x / np.float32(self.wide)) ** 2
            down = (self.y / np.float32(self.tall) - np.float32(0.5)) ** 2
            reach = across[None, :] + down[:, None]
            self.pixels *= (1 - np.float32(vignette) * 2 * reach * reach * 2)[..., None]
        if grain > 0:
            noise = dice.bytes(2, self.height, self.width).astype(np.float32).sum(axis=0) - np.float32(255)
            self.pixels += (noise * np.float32(grain / 255))[..., None]

    def _bloom(self, strength: float) -> None:
        size = (max(8, round(self.wide * 128)), max(8, round(self.tall * 128)))
        bright = clamp((self.pixels - np.float32(0.62)) * np.float32(2.2))
        small = to_image(bright).resize(size, Image.Resampling.BOX)
        wide = small.filter(ImageFilter.GaussianBlur(7))
        tight = small.filter(ImageFilter.GaussianBlur(2))
        for layer, share in ((wide, 0.6), (tight, 0.4)):
            spread = layer.resize((self.width, self.height), Image.Resampling.BICUBIC)
            light = np.asarray(spread, np.float32) * np.float32(strength * share / 255)
            self.pixels += (1 - np.minimum(self.pixels, np.float32(1))) * light


def to_image(pixels: Array) -> Image.Image:
    """The pixels as an 8-bit RGB picture."""
    return Image.fromarray((clamp(pixels) * np.float32(255) + np.float32(0.5)).astype(np.uint8))


def as_mask(stencil: Image.Image) -> Array:
    """A grey picture as values in 0..1."""
    return np.asarray(stencil, np.float32) * np.float32(1 / 255)


def enlarge(field: Array, width: int, height: int) -> Array:
    """A smooth field, drawn small because it has no fine detail, at its full size."""
    if field.shape == (height, width):
        return field
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32)


def sign(image: Image.Image) -> None:
    """Write the caption into the lower right corner: small, but legible on light and dark."""
    unit = min(image.size)
    font = ImageFont.load_default(size=max(8, round(unit * 0.021)))
    draw = ImageDraw.Draw(image, "RGBA")
    _, _, right, bottom = draw.textbbox((0, 0), CAPTION, font=font)
    margin = max(2, round(unit * 0.016))
    at = (image.width - margin - right, image.height - margin - bottom)
    around = max(1, round(unit / 700))
    for dx, dy in ((around, around), (-around, 0), (0, -around), (0, around)):
        draw.text((at[0] + dx, at[1] + dy), CAPTION, font=font, fill=(0, 0, 0, 70))
    draw.text(at, CAPTION, font=font, fill=(255, 255, 255, 205))
