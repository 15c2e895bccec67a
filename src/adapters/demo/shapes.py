"""Abstract pictures: ribbons, flowing colour, and discs in the manner of the 1920s.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import math

import numpy as np

from adapters.demo.canvas import Canvas, enlarge
from adapters.demo.colour import from_oklab, look_up, mix, ramp, rgb, to_oklab
from adapters.demo.noise import Array, Dice, clamp, ease, profile, scattered

_SETS = (
    "#0b1d3a #1f4e8c #3fa7d6 #f9c74f #f3722c", "#1a1035 #5a2a82 #d1478c #ff9770 #ffe8c2",
    "#07282d #0f5c63 #3aa57f #c7e59a #fff4c2", "#14213d #3d5a80 #98c1d9 #ee6c4d #fdf0d5",
    "#240a1f #7b1e4b #e0475b #f6a15b #fdf3d8", "#0d0d26 #2f2a8a #7b4fe0 #f27ab8 #ffe3ef",
    "#101a12 #2e5339 #7f9c5a #e5c07b #f8efdc",
)  # fmt: skip


def tones_for(dice: Dice, colours: tuple[Array, ...]) -> tuple[Array, ...]:
    """Five colours, dark to light, that go together; from the prompt's colour words if there are any."""
    if not colours:
        return tuple(rgb(code) for code in dice.pick(_SETS).split())
    main, second, third = colours[0], colours[min(1, len(colours) - 1)], colours[-1]
    if len(colours) == 1:
        # One word is a family: its neighbours on the colour wheel keep it company.
        lab = to_oklab(main)
        second = from_oklab(
            np.array([min(0.9, lab[0] + 0.12), lab[1] * 0.5 - lab[2] * 0.6, lab[2] * 0.5 + lab[1] * 0.6])
        )
        third = main
    return (mix(main, rgb("#05050f"), 0.78), mix(main, rgb("#0a0a18"), 0.30), mix(main, second, 0.55),
            mix(second, third, 0.5), mix(third, rgb("#fff8ea"), 0.72))  # fmt: skip


def ribbons(canvas: Canvas, dice: Dice, tones: tuple[Array, ...]) -> None:
    """Broad folded bands, each with a lit edge and a soft shadow on the one below."""
    table = ramp(tones, 256)
    canvas.pixels[:] = look_up(table, clamp((canvas.y[:, None] / np.float32(canvas.tall)) * np.float32(-0.35) + np.float32(0.95)
                               + canvas.x * np.float32(0.12)))  # fmt: skip
    count = dice.integer(9, 13)
    lean = dice.uniform(-0.55, 0.55)
    for i in range(count):
        at = (i + 0.5) / count
        seed = dice.seed32()
        wave = profile(
            seed, canvas.x + np.float32(dice.uniform(0, 40)), frequency=dice.uniform(0.7, 1.5), octaves=2, gain=0.25
        )
        line = (
            np.float32(canvas.tall * (at * 1.25 - 0.16))
            + (wave - np.float32(0.5)) * np.float32(0.62)
            + canvas.x * np.float32(lean)
        )
        depth = canvas.y[:, None] - line
        shadow = ease(-0.075, 0.0, depth) * (depth < 0)
        canvas.blend(mix(tones[0], rgb("#000000"), 0.35), shadow.astype(np.float32) ** 2 * np.float32(0.42))
        mask = clamp(depth * np.float32(canvas.unit) + np.float32(0.5))
        tone_at = 0.92 - 0.85 * at + dice.uniform(-0.14, 0.14)
        slope = np.gradient(line) * np.float32(canvas.unit)
        level = np.float32(tone_at) - clamp(depth * np.float32(2.1)) * np.float32(0.34) - slope * np.float32(0.10)
        tone = look_up(table, clamp(level))
        edge = ease(0.012, 0.0, depth) * np.float32(0.35)
        canvas.blend(tone + (tones[4] - tone) * edge[..., None], mask)


