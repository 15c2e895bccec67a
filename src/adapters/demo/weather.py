"""What lies between the viewer and the scene: rain, snowfall, fog, lightning, shafts of light.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo.canvas import Canvas, enlarge
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, fbm, plane
from adapters.demo.sky import Light, star


def rain(canvas: Canvas, palette: Palette, dice: Dice) -> None:
    """Slanting rain, near and far."""
    tone = mix(palette.haze, rgb("#ffffff"), 0.45)
    slant = np.float32(dice.uniform(-0.28, 0.28))
    for scale, share in ((150.0, 0.14), (80.0, 0.20), (38.0, 0.22)):
        seed = dice.seed32()
        across = canvas.x - slant * canvas.y[:, None]
        lane = np.floor(across * np.float32(scale * 2.2)).astype(np.int32)
        lane -= lane.min()
        table = dice.array(int(lane.max()) + 1, 3)
        run = (
            canvas.y[:, None] * np.float32(scale / 14) * (np.float32(0.8) + table[lane, 0] * np.float32(0.5))
            + table[lane, 1] * 7
        )
        drop = run - np.floor(run)
        middle = across * np.float32(scale * 2.2) - np.floor(across * np.float32(scale * 2.2))
        thin = ease(0.5, 0.1, np.abs(middle - np.float32(0.5)))
        wet = plane(seed, canvas.x * 3, canvas.y * 3)
        canvas.add(
            tone, ease(0.55, 1.0, drop) * thin * (table[lane, 2] > 0.55) * (np.float32(0.4) + wet) * np.float32(share)
        )
    veil = fbm(dice.seed32(), canvas.x[::8], canvas.y[::8], frequency=2.0, octaves=3)
    canvas.blend(palette.haze, enlarge(veil, canvas.width, canvas.height) * np.float32(0.16))


def snowfall(canvas: Canvas, palette: Palette, dice: Dice, *, amount: float) -> None:
    """Flakes at all distances; the near ones large and out of focus."""
    tone = mix(rgb("#ffffff"), palette.haze, 0.2 + 0.2 * palette.dark)
    area = canvas.wide * canvas.tall
    for a, b, c, d in dice.array(int(620 * amount * area), 4).tolist():
        x, y = (a - 0.5) * canvas.wide, b * canvas.tall
        size = 0.0012 + 0.0042 * c**5
        if size * canvas.unit > 1.2:
            canvas.disc(x, y, size, tone, opacity=0.35 + 0.5 * d, soft=size * 0.9)
        else:
            star(canvas, x, y, radius=size, colour=tone, strength=0.3 + 0.5 * d)
    for a, b, c, _ in dice.array(int(16 * amount * area), 4).tolist():
        size = 0.008 + 0.012 * c
        canvas.disc((a - 0.5) * canvas.wide, b * canvas.tall, size, tone, opacity=0.22, soft=size * 1.2)


def fog(canvas: Canvas, palette: Palette, dice: Dice, *, level: float, strength: float) -> None:
    """Banks of fog that lie around the height `level` (units)."""
    seed = dice.seed32()
    step = max(1, canvas.unit // 256)
    bank = fbm(seed, canvas.x[::step], canvas.y[::step], frequency=2.2, octaves=4, stretch=3.2)
    lying = np.float32(1) / (1 + ((canvas.y[::step, None] - np.float32(level)) * np.float32(3.4 / canvas.tall)) ** 2)
    thick = ease(0.15, 0.85, bank * np.float32(0.75) + lying * np.float32(0.4)) * lying
    canvas.blend(mix(palette.haze, palette.light, 0.25 * (1 - palette.dark)),
                 clamp(enlarge(thick, canvas.width, canvas.height)) * np.float32(strength))  # fmt: skip


def lightning(canvas: Canvas, palette: Palette, dice: Dice, *, horizon: float) -> None:
    """A bolt from the clouds to the horizon, with its branches, and its light on the clouds."""
    tone = mix(rgb("#e8e4ff"), palette.light, 0.2)
    x, y = dice.uniform(-0.35, 0.35) * canvas.wide, horizon * 0.02
    canvas.glow(x, horizon * 0.15, 0.16, tone, 0.5)
    bolts = [(x, y, horizon, 0.0048)]
    while bolts:
        x, y, end, thick = bolts.pop()
        while y < end:
            nx, ny = x + dice.uniform(-0.032, 0.032), y + dice.uniform(0.012, 0.034)
            canvas.polygon([(x - thick, y), (x + thick, y), (nx + thick * 0.9, ny), (nx - thick * 0.9, ny)], tone)
            if dice.chance(0.5):
                canvas.glow(nx, ny, 0.012, tone, 0.22)
            if thick > 0.002 and dice.chance(0.16):
                bolts.append((nx, ny, ny + dice.uniform(0.08, 0.25) * horizon, thick * 0.45))
            x, y, thick = nx, ny, thick * 0.985


def shafts(canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, strength: float) -> None:
    """Shafts of light that fan out from where the sun stands."""
    step = max(1, canvas.unit // 320)
    dx = canvas.x[::step] - np.float32(light.x)
    dy = canvas.y[::step, None] + np.float32(0.25)
    # The slope stands for the angle, the source lies above the picture: no arctangent, no singular point.
    slope = dx / dy
    span = 6.0
    table = plane(
        dice.seed32(), np.linspace(-span * 4, span * 4, 4096).astype(np.float32), np.full(1, 0.5, np.float32)
    )[0]
    at = np.clip((slope * np.float32(0.5 / span) + np.float32(0.5)) * 4095, 0, 4095).astype(np.int32)
    beam = ease(0.45, 0.95, table[at])
    away: Array = np.reciprocal(dx * dx * np.float32(3.0) + dy * dy * np.float32(0.8) + np.float32(1))
    full = enlarge(beam * away, canvas.width, canvas.height)
    canvas.add(mix(palette.light, palette.sky[-1], 0.4), clamp(full) * np.float32(strength))
