"""The last hand: colour grades and manners (oil, watercolour, pencil, pixels, poster) that a prompt asks for by name.

Imports numpy, Pillow and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from adapters.demo.canvas import Canvas, as_mask, to_image
from adapters.demo.colour import look_up, ramp, rgb, saturate
from adapters.demo.noise import Array, Dice, clamp, ease, fbm
from adapters.demo.theme import Theme

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def apply(canvas: Canvas, theme: Theme, dice: Dice) -> None:
    """Grade the finished scene and draw it in the manner asked for; at most one manner, the first named."""
    manner = next((motif for motif in theme.motifs if motif in _MANNERS), None)
    if manner is not None:
        _MANNERS[manner](canvas, dice.fork(manner))
    if theme.has("mono"):
        canvas.pixels[:] = saturate(_contrast(canvas.pixels, 1.18), 0.0)
    elif theme.has("sepia"):
        table = ramp((rgb("#1f140c"), rgb("#6b4a2f"), rgb("#c9a877"), rgb("#f6ead0")), 256)
        canvas.pixels[:] = look_up(table, clamp(_luma(canvas.pixels)))
    elif theme.has("pastel"):
        canvas.pixels[:] = saturate(canvas.pixels, 0.80) * np.float32(0.66) + np.float32(0.33)
    elif theme.has("gloomy"):
        canvas.pixels[:] = saturate(_contrast(canvas.pixels, 1.08), 0.55) * np.float32(0.82)
    elif theme.has("vivid", "neon"):
        canvas.pixels[:] = saturate(_contrast(canvas.pixels, 1.06), 1.30)


def _luma(pixels: Array) -> Array:
    result: Array = pixels[..., 0] * _LUMA[0] + pixels[..., 1] * _LUMA[1] + pixels[..., 2] * _LUMA[2]
    return result


def _contrast(pixels: Array, factor: float) -> Array:
    return clamp((pixels - np.float32(0.5)) * np.float32(factor) + np.float32(0.5))


def _pixel(canvas: Canvas, dice: Dice) -> None:
    """Large square pixels and few colours, with an ordered dither between them."""
    del dice
    across = min(canvas.width, max(16, round(128 * canvas.wide)))
    down = min(canvas.height, max(16, round(128 * canvas.tall)))
    small = np.asarray(to_image(_contrast(canvas.pixels, 1.1)).resize((across, down), Image.Resampling.BOX), np.float32)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - np.float32(0.5)
    tiles = np.tile(bayer, (down // 4 + 1, across // 4 + 1))[:down, :across]
    levels = np.float32(12)
    stepped = np.floor(small / 255 * levels + np.float32(0.5) + tiles[..., None] * np.float32(0.55)) / levels
    rows = np.arange(canvas.height) * down // canvas.height
    columns = np.arange(canvas.width) * across // canvas.width
    canvas.pixels[:] = saturate(clamp(stepped.astype(np.float32)), 1.15)[rows[:, None], columns]


def _poster(canvas: Canvas, dice: Dice) -> None:
    """A few flat tones, as if cut from paper."""
    del dice
    soft = np.asarray(to_image(canvas.pixels).filter(ImageFilter.MedianFilter(5)), np.float32) * np.float32(1 / 255)
    light = _luma(soft)
    levels = np.float32(7)
    at = light * levels
    part = at - np.floor(at)
    flat = (np.floor(at) + ease(0.42, 0.58, part)) / levels
    canvas.pixels[:] = saturate(clamp(soft * ((flat + np.float32(0.04)) / (light + np.float32(0.04)))[..., None]), 1.15)


def _sketch(canvas: Canvas, dice: Dice) -> None:
    """Pencil on paper: outlines from where the tone changes, hatching where it is dark."""
    light = _luma(clamp(canvas.pixels))
    blurred = as_mask(_grey(light).filter(ImageFilter.GaussianBlur(max(1.0, canvas.unit / 60))))
    # A picture divided by its own blur keeps the lines: the dodge that photographers use for it.
    lines = clamp(light / (blurred + np.float32(0.03)))
    lines = ease(0.55, 0.99, lines)
    paper = fbm(dice.seed32(), canvas.x, canvas.y, frequency=120.0, octaves=2)
    hatch = np.ones_like(light)
    for slope, limit in ((1.0, 0.50), (-1.0, 0.34), (0.25, 0.20)):
        run = (canvas.x + canvas.y[:, None] * np.float32(slope)) * np.float32(95) + paper * np.float32(0.8)
        stroke = np.abs(run - np.floor(run) - np.float32(0.5)) * np.float32(2)
        hatch *= 1 - ease(limit + 0.12, limit - 0.12, blurred) * ease(0.55, 0.2, stroke) * np.float32(0.48)
    tone = clamp(
        lines * hatch * (np.float32(0.80) + light * np.float32(0.20)) + (paper - np.float32(0.5)) * np.float32(0.14)
    )
    sheet = look_up(ramp((rgb("#2a2a30"), rgb("#8d8a86"), rgb("#f7f3ea")), 256), tone)
    canvas.pixels[:] = sheet * np.float32(0.9) + sheet * canvas.pixels * np.float32(0.14)


def _watercolor(canvas: Canvas, dice: Dice) -> None:
    """Washes that run and pool, on rough paper with a bare margin."""
    image = to_image(canvas.pixels).filter(ImageFilter.MedianFilter(5))
    wash = np.asarray(image, np.float32) * np.float32(1 / 255)
    seed = dice.seed32()
    blot = fbm(seed, canvas.x, canvas.y, frequency=5.0, octaves=5, gain=0.6) - np.float32(0.5)
    wash = _carry(
        wash, blot, fbm(seed + 9, canvas.x, canvas.y, frequency=9.0, octaves=3) - np.float32(0.5), canvas.unit * 0.05
    )
    light = _luma(wash)
    blurred = as_mask(_grey(light).filter(ImageFilter.GaussianBlur(max(1.0, canvas.unit / 90))))
    pool = clamp((blurred - light) * np.float32(2.2))
    wash = (
        np.float32(1)
        - (np.float32(1) - wash) * (np.float32(0.80) + blot * np.float32(0.55) + pool * np.float32(0.5))[..., None]
    )
    tooth = fbm(seed + 30, canvas.x, canvas.y, frequency=90.0, octaves=3) - np.float32(0.5)
    paper = rgb("#fbf7ee") * (np.float32(1) + tooth * np.float32(0.10))[..., None]
    margin = np.minimum(np.minimum(canvas.x + np.float32(canvas.wide / 2), np.float32(canvas.wide / 2) - canvas.x),
                        np.minimum(canvas.y, np.float32(canvas.tall) - canvas.y)[:, None])  # fmt: skip
    cover = ease(0.015, 0.05, margin + blot * np.float32(0.06))
    canvas.pixels[:] = paper * (1 - cover[..., None] * (1 - clamp(wash)))


def _oil(canvas: Canvas, dice: Dice) -> None:
    """Short brush strokes that follow the forms, with the relief of thick paint."""
    light = _luma(clamp(canvas.pixels))
    soft = as_mask(_grey(light).filter(ImageFilter.GaussianBlur(max(1.5, canvas.unit / 50))))
    gy, gx = np.gradient(soft)
    seed = dice.seed32()
    swirl = fbm(seed, canvas.x, canvas.y, frequency=3.0, octaves=2) - np.float32(0.5)
    # Along the forms where there are any, along a slow swirl where not.
    dx, dy = -gy + swirl * np.float32(0.004), gx + np.float32(0.0015)
    long = np.sqrt(dx**2 + dy**2) + np.float32(1e-6)
    dx, dy = dx / long, dy / long
    bristle = fbm(seed + 7, canvas.x, canvas.y, frequency=70.0, octaves=2)
    rows, columns = np.arange(canvas.height, dtype=np.float32)[:, None], np.arange(canvas.width, dtype=np.float32)
    paint, relief = np.zeros_like(canvas.pixels), np.zeros_like(light)
    reach = canvas.unit * 0.009
    for k in (-1.0, -0.5, 0.0, 0.5, 1.0):
        r = np.clip(rows + dy * np.float32(k * reach), 0, canvas.height - 1).astype(np.int32)
        c = np.clip(columns + dx * np.float32(k * reach), 0, canvas.width - 1).astype(np.int32)
        paint += canvas.pixels[r, c] * np.float32(0.2)
        relief += bristle[r, c] * np.float32(0.2)
    ridge = np.gradient(relief, axis=0) + np.gradient(relief, axis=1)
    gloss = clamp(np.float32(0.5) + ridge * np.float32(canvas.unit / 512 * 5.0)) - np.float32(0.5)
    tone = (
        paint * (1 + (relief - np.float32(0.5)) * np.float32(0.24))[..., None] + (gloss * np.float32(0.11))[..., None]
    )
    canvas.pixels[:] = saturate(clamp(tone), 1.15)


def _carry(pixels: Array, dx: Array, dy: Array, reach: float) -> Array:
    high, wide = dx.shape
    r = np.clip(np.arange(high, dtype=np.float32)[:, None] + dy * np.float32(reach), 0, high - 1).astype(np.int32)
    c = np.clip(np.arange(wide, dtype=np.float32) + dx * np.float32(reach), 0, wide - 1).astype(np.int32)
    carried: Array = pixels[r, c]
    return carried


def _grey(values: Array) -> Image.Image:
    return Image.fromarray((clamp(values) * np.float32(255) + np.float32(0.5)).astype(np.uint8))


_MANNERS = {"pixel": _pixel, "poster": _poster, "sketch": _sketch, "watercolor": _watercolor, "oil": _oil}
