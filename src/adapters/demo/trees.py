"""Trees: conifers in rows, broad crowns made of many dabs, palms and cacti.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from adapters.demo.canvas import Canvas
from adapters.demo.colour import mix
from adapters.demo.land import blend_of
from adapters.demo.noise import Array, Dice, clamp, ease, plane


def conifer(
    canvas: Canvas, x: float, foot: float, *, tall: float, colour: Array, dice: Dice, snow: Array | None
) -> None:
    """One spruce: whorls of drooping branches, ragged at the edge."""
    wide = tall * dice.uniform(0.19, 0.26)
    rows, columns = canvas.box(x - wide, foot - tall, x + wide, foot + 0.002)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    t = ((canvas.y[rows] - np.float32(foot - tall)) / np.float32(tall))[:, None]
    dx = canvas.x[columns] - np.float32(x)
    whorls = np.float32(6 + int(tall * 26))
    # The branches droop: the whorl that a point belongs to lies higher the farther it is from the stem.
    phase = t * whorls - np.abs(dx) * np.float32(whorls / tall * 0.55)
    saw = phase - np.floor(phase)
    seed = dice.seed32()
    if tall * canvas.unit < 34:
        # Too small for ragged branches to be seen.
        half = np.float32(wide) * t * (np.float32(0.55) + np.float32(0.5) * saw)
        mask = clamp((half - np.abs(dx)) * np.float32(canvas.unit) + np.float32(0.5)) * (t >= 0)
        canvas.blend(colour if snow is None else blend_of(colour, snow, 0.3), mask, rows, columns)
        return
    ragged = plane(seed, dx * np.float32(60 / max(0.12, tall)), (t[:, 0] * whorls * np.float32(1.6)))
    half = (
        np.float32(wide)
        * t
        * (np.float32(0.52) + np.float32(0.42) * saw)
        * (np.float32(0.62) + np.float32(0.75) * ragged)
    )
    half = np.maximum(half, np.float32(tall * 0.02) * np.minimum(t, np.float32(0.4)))
    half = np.where(t > 0.95, np.float32(tall * 0.018), half)
    mask = clamp((half - np.abs(dx)) * np.float32(canvas.unit) + np.float32(0.5)) * (t >= 0)
    if snow is None:
        canvas.blend(colour, mask, rows, columns)
        return
    load = ease(0.55, 0.15, saw) * ease(0.35, 0.6, ragged) * np.float32(0.85)
    canvas.blend(colour + (snow - colour) * load[..., None], mask, rows, columns)


def conifers(
    canvas: Canvas, dice: Dice, line: Array, *, tall: float, spacing: float, colour: Array, snow: Array | None = None,
    spare: tuple[float, float] | None = None,
) -> None:  # fmt: skip
    """A row of spruces along `line` (height per column); none within `spare` (from x to x), to leave a view."""
    x = -canvas.wide / 2 - tall * 0.1
    while x < canvas.wide / 2 + tall * 0.1:
        column = max(0, min(canvas.width - 1, int((x + canvas.wide / 2) * canvas.unit)))
        size = tall * dice.uniform(0.5, 1.05)
        if spare is not None and spare[0] < x < spare[1]:
            size *= dice.uniform(0.18, 0.35)
        shade = blend_of(colour, np.zeros(3, np.float32), dice.uniform(0.0, 0.22))
        conifer(canvas, x, float(line[column]) + size * 0.06, tall=size, colour=shade, dice=dice, snow=snow)
        x += spacing * dice.uniform(0.45, 1.5)


def dabs(canvas: Canvas, spots: Array, tones: list[Array]) -> None:
    """Many small discs: rows of (x, y, radius, which tone 0..1); what leaves and blossom are made of."""
    for x, y, radius, which in spots.tolist():
        canvas.disc(x, y, radius, tones[min(len(tones) - 1, int(which * len(tones)))], opacity=0.92, soft=radius * 0.5)


def crown(
    canvas: Canvas, dice: Dice, *, x: float, foot: float, tall: float, bark: Array, dark: Array, bright: Array,
    light_x: float,
) -> None:  # fmt: skip
    """A broad tree: a forked trunk and a crown of dabs, brighter on the side of the light."""
    tips = _branch(canvas, dice, x=x, y=foot, long=tall * 0.36, thick=tall * 0.045, angle=90.0, bark=bark, depth=3)
    steps = [mix(dark, bright, share) for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    side = 1.0 if light_x > x else -1.0
    # Every twig carries leaves, and a dome of more leaves closes the gaps between them.
    centres = list(tips)
    for _ in range(16):
        cx, up = dice.uniform(-0.34, 0.34), dice.uniform(0.0, 1.0)
        centres.append((x + cx * tall * (1.15 - 0.6 * up), foot - tall * (0.46 + 0.42 * up - abs(cx) * 0.22)))
    spots = []
    for centre_x, centre_y in centres:
        up = min(1.0, max(0.0, (foot - centre_y) / tall - 0.45) / 0.45)
        spread = 0.15 * (1.2 - 0.5 * up)
        for a, b, c, d in dice.array(90, 4).tolist():
            angle, reach = a * 2 * math.pi, math.sqrt(b) * spread * tall
            dx, dy = math.cos(angle) * reach, math.sin(angle) * reach * 0.72
            tone = (
                0.40
                + 0.28 * side * dx / (spread * tall)
                - 0.40 * dy / (spread * tall)
                + 0.34 * (d - 0.5)
                + 0.14 * (up - 0.5)
            )
            spots.append((centre_x + dx, centre_y + dy, tall * (0.005 + 0.009 * c), max(0.0, min(0.999, tone))))
    order = np.array(sorted(spots, key=lambda spot: spot[3]), np.float32)
    dabs(canvas, order, steps)


def _branch(
    canvas: Canvas, dice: Dice, *, x: float, y: float, long: float, thick: float, angle: float, bark: Array, depth: int
) -> list[tuple[float, float]]:
    """Draw a branch and all that grow from it; returns where the last ones end."""
    rad = math.radians(angle)
    ex, ey = x + math.cos(rad) * long, y - math.sin(rad) * long
    nx, ny = math.sin(rad) * thick / 2, math.cos(rad) * thick / 2
    thin = 0.62
    canvas.polygon([(x - nx, y - ny), (ex - nx * thin, ey - ny * thin), (ex + nx * thin, ey + ny * thin),
                    (x + nx, y + ny)], bark)  # fmt: skip
    if depth == 0:
        return [(ex, ey)]
    tips = []
    for turn in (dice.uniform(14, 34), -dice.uniform(14, 34)):
        length = long * dice.uniform(0.52, 0.66)
        tips += _branch(
            canvas, dice, x=ex, y=ey, long=length, thick=thick * thin, angle=angle + turn, bark=bark, depth=depth - 1
        )
    return tips


def palm(canvas: Canvas, dice: Dice, *, x: float, foot: float, tall: float, lean: float, colour: Array) -> None:
    """A palm that leans to the right (`lean` 1) or the left (-1)."""
    lean *= dice.uniform(0.12, 0.34) * tall
    spine = [(x + lean * t * t, foot - tall * t) for t in (k / 10 for k in range(11))]
    thick = tall * 0.022
    left = [(px - thick * (1.3 - 0.6 * k / 10), py) for k, (px, py) in enumerate(spine)]
    right = [(px + thick * (1.3 - 0.6 * k / 10), py) for k, (px, py) in enumerate(spine)]
    canvas.polygon(left + right[::-1], colour)
    top = spine[-1]
    for k in range(11):
        angle = math.radians(-28 + 236 * k / 10 + dice.uniform(-7, 7))
        _frond(canvas, top, angle, tall * dice.uniform(0.30, 0.42), colour)
    canvas.disc(top[0] - thick * 0.8, top[1] + thick, thick * 0.9, colour)
    canvas.disc(top[0] + thick * 0.9, top[1] + thick * 1.1, thick * 0.9, colour)


def _frond(canvas: Canvas, at: tuple[float, float], angle: float, long: float, colour: Array) -> None:
    upper, lower = [], []
    for k in range(15):
        t = k / 14
        px = at[0] + math.cos(angle) * long * t
        py = at[1] - math.sin(angle) * long * t + long * 0.62 * t * t
        comb = long * 0.115 * math.sqrt(t) * (1.02 - t) * 2.2
        upper.append((px, py - comb * 0.35))
        lower.append((px - math.cos(angle) * long * 0.03 * (k % 2), py + comb * (1.0 if k % 2 else 0.45)))
    canvas.polygon(upper + lower[::-1], colour)


def cactus(canvas: Canvas, dice: Dice, *, x: float, foot: float, tall: float, colour: Array) -> None:
    """A saguaro with an arm or two."""
    thick = tall * 0.085
    _pipe(canvas, [(x, foot), (x, foot - tall)], thick, colour)
    for side in (-1, 1):
        if side == 1 and dice.chance(0.25):
            continue
        out, start, up = tall * dice.uniform(0.2, 0.28), tall * dice.uniform(0.3, 0.5), tall * dice.uniform(0.22, 0.36)
        _pipe(canvas, [(x, foot - start), (x + side * out, foot - start - thick * 0.4),
                       (x + side * out, foot - start - up)], thick * 0.72, colour)  # fmt: skip


def _pipe(canvas: Canvas, points: list[tuple[float, float]], thick: float, colour: Array) -> None:
    for x, y in points[1:]:
        canvas.disc(x, y, thick, colour)
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        long = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = (by - ay) / long * thick, -(bx - ax) / long * thick
        canvas.polygon([(ax + nx, ay + ny), (bx + nx, by + ny), (bx - nx, by - ny), (ax - nx, ay - ny)], colour)
