"""Things and beings that stand in a scene, as silhouettes drawn from a few points.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import math

from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.noise import Array, Dice

Points = list[tuple[float, float]]

#: Outlines, x to the right and y upwards from the ground, in heights of the figure.
_CAT = (
    (-0.30, 0.0), (-0.33, 0.16), (-0.26, 0.38), (-0.15, 0.55), (-0.14, 0.66), (-0.19, 0.76), (-0.19, 0.86), (-0.185, 1.0),
    (-0.10, 0.91), (0.0, 0.92), (0.10, 0.91), (0.185, 1.0), (0.19, 0.86), (0.19, 0.76), (0.14, 0.66), (0.15, 0.55),
    (0.26, 0.38), (0.33, 0.16), (0.30, 0.0),
)  # fmt: skip
_TAIL = ((0.22, 0.0), (0.45, 0.02), (0.60, 0.14), (0.58, 0.32), (0.47, 0.36))
_PERSON = (
    (-0.12, 0.0), (-0.10, 0.24), (-0.15, 0.45), (-0.17, 0.62), (-0.13, 0.75), (-0.05, 0.80), (-0.075, 0.87), (-0.06, 0.95),
    (0.0, 0.985), (0.06, 0.95), (0.075, 0.87), (0.05, 0.80), (0.13, 0.75), (0.17, 0.62), (0.15, 0.45), (0.10, 0.24),
    (0.12, 0.0), (0.02, 0.0), (0.012, 0.34), (-0.012, 0.34), (-0.02, 0.0),
)  # fmt: skip
_DEER = (
    (-0.40, 0.0), (-0.375, 0.17), (-0.405, 0.27), (-0.40, 0.36), (-0.43, 0.44), (-0.455, 0.53), (-0.40, 0.575), (-0.25, 0.575),
    (-0.08, 0.56), (0.06, 0.585), (0.13, 0.66), (0.185, 0.76), (0.16, 0.80), (0.225, 0.812), (0.275, 0.80), (0.35, 0.745),
    (0.365, 0.715), (0.33, 0.70), (0.265, 0.70), (0.255, 0.60), (0.23, 0.48), (0.18, 0.37), (0.165, 0.19), (0.17, 0.0),
    (0.135, 0.0), (0.12, 0.19), (0.105, 0.33), (0.0, 0.315), (-0.16, 0.345), (-0.28, 0.385), (-0.325, 0.28), (-0.32, 0.17),
    (-0.345, 0.0),
)  # fmt: skip
_DEER_LEGS = (((-0.27, 0.40), (-0.285, 0.2), (-0.255, 0.0)), ((0.07, 0.4), (0.045, 0.2), (0.06, 0.0)))
_ANTLERS = (
    ((0.20, 0.80), (0.13, 0.90), (0.15, 1.02), (0.22, 1.10)), ((0.145, 0.93), (0.06, 1.00), (0.05, 1.07)),
    ((0.15, 1.0), (0.10, 1.10)), ((0.24, 0.81), (0.28, 0.92), (0.35, 0.99), (0.37, 1.09)), ((0.29, 0.94), (0.28, 1.06)),
    ((0.34, 0.98), (0.43, 1.03)),
)  # fmt: skip
_DOG = (
    (-0.36, 0.0), (-0.40, 0.10), (-0.34, 0.26), (-0.22, 0.44), (-0.10, 0.60), (-0.04, 0.74), (-0.05, 0.86), (-0.03, 1.0),
    (0.03, 0.93), (0.10, 0.935), (0.19, 0.885), (0.33, 0.84), (0.345, 0.80), (0.30, 0.765), (0.17, 0.755), (0.155, 0.64),
    (0.17, 0.48), (0.165, 0.22), (0.165, 0.05), (0.215, 0.0), (0.08, 0.0), (0.075, 0.24), (0.04, 0.30), (-0.02, 0.16),
    (0.0, 0.0),
)  # fmt: skip
_DOG_TAIL = ((-0.33, 0.06), (-0.50, 0.05), (-0.60, 0.15), (-0.63, 0.28))


def smooth(points: tuple[tuple[float, float], ...], *, closed: bool, steps: int = 6) -> Points:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    curve: Points = []
    for i in range(count if closed else count - 1):
        p = [points[(i + k) % count] if closed else points[max(0, min(count - 1, i + k))] for k in (-1, 0, 1, 2)]
        for s in range(steps):
            t = s / steps
            a, b, c, d = -t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2
            curve.append((0.5 * (p[0][0] * a + p[1][0] * b + p[2][0] * c + p[3][0] * d),
                          0.5 * (p[0][1] * a + p[1][1] * b + p[2][1] * c + p[3][1] * d)))  # fmt: skip
    return curve if closed else [*curve, points[-1]]


class Stage:
    """A place for a figure: its foot on the canvas, its height, the way it looks (1 right, -1 left), its colour."""

    def __init__(self, canvas: Canvas, *, x: float, foot: float, tall: float, turn: int, ink: Array) -> None:
        self.canvas, self.x, self.foot, self.tall, self.turn, self.ink = canvas, x, foot, tall, turn, ink

    def at(self, points: Points | tuple[tuple[float, float], ...]) -> Points:
        """Figure coordinates as canvas coordinates."""
        return [(self.x + self.turn * px * self.tall, self.foot - py * self.tall) for px, py in points]

    def fill(self, points: Points | tuple[tuple[float, float], ...], tone: Array | None = None) -> None:
        self.canvas.polygon(self.at(points), self.ink if tone is None else tone)

    def stroke(self, points: tuple[tuple[float, float], ...], thick: float, end: float) -> None:
        """A line that tapers from `thick` to `end` (heights)."""
        curve = smooth(points, closed=False)
        left, right = [], []
        for k, (px, py) in enumerate(curve):
            ax, ay = curve[max(0, k - 1)]
            bx, by = curve[min(len(curve) - 1, k + 1)]
            long = math.hypot(bx - ax, by - ay) or 1.0
            half = (thick + (end - thick) * k / (len(curve) - 1)) / 2
            left.append((px - (by - ay) / long * half, py + (bx - ax) / long * half))
            right.append((px + (by - ay) / long * half, py - (bx - ax) / long * half))
        self.fill(left + right[::-1])
        self.canvas.disc(self.at([curve[-1]])[0][0], self.at([curve[-1]])[0][1], end * self.tall / 2, self.ink)


def cat(stage: Stage) -> None:
    """A cat, sitting, seen from behind."""
    stage.stroke(_TAIL, 0.085, 0.055)
    stage.fill(smooth(_CAT, closed=True, steps=5))
    for side in (-1, 1):
        stage.fill([(side * 0.19, 0.84), (side * 0.20, 1.05), (side * 0.05, 0.90)])


def dog(stage: Stage) -> None:
    """A dog or a wolf, sitting, from the side."""
    stage.stroke(_DOG_TAIL, 0.10, 0.03)
    stage.fill(smooth(_DOG, closed=True, steps=5))
    stage.fill([(-0.055, 0.86), (-0.04, 1.06), (0.045, 0.92)])
    stage.fill([(0.0, 0.90), (0.045, 1.05), (0.10, 0.91)])


def deer(stage: Stage) -> None:
    """A stag, standing."""
    for leg in _DEER_LEGS:
        stage.stroke(leg, 0.065, 0.035)
    stage.fill(smooth(_DEER, closed=True, steps=4))
    for tine in _ANTLERS:
        stage.stroke(tine, 0.028, 0.010)


def person(stage: Stage) -> None:
    """A wanderer with a staff, seen from behind."""
    stage.fill(smooth(_PERSON, closed=True, steps=5))
    stage.fill([(-0.17, 0.72), (-0.24, 0.30), (-0.10, 0.26), (0.10, 0.26), (0.20, 0.30), (0.17, 0.72)])
    stage.stroke(((0.15, 0.66), (0.24, 0.52), (0.29, 0.58)), 0.06, 0.045)
    stage.stroke(((0.31, 0.0), (0.30, 0.5), (0.285, 0.98)), 0.018, 0.014)


def boat(stage: Stage, sail: Array) -> None:
    """A small sailing boat under main and jib."""
    stage.fill([(-0.02, 0.10), (-0.02, 0.98), (-0.40, 0.16)], sail)
    stage.fill([(0.03, 0.14), (0.02, 0.86), (0.36, 0.14)], mix(sail, stage.ink, 0.22))
    stage.fill([(-0.008, 0.0), (-0.006, 1.0), (0.012, 1.0), (0.014, 0.0)])
    stage.fill(
        smooth(((-0.42, 0.105), (-0.30, 0.0), (0.0, -0.03), (0.30, 0.0), (0.46, 0.12), (0.0, 0.085)), closed=True)
    )


def lighthouse(stage: Stage, palette: Palette) -> None:
    """A striped lighthouse; its lamp throws a beam when it is dark."""
    tone = mix(mix(rgb("#fbf4e6"), palette.haze, 0.35), palette.near, 0.55 * palette.dark)
    red = mix(mix(palette.accent, palette.haze, 0.15), palette.near, 0.5 * palette.dark)
    stage.fill(
        smooth(((-0.62, -0.06), (-0.42, 0.05), (-0.15, 0.10), (0.2, 0.085), (0.5, 0.02), (0.75, -0.06)), closed=True)
    )
    for k in range(5):
        low, high = 0.08 + 0.135 * k, 0.08 + 0.135 * (k + 1)
        a, b = 0.105 - 0.045 * (low - 0.08) / 0.68, 0.105 - 0.045 * (high - 0.08) / 0.68
        stage.fill([(-a, low), (-b, high), (b, high), (a, low)], red if k % 2 == 0 else tone)
        stage.fill([(0.02, low), (0.02, high), (b, high), (a, low)], mix(red if k % 2 == 0 else tone, stage.ink, 0.28))
    stage.fill([(-0.085, 0.755), (-0.085, 0.78), (0.085, 0.78), (0.085, 0.755)])
    lamp = stage.at([(0.0, 0.83)])[0]
    if palette.dark > 0.2:
        for side in (-1, 1):
            far = 1.9 * stage.tall
            stage.canvas.polygon([lamp, (lamp[0] + side * far, lamp[1] - far * 0.20), (lamp[0] + side * far, lamp[1] + far * 0.06)],
                                 rgb("#ffeec0"), 0.10 + 0.06 * palette.dark)  # fmt: skip
    stage.fill([(-0.045, 0.78), (-0.045, 0.87), (0.045, 0.87), (0.045, 0.78)], rgb("#ffe9a8"))
    stage.fill([(-0.065, 0.87), (0.0, 0.945), (0.065, 0.87)], red)
    stage.fill([(-0.006, 0.94), (-0.006, 1.0), (0.006, 1.0), (0.006, 0.94)])
    stage.canvas.glow(*lamp, stage.tall * 0.045, rgb("#ffe7a0"), 0.35 + 0.5 * palette.dark)


def cabin(stage: Stage, palette: Palette, dice: Dice, snow: bool) -> None:
    """A cabin with a lit window and smoke from its chimney."""
    wall = mix(mix(rgb("#7a4a2e"), palette.haze, 0.12), palette.near, 0.35 + 0.35 * palette.dark)
    roof = mix(rgb("#f4f7fb"), palette.near, 0.4 * palette.dark) if snow else mix(wall, palette.near, 0.7)
    stage.fill([(0.30, 0.60), (0.30, 1.02), (0.42, 1.02), (0.42, 0.60)], mix(wall, palette.near, 0.6))
    stage.fill([(-0.52, 0.0), (-0.52, 0.48), (0.0, 0.92), (0.52, 0.48), (0.52, 0.0)], wall)
    for k in range(1, 5):
        stage.fill(
            [(-0.52, 0.1 * k), (-0.52, 0.1 * k + 0.012), (0.52, 0.1 * k + 0.012), (0.52, 0.1 * k)],
            mix(wall, palette.near, 0.4),
        )
    stage.fill([(-0.66, 0.40), (0.0, 0.98), (0.66, 0.40), (0.60, 0.34), (0.0, 0.86), (-0.60, 0.34)], roof)
    glow = rgb("#ffd07a") if palette.dark > 0.05 else mix(palette.sky[0], palette.near, 0.3)
    for left in (-0.36, 0.14):
        stage.fill([(left, 0.17), (left, 0.40), (left + 0.22, 0.40), (left + 0.22, 0.17)], glow)
        stage.fill([(left + 0.10, 0.17), (left + 0.10, 0.40), (left + 0.12, 0.40), (left + 0.12, 0.17)], wall)
        if palette.dark > 0.05:
            x, y = stage.at([(left + 0.11, 0.28)])[0]
            stage.canvas.glow(x, y, stage.tall * 0.22, rgb("#ffb95e"), 0.35 + 0.25 * palette.dark)
    drift = dice.uniform(-0.25, 0.25)
    for k in range(26):
        t = k / 25
        x, y = stage.at([(0.36 + drift * t * 2 + 0.07 * math.sin(t * 9), 1.04 + t * 1.5)])[0]
        stage.canvas.disc(
            x,
            y,
            stage.tall * (0.035 + 0.15 * t),
            mix(palette.haze, palette.light, 0.3),
            opacity=0.15 * (1 - t),
            soft=stage.tall * (0.04 + 0.14 * t),
        )


def castle(stage: Stage, palette: Palette, dice: Dice) -> None:
    """A castle of many towers with pointed roofs."""
    lit = mix(stage.ink, palette.haze, 0.14)
    towers = [(-0.42, 0.15, 0.52), (0.40, 0.16, 0.58), (-0.20, 0.18, 0.72), (0.17, 0.17, 0.80), (-0.02, 0.20, 0.98)]
    stage.fill([(-0.50, -0.05), (-0.50, 0.32), (0.50, 0.32), (0.50, -0.05)])
    for k in range(14):
        left = -0.50 + k / 14
        stage.fill([(left, 0.31), (left, 0.36), (left + 0.036, 0.36), (left + 0.036, 0.31)])
    for x, wide, high in towers:
        top, half = high * 0.70, wide / 2
        stage.fill([(x - half, 0.0), (x - half, top), (x + half, top), (x + half, 0.0)], lit)
        stage.fill([(x, 0.0), (x, top), (x + half, top), (x + half, 0.0)])
        stage.fill(
            [
                (x - half * 1.22, top),
                (x - half * 1.22, top + 0.035),
                (x + half * 1.22, top + 0.035),
                (x + half * 1.22, top),
            ]
        )
        stage.fill([(x - half * 1.18, top + 0.03), (x, high + 0.10), (x + half * 1.18, top + 0.03)])
        stage.fill(
            [
                (x - 0.003, high + 0.08),
                (x - 0.003, high + 0.17),
                (x + 0.07, high + 0.145),
                (x + 0.003, high + 0.12),
                (x + 0.003, high + 0.08),
            ],
            palette.accent,
        )
        if palette.dark > 0.2:
            for _ in range(3):
                wx, wy = x + dice.uniform(-0.3, 0.3) * wide, top * dice.uniform(0.4, 0.92)
                stage.fill(
                    [(wx - 0.009, wy), (wx - 0.009, wy + 0.032), (wx + 0.009, wy + 0.032), (wx + 0.009, wy)],
                    rgb("#ffd27a"),
                )


def balloon(stage: Stage, tones: tuple[Array, ...]) -> None:
    """A striped hot-air balloon; the foot of the stage is its basket."""
    bulb = smooth(((-0.07, 0.24), (-0.24, 0.46), (-0.36, 0.70), (-0.27, 0.92), (0.0, 1.0), (0.27, 0.92), (0.36, 0.70), (0.24, 0.46),
                   (0.07, 0.24)), closed=True, steps=8)  # fmt: skip
    stage.fill(bulb, tones[0])
    for k, share in enumerate((0.78, 0.50, 0.20)):
        stage.fill([(px * share, py) for px, py in bulb], tones[(k + 1) % len(tones)])
    shade = mix(tones[0], stage.ink, 0.6)
    half = [(px, py) for px, py in bulb if px >= 0.02]
    x, y = [p[0] for p in half], [p[1] for p in half]
    outline = [(0.30 * a + 0.25 * max(0.0, a), b) for a, b in zip(x, y, strict=True)]
    stage.canvas.polygon(stage.at(half + outline[::-1]), shade, 0.20)
    for side in (-1, 1):
        stage.fill([(side * 0.065, 0.25), (side * 0.05, 0.08), (side * 0.045, 0.08), (side * 0.055, 0.25)])
    stage.fill([(-0.058, 0.0), (-0.064, 0.09), (0.064, 0.09), (0.058, 0.0)], mix(stage.ink, rgb("#6b4226"), 0.5))
