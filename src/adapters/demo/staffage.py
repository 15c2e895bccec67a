"""Staffage: the figures and buildings that stand in a landscape, each on its knoll, wave or cloudless air.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo import figures, land
from adapters.demo.colour import look_up, mix, ramp, rgb
from adapters.demo.figures import Stage
from adapters.demo.noise import Array, Dice, clamp, fbm, profile
from adapters.demo.scene import BEINGS, WHITE, Scene


def balloons(scene: Scene) -> None:
    """A few hot-air balloons, the first of them near."""
    dice, palette = scene.dice.fork("balloons"), scene.palette
    for k in range(dice.integer(3, 5)):
        size = (0.26, 0.13, 0.09, 0.06, 0.045)[k] * dice.uniform(0.9, 1.1)
        x = dice.uniform(-0.36, 0.36) * scene.canvas.wide
        foot = scene.level * (dice.uniform(0.5, 0.68) if k == 0 else dice.uniform(0.3, 0.85))
        main = (
            palette.accent
            if k == 0
            else mix(palette.accent, dice.pick((palette.light, palette.sky[0], palette.sand)), 0.75)
        )
        far = 0.06 + 0.11 * k
        tones = tuple(
            mix(tone, palette.haze, far)
            for tone in (main, mix(palette.light, WHITE, 0.3), mix(main, palette.near, 0.35))
        )
        figures.balloon(Stage(scene.canvas, x=x, foot=foot, tall=size, turn=1, ink=scene.near(0.8)), tones)


#: How tall each being is, in units.
_TALL = {"cat": 0.27, "dog": 0.27, "deer": 0.31, "person": 0.27}
#: Houses of a village on its knoll, the farthest first: how far beside its crown, how far below, how tall.
_VILLAGE = ((-0.19, 0.030, 0.10), (0.17, 0.026, 0.11), (0.0, 0.008, 0.15))


def inhabit(scene: Scene, front: str) -> None:
    """Put into the scene whoever and whatever the theme names; `front` is what the ground in front is."""
    theme, dice = scene.theme, scene.dice.fork("figures")
    afloat = front in ("lake", "sea")
    if theme.has("boat") and afloat:
        _boat(scene, dice.fork("boat"))
    if theme.has("lighthouse"):
        x = _aside(scene) * scene.canvas.wide * 0.27
        stage = Stage(scene.canvas, x=x, foot=scene.level + 0.05, tall=0.46, turn=1, ink=scene.palette.near)
        figures.lighthouse(stage, scene.palette)
    if theme.has("castle"):
        _castle(scene, dice.fork("castle"), afloat)
    if theme.has("cabin"):
        _cabins(scene, dice.fork("cabin"))
    _beings(scene, dice.fork("beings"))


def _aside(scene: Scene) -> float:
    """The side away from the light: -1 left, 1 right."""
    return -1.0 if scene.light.x > 0 else 1.0


def _boat(scene: Scene, dice: Dice) -> None:
    palette = scene.palette
    x, foot = scene.light.x + dice.uniform(-0.16, 0.16), scene.level + 0.055
    stage = Stage(scene.canvas, x=x, foot=foot, tall=0.19, turn=dice.pick((-1, 1)), ink=palette.near)
    _mirror(scene, x, foot, 0.10)
    figures.boat(stage, mix(mix(palette.light, WHITE, 0.4), palette.near, 0.25 + 0.3 * palette.dark))


def _castle(scene: Scene, dice: Dice, afloat: bool) -> None:
    x = _aside(scene) * scene.canvas.wide * dice.uniform(0.14, 0.24)
    foot = scene.level + 0.02 if afloat else scene.canvas.tall
    top = _mound(scene, x, scene.level - 0.07, 0.30 if afloat else 0.46, scene.near(0.62), foot=foot)
    stage = Stage(scene.canvas, x=x, foot=top + 0.012, tall=0.34, turn=1, ink=scene.near(0.72))
    figures.castle(stage, scene.palette, dice)


def _cabins(scene: Scene, dice: Dice) -> None:
    canvas = scene.canvas
    x = _aside(scene) * canvas.wide * dice.uniform(0.18, 0.26)
    top = _mound(scene, x, canvas.tall * 0.84, 0.36, _bank(scene), foot=canvas.tall)
    for beside, lower, tall in _VILLAGE if scene.theme.has("village") else _VILLAGE[-1:]:
        stage = Stage(canvas, x=x + beside, foot=top + lower, tall=tall, turn=1, ink=scene.palette.near)
        figures.cabin(stage, scene.palette, dice, scene.theme.has("snow"))


def _beings(scene: Scene, dice: Dice) -> None:
    """The first two beings that the theme names, before the light."""
    canvas, palette = scene.canvas, scene.palette
    ink = mix(palette.near, rgb("#000000"), 0.25)
    for k, being in enumerate([motif for motif in BEINGS if scene.theme.has(motif)][:2]):
        x, top = scene.light.x + (0.02 if k == 0 else 0.2 * _aside(scene)), canvas.tall * 0.87
        if k == 0:
            top = _mound(scene, x, canvas.tall * 0.85, 0.42, palette.near, foot=canvas.tall)
        _BEINGS[being](Stage(canvas, x=x, foot=top + 0.01, tall=_TALL[being], turn=dice.pick((-1, 1)), ink=ink))
        tip = mix(palette.near, palette.leaf, 0.3)
        land.grass(canvas, palette.near, tip, dice, foot=canvas.tall, tall=0.06, density=0.5)


def _bank(scene: Scene) -> Array:
    if scene.theme.has("snow"):
        return mix(mix(scene.palette.haze, WHITE, 0.5), scene.palette.near, 0.15 + 0.4 * scene.palette.dark)
    return mix(scene.palette.near, scene.palette.leaf, 0.25 * (1 - scene.palette.dark))


def _mound(scene: Scene, x: float, top: float, half: float, tone: Array, *, foot: float) -> float:
    """A knoll to stand on, from `top` down to `foot`; returns the height of its crown."""
    canvas = scene.canvas
    seed = scene.dice.fork("mound").seed32()
    away = (canvas.x - np.float32(x)) * np.float32(1 / half)
    bump = profile(seed, canvas.x, frequency=4.0, octaves=4) - np.float32(0.5)
    line = (
        np.float32(foot + 0.03)
        - np.float32(foot + 0.03 - top) / (1 + away**2 * away**2 * np.float32(1.4))
        + bump * np.float32(0.03) * clamp(np.abs(away))
    )
    rows, mask, depth = canvas.below(line)
    rows = slice(rows.start, min(rows.stop, canvas.row(foot)))
    count = rows.stop - rows.start
    nap = fbm(seed + 3, canvas.x, canvas.y[rows], frequency=22.0, octaves=3, stretch=2.0)
    tones = ramp((tone, mix(tone, scene.palette.near, 0.65)), 64)
    canvas.blend(
        look_up(tones, clamp(depth[:count] * 5 + (nap - np.float32(0.5)) * np.float32(0.3))), mask[:count], rows
    )
    return top


def _mirror(scene: Scene, x: float, y: float, half: float) -> None:
    """The dark reflection of a hull."""
    for k in range(5):
        scene.canvas.polygon([(x - half * (0.85 - 0.12 * k), y + 0.008 * k), (x + half * (0.85 - 0.12 * k), y + 0.008 * k),
                              (x + half * (0.7 - 0.12 * k), y + 0.008 * k + 0.005), (x - half * (0.7 - 0.12 * k), y + 0.008 * k + 0.005)],
                             scene.palette.near, 0.5 - 0.08 * k)  # fmt: skip


_BEINGS = {"cat": figures.cat, "dog": figures.dog, "deer": figures.deer, "person": figures.person}