def flow(canvas: Canvas, dice: Dice, tones: tuple[Array, ...]) -> None:
    """Colour that has been stirred: noise looked up through noise, with the relief of thick paint."""
    step = max(1, canvas.unit // 640)
    shape = (len(canvas.y[::step]), len(canvas.x[::step]))
    x = np.broadcast_to(canvas.x[::step], shape) * np.float32(1.5) + np.float32(dice.uniform(4, 30))
    y = np.broadcast_to(canvas.y[::step, None], shape) * np.float32(1.5) + np.float32(dice.uniform(4, 30))
    seed = dice.seed32()
    qx = scattered(seed, x, y, octaves=2) - np.float32(0.5)
    qy = scattered(seed + 9, x + 4, y + 8, octaves=2) - np.float32(0.5)
    rx = scattered(seed + 19, x + qx * 4, y + qy * 4, octaves=3) - np.float32(0.5)
    ry = scattered(seed + 29, x + qx * 4 + 3, y + qy * 4 + 6, octaves=3) - np.float32(0.5)
    field = scattered(seed + 39, x + rx * 3, y + ry * 3, octaves=4, gain=0.45)
    bands = field * np.float32(3.1) + rx
    fold = np.abs(bands - np.floor(bands) - np.float32(0.5)) * np.float32(2)
    level = clamp(ease(0.28, 0.75, field) * np.float32(0.72) + fold * np.float32(0.34))
    high = np.gradient(level, axis=0) * np.float32(canvas.unit / step) + np.gradient(level, axis=1) * np.float32(
        canvas.unit / step
    )
    gloss = clamp(np.float32(0.5) - high * np.float32(0.035))
    full = enlarge(level, canvas.width, canvas.height)
    relief = enlarge(gloss, canvas.width, canvas.height) - np.float32(0.5)
    canvas.pixels[:] = look_up(ramp(tones, 512), clamp(full)) * (1 + relief * np.float32(0.55))[..., None]
    canvas.add(tones[4], ease(0.22, 0.5, relief) * np.float32(0.35))


def discs(canvas: Canvas, dice: Dice, tones: tuple[Array, ...]) -> None:
    """Circles, rings and bars, overlapping like coloured glass on paper."""
    paper = mix(tones[4], rgb("#fbf6ea"), 0.65)
    canvas.pixels[:] = paper
    grain = scattered(dice.seed32(), *np.broadcast_arrays(canvas.x * 60, canvas.y[:, None] * np.float32(60)), octaves=2)
    canvas.pixels *= (np.float32(0.965) + grain * np.float32(0.07))[..., None]
    cx, cy = dice.uniform(-0.12, 0.12), canvas.tall * dice.uniform(0.42, 0.58)
    _glass(canvas, dice, cx, cy, radius=0.30, tone=tones[1])
    for _ in range(dice.integer(9, 13)):
        angle, away = dice.uniform(0, 6.28), dice.uniform(0.12, 0.46)
        x, y = cx + math.cos(angle) * away * canvas.wide, cy + math.sin(angle) * away * canvas.tall
        kind, tone = dice.integer(0, 3), dice.pick(tones[:4])
        size = dice.uniform(0.035, 0.17)
        if kind == 0:
            _glass(canvas, dice, x, y, radius=size, tone=tone)
        elif kind == 1:
            for k in range(dice.integer(2, 4)):
                _circle(canvas, x, y, radius=size * (1 - 0.22 * k), thick=0.0045, tone=tone)
        else:
            turn, long, thick = dice.uniform(-0.9, 0.9), size * 2.6, dice.uniform(0.003, 0.018)
            ca, sa = math.cos(turn), math.sin(turn)
            canvas.polygon([(x - ca * long - sa * thick, y - sa * long + ca * thick),
                            (x + ca * long - sa * thick, y + sa * long + ca * thick),
                            (x + ca * long + sa * thick, y + sa * long - ca * thick),
                            (x - ca * long + sa * thick, y - sa * long - ca * thick)], tone, 0.86)  # fmt: skip


def _glass(canvas: Canvas, dice: Dice, x: float, y: float, *, radius: float, tone: Array) -> None:
    rows, columns = canvas.box(x - radius, y - radius, x + radius, y + radius)
    dx, dy = canvas.x[columns] - np.float32(x), canvas.y[rows, None] - np.float32(y)
    distance = np.sqrt(dx**2 + dy**2)
    mask = clamp((np.float32(radius) - distance) * np.float32(canvas.unit) + np.float32(0.5))
    turn = dice.uniform(-1, 1)
    shade = clamp(
        np.float32(0.62) + (dx * np.float32(turn) + dy * np.float32(1 - abs(turn))) * np.float32(0.5 / radius)
    )
    part = canvas.pixels[rows, columns]
    # Glass multiplies what is below it.
    through = part * (tone * np.float32(0.55) + np.float32(0.45))
    canvas.blend(through + (tone - through) * (shade * np.float32(0.85))[..., None], mask, rows, columns)


def _circle(canvas: Canvas, x: float, y: float, *, radius: float, thick: float, tone: Array) -> None:
    rows, columns = canvas.box(x - radius - thick, y - radius - thick, x + radius + thick, y + radius + thick)
    distance = np.sqrt((canvas.x[columns] - np.float32(x)) ** 2 + (canvas.y[rows, None] - np.float32(y)) ** 2)
    off = np.abs(distance - np.float32(radius))
    canvas.blend(tone, clamp((np.float32(thick) - off) * np.float32(canvas.unit) + np.float32(0.5)), rows, columns)
