"""Skylines: blocks of houses in layers, with lit windows when it is dark.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.land import blend_of
from adapters.demo.noise import Array, Dice
from adapters.demo.sky import Light

_LAMPS = tuple(rgb(code) for code in ("#ffd58a", "#ffc46b", "#ffe6b8", "#fff4dc", "#bfe3ff"))


def skyline(
    canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, foot: float, tall: float, layers: int, neon: bool
) -> None:
    """Houses from the far haze to the near quay, all standing on `foot`; the highest reach `tall`."""
    middle = dice.uniform(-0.2, 0.2) * canvas.wide
    for i in range(layers):
        near = i / max(1, layers - 1)
        wall = mix(palette.haze, palette.near, 0.30 + 0.62 * near)
        x = -canvas.wide / 2 - dice.uniform(0.0, 0.06)
        while x < canvas.wide / 2:
            width = dice.uniform(0.045, 0.11) * (0.75 + 0.45 * near)
            centre = 1 / (1 + ((x + width / 2 - middle) / (0.30 * canvas.wide)) ** 2)
            high = tall * (0.16 + 0.84 * centre * (1.0 - 0.42 * near)) * dice.uniform(0.35, 1.0)
            _tower(
                canvas, palette, light, dice, x=x, foot=foot, width=width, high=high, wall=wall, near=near, neon=neon
            )
            x += width * dice.uniform(0.78, 1.12)
        # Street mist: each layer stands in the light of the one behind it.
        rows = slice(canvas.row(foot - tall * 0.5), canvas.row(foot))
        mist = (canvas.y[rows] - np.float32(foot - tall * 0.5)) / np.float32(tall * 0.5)
        glow = mix(palette.haze, palette.accent, 0.25 if palette.dark > 0.5 else 0.0)
        veil = np.broadcast_to(mist[:, None] ** 2 * np.float32(0.42 * (1 - near)), (len(mist), canvas.width))
        canvas.blend(glow, veil, rows)


def _tower(
    canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, x: float, foot: float, width: float, high: float,
    wall: Array, near: float, neon: bool,
) -> None:  # fmt: skip
    kind = dice.integer(0, 5)
    parts = [(x, width, high)]
    if kind == 1:
        parts = [
            (x, width, high * 0.72),
            (x + width * 0.16, width * 0.68, high * 0.9),
            (x + width * 0.3, width * 0.4, high),
        ]
    elif kind == 2:
        parts = [(x, width, high * 0.86), (x + width * 0.12, width * 0.5, high)]
    for left, wide, up in parts:
        _block(canvas, palette, light, dice, x=left, foot=foot, width=wide, high=up, wall=wall, near=near, neon=neon)
    middle, top = x + width / 2, foot - high
    if kind == 1 or (kind == 3 and high > 0.25):
        canvas.polygon([(middle - 0.0022, top), (middle, top - high * 0.22), (middle + 0.0022, top)], wall)
        if palette.dark > 0.5:
            canvas.glow(middle, top - high * 0.21, 0.004, rgb("#ff4a3d"), 0.9)
    elif kind == 4:
        canvas.polygon([(x, top + 0.001), (x, top - width * dice.uniform(0.2, 0.55)), (x + width, top + 0.001)], wall)


def _block(
    canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, x: float, foot: float, width: float, high: float,
    wall: Array, near: float, neon: bool,
) -> None:  # fmt: skip
    rows = slice(canvas.row(foot - high), canvas.row(foot))
    left = max(0, min(canvas.width, round((x + canvas.wide / 2) * canvas.unit)))
    right = max(0, min(canvas.width, round((x + width + canvas.wide / 2) * canvas.unit)))
    if rows.stop <= rows.start or right <= left:
        return
    columns = slice(left, right)
    shade = blend_of(wall, palette.near, 0.18 * near)
    edge = max(1, round((right - left) * 0.22))
    canvas.pixels[rows, columns] = shade
    bright = blend_of(shade, palette.light, 0.16 if palette.dark < 0.5 else 0.05)
    canvas.pixels[rows, slice(right - edge, right) if light.x > x else slice(left, left + edge)] = bright
    _windows(canvas, palette, dice, rows, columns, wall=shade, near=near, neon=neon)


def _windows(
    canvas: Canvas, palette: Palette, dice: Dice, rows: slice, columns: slice, *, wall: Array, near: float, neon: bool
) -> None:
    high, wide = 0.0125 + 0.006 * near, 0.0085 + 0.004 * near
    down, across = (
        int((rows.stop - rows.start) / (high * canvas.unit)),
        int((columns.stop - columns.start) / (wide * canvas.unit)),
    )
    if down < 2 or across < 2:
        return
    lit = dice.array(down, across, 2)
    share = (0.10 + 0.30 * palette.dark) if palette.dark > 0.2 else 0.0
    share *= dice.uniform(0.5, 1.6)
    lamp = dice.pick(_LAMPS)
    if neon and dice.chance(0.6):
        lamp = mix(palette.accent, dice.pick((rgb("#ff4fd8"), palette.light, palette.accent)), dice.uniform(0, 1))
    glass = blend_of(wall, palette.sky[-2], 0.22 if palette.dark < 0.2 else 0.08)
    on = (lit[..., 0] < share)[..., None]
    panes = np.where(on, lamp * (np.float32(0.55) + np.float32(0.45) * lit[..., 1:]), glass)
    # Where in its window each pixel lies; panes fill the middle of their cells.
    v = (np.arange(rows.stop - rows.start) + 0.5) * (down / (rows.stop - rows.start))
    u = (np.arange(columns.stop - columns.start) + 0.5) * (across / (columns.stop - columns.start))
    inside = (np.abs(v - np.floor(v) - 0.5) < 0.31)[:, None] & (np.abs(u - np.floor(u) - 0.5) < 0.30)
    tone = panes[v.astype(np.int32)[:, None], u.astype(np.int32)]
    canvas.blend(tone, inside.astype(np.float32) * np.float32(0.55 + 0.4 * near), rows, columns)


def signs(canvas: Canvas, palette: Palette, dice: Dice, *, foot: float, tall: float) -> None:
    """Upright neon signs that hang among the houses."""
    for _ in range(dice.integer(7, 11)):
        x, y = dice.uniform(-0.48, 0.48) * canvas.wide, foot - tall * dice.uniform(0.10, 0.5)
        wide, high = dice.uniform(0.006, 0.014), dice.uniform(0.04, 0.11)
        tone = mix(palette.accent, dice.pick((rgb("#ff3fb4"), rgb("#ffe65a"), palette.accent)), dice.uniform(0.0, 1.0))
        canvas.glow(x, y + high / 2, high * 0.55, tone, 0.42)
        for k in range(4):
            top = y + high * k / 4
            canvas.polygon([(x - wide, top), (x + wide, top), (x + wide, top + high / 5), (x - wide, top + high / 5)],
                           mix(tone, rgb("#ffffff"), 0.35))  # fmt: skip
