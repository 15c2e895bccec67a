"""Water that mirrors whatever was painted above it, and the glitter of the light on it.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, profile, scattered
from adapters.demo.sky import Light


def water(canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, level: float, rough: float) -> None:
    """Mirror the picture at the height `level` (units); `rough` 0 is a still lake, 1 the open sea."""
    top = canvas.row(level)
    rows = slice(top, canvas.height)
    if rows.stop - top < 2:
        return
    depth = canvas.y[rows, None] - np.float32(level)
    span = np.float32(canvas.tall - level)
    # Perspective: waves grow towards the viewer.
    far = np.float32(1) / (depth + np.float32(0.018 + 0.012 * (1 - rough)))
    seed = dice.seed32()
    px = canvas.x * far * np.float32(0.42 + 0.25 * rough)
    py = np.broadcast_to(far * np.float32(0.9), px.shape)
    swell = scattered(seed, px + np.float32(20), py * np.float32(2.6), octaves=4, gain=0.55) - np.float32(0.5)
    reach = np.float32(0.035 + 0.30 * rough) * (depth / span) + np.float32(0.004)
    source = np.float32(level) - depth * np.float32(0.98 if rough < 0.5 else 0.8) + swell * reach
    row = np.clip(source * np.float32(canvas.unit), 0, max(0, top - 1))
    floor = row.astype(np.int32)
    part = (row - floor)[..., None]
    index = np.arange(canvas.width)[None, :]
    upper, lower = canvas.pixels[floor, index], canvas.pixels[np.minimum(floor + 1, max(0, top - 1)), index]
    mirror = upper + (lower - upper) * part
    deep = mix(mix(palette.sky[0], palette.sky[1], 0.4), palette.near, 0.35)
    share = np.float32(0.16) + np.float32(0.34 + 0.2 * rough) * (depth / span) - swell * np.float32(0.25 + 0.75 * rough)
    mirror = mirror + (deep - mirror) * clamp(share)[..., None]
    if rough > 0.5:
        crest = ease(0.10, 0.26, swell) * np.float32(0.34)
        mirror = mirror + (mix(palette.haze, rgb("#ffffff"), 0.2) - mirror) * crest[..., None]
    canvas.pixels[rows] = mirror
    glitter(canvas, palette, light, swell=swell, depth=depth, rows=rows)
    mist = 1 / (1 + (depth * np.float32(26)) ** 2) * np.float32(0.35)
    canvas.blend(palette.haze, np.broadcast_to(mist, (rows.stop - top, canvas.width)), rows)


def glitter(canvas: Canvas, palette: Palette, light: Light, *, swell: Array, depth: Array, rows: slice) -> None:
    """The path of light on the water, under the sun or the moon."""
    width = np.float32(0.035) + depth * np.float32(0.20)
    away = (canvas.x - np.float32(light.x)) / width
    fall: Array = np.reciprocal(away * away + np.float32(1))
    path = fall * fall
    sparkle = ease(0.02, 0.20, swell + path * np.float32(0.10))
    canvas.add(mix(palette.light, palette.sky[-1], 0.35), path * sparkle * np.float32(0.85), rows)


def surf(canvas: Canvas, palette: Palette, dice: Dice, *, shore: float) -> None:
    """A beach along the lower edge, with the foam of the last wave on it."""
    line = np.float32(shore) - (
        profile(dice.seed32(), canvas.x, frequency=1.1, octaves=3) - np.float32(0.5)
    ) * np.float32(0.12)
    rows, mask, depth = canvas.below(line)
    sand = mix(mix(palette.sand, palette.haze, 0.15), palette.near, 0.30 * palette.dark + 0.06)
    wet = mix(sand, palette.near, 0.35)
    tone = wet + (sand - wet) * ease(0.03, 0.10, depth)[..., None]
    canvas.blend(tone, mask, rows)
    above = slice(canvas.row(float(line.min()) - 0.06), canvas.height)
    distance = canvas.y[above, None] - line
    lace = scattered(
        dice.seed32(), np.broadcast_to(canvas.x * 40, distance.shape), distance * np.float32(90), octaves=3
    )
    foam = ease(0.020, 0.0, np.abs(distance)) + ease(0.010, 0.0, np.abs(distance + np.float32(0.032))) * np.float32(0.5)
    white = mix(palette.haze, rgb("#ffffff"), 0.7 * (1 - 0.6 * palette.dark))
    canvas.blend(white, clamp(foam * ease(0.32, 0.6, lace) * np.float32(0.95)), above)
