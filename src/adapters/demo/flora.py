"""Flowers: one large bloom seen close, and many small ones in a field.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import math

import numpy as np

from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, look_up, mix, ramp, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, plane

_WHITE = rgb("#ffffff")


def bokeh(canvas: Canvas, palette: Palette, dice: Dice) -> None:
    """A garden far out of focus: soft discs of light on a dark green ground."""
    deep = mix(mix(palette.leaf, palette.near, 0.72), palette.sky[0], 0.15)
    soft = mix(mix(palette.leaf, palette.haze, 0.30), palette.near, 0.25)
    level = plane(dice.seed32(), canvas.x * np.float32(1.8), canvas.y * np.float32(1.8))
    canvas.pixels[:] = look_up(ramp((deep, mix(deep, soft, 0.5), soft), 256), level)
    tones = (palette.leaf, palette.haze, palette.light, palette.accent)
    for a, b, c, d in dice.array(int(46 * canvas.wide * canvas.tall), 4).tolist():
        size = 0.018 + 0.075 * c * c
        tone = mix(tones[int(d * 4)], palette.light, 0.25)
        x, y = (a - 0.5) * canvas.wide, b * canvas.tall
        canvas.disc(x, y, size, tone, opacity=0.10 + 0.14 * (1 - c), soft=size * 0.10)
        canvas.disc(x, y, size * 0.9, tone, opacity=0.07, soft=size * 0.5)


def bloom(
    canvas: Canvas, dice: Dice, *, x: float, y: float, radius: float, tone: Array, heart: Array, soft: float = 0.0
) -> None:
    """One flower from the front: whorls of petals from the outside in, each with its own light and veins."""
    whorls = dice.integer(4, 6)
    count = dice.integer(7, 11)
    pointed = dice.uniform(0.0, 1.0)
    turn = dice.uniform(0, 6.28)
    for i in range(whorls):
        share = 1 - i / whorls
        reach = radius * (0.34 + 0.66 * share**0.9)
        petals = max(5, count - i)
        angle = turn + i * 0.55
        dark = mix(tone, mix(tone, rgb("#1a0618"), 0.75), 0.62 * (1 - share) + 0.12)
        bright = mix(tone, _WHITE, 0.16 + 0.30 * share)
        order = [k for k in range(petals) if k % 2 == 0] + [k for k in range(petals) if k % 2]
        for k in order:
            _petal(canvas, dice, x=x, y=y, long=reach * dice.uniform(0.93, 1.05), angle=angle + 2 * math.pi * k / petals,
                   wide=reach * 3.0 / petals, dark=dark, bright=bright, pointed=pointed, soft=soft)  # fmt: skip
    core = radius * 0.15
    canvas.disc(x, y, core * 1.35, mix(heart, rgb("#2a1206"), 0.65), opacity=0.9, soft=core * 0.8)
    for k in range(110):
        # The golden angle fills a disc evenly: the way a sunflower does it.
        away, angle = core * 1.15 * math.sqrt(k / 110), k * 2.39996
        shade = mix(heart, _WHITE, 0.35 * dice.uniform(0, 1) * (1 - k / 150))
        canvas.disc(
            x + math.cos(angle) * away, y + math.sin(angle) * away, core * 0.085, shade, opacity=0.95, soft=core * 0.06
        )


def _petal(
    canvas: Canvas, dice: Dice, *, x: float, y: float, long: float, angle: float, wide: float, dark: Array, bright: Array,
    pointed: float, soft: float,
) -> None:  # fmt: skip
    ca, sa = math.cos(angle), math.sin(angle)
    reach = long + wide * 0.2
    cx, cy = x + ca * long / 2, y + sa * long / 2
    half = reach / 2 * max(abs(ca), abs(sa)) + wide
    rows, columns = canvas.box(cx - half, cy - half, cx + half, cy + half)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    dx, dy = canvas.x[columns] - np.float32(x), canvas.y[rows, None] - np.float32(y)
    along = (dx * np.float32(ca) + dy * np.float32(sa)) * np.float32(1 / long)
    across = (dy * np.float32(ca) - dx * np.float32(sa)) * np.float32(1 / wide)
    t = clamp(along)
    square = t * t
    # Widest near the tip when round, in the middle when pointed.
    outline = np.sqrt(t) * np.sqrt(1 - square * square) * np.float32(1 - pointed) + t * (1 - square) * np.float32(
        2.0 * pointed
    )
    wave = np.float32(1 + 0.05 * dice.uniform(-1, 1))
    edge = max(canvas.pixel, soft)
    gap = outline * np.float32(0.62) * wave - np.abs(across)
    mask = clamp(gap * np.float32(wide / edge) + np.float32(0.5)) * (along > 0) * (along < 1)
    veins = plane(dice.seed32(), np.arange(2, dtype=np.float32), np.zeros(1, np.float32))[0, 0]
    fan = across / (t + np.float32(0.12)) * np.float32(9 + 5 * float(veins))
    stripe = np.abs(fan - np.floor(fan) - np.float32(0.5)) * np.float32(2)
    fold = across * np.float32(0.55) + np.float32(0.15)
    level = (
        t * np.float32(0.85) - np.abs(across) * np.float32(0.35) + fold * np.float32(0.35) - stripe * np.float32(0.07)
    )
    rim = ease(0.10, 0.0, gap) * np.float32(0.22)
    # A soft shadow on the petal below.
    shadow = clamp((gap + np.float32(0.16)) * np.float32(3.2)) * (along > 0) * ease(1.12, 0.9, along)
    canvas.blend(dark * np.float32(0.45), shadow * np.float32(0.28), rows, columns)
    canvas.blend(look_up(ramp((dark, mix(dark, bright, 0.55), bright), 64), clamp(level + rim)), mask, rows, columns)


def stem(canvas: Canvas, palette: Palette, dice: Dice, *, x: float, y: float, soft: float) -> None:
    """The stem under a bloom, with two leaves."""
    green = mix(palette.leaf, palette.near, 0.35)
    bend, thick = dice.uniform(-0.12, 0.12), 0.011
    spine = [(x + bend * t * t, y + (canvas.tall + 0.05 - y) * t) for t in (k / 12 for k in range(13))]
    canvas.polygon([(px - thick, py) for px, py in spine] + [(px + thick, py) for px, py in spine[::-1]], green)
    for side in (-1.0, 1.0):
        at = spine[dice.integer(6, 9)]
        angle = math.radians(-90 + side * dice.uniform(35, 60))
        _petal(canvas, dice, x=at[0], y=at[1], long=dice.uniform(0.20, 0.30), angle=angle, wide=0.085, dark=mix(green, palette.near, 0.4),
               bright=mix(palette.leaf, palette.light, 0.25), pointed=0.9, soft=soft)  # fmt: skip


def small_flower(canvas: Canvas, x: float, y: float, *, size: float, tone: Array, heart: Array, green: Array) -> None:
    """A flower of a field: a stalk, a cup of colour, a dark or golden heart."""
    if size * canvas.unit > 5:
        thick = size * 0.09
        canvas.polygon([(x - thick, y), (x + thick, y), (x + thick, y + size * 3), (x - thick, y + size * 3)], green)
        for k in range(5):
            angle = 2 * math.pi * k / 5 + x * 40
            canvas.disc(x + math.cos(angle) * size * 0.5, y + math.sin(angle) * size * 0.36, size * 0.52,
                        mix_light(tone, k), opacity=0.95, soft=size * 0.2)  # fmt: skip
        canvas.disc(x, y, size * 0.26, heart, opacity=0.95, soft=size * 0.12)
        return
    canvas.disc(x, y, max(size, canvas.pixel * 0.7), tone, opacity=0.92, soft=size * 0.5)


def mix_light(tone: Array, k: int) -> Array:
    """The petals of a small flower are not all equally lit."""
    lit: Array = np.minimum(tone * np.float32(0.86 + 0.07 * k), np.float32(1))
    return lit
