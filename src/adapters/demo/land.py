"""Kinds of ground over the terrain view: alps, dunes, downs; and the grass in front.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo import terrain
from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, look_up, mix, ramp, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, scattered
from adapters.demo.sky import Light
from adapters.demo.terrain import View

WHITE = rgb("#ffffff")


def alps(
    canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, eye: float, camera: float, near: float, height: float,
    snow: float, wood: float,
) -> View:  # fmt: skip
    """Mountains that rise from a shore at distance `near`; `snow` and `wood` 0..1 say how far those reach."""
    seed = dice.seed32()
    ox, oz = np.float32(dice.uniform(0, 60)), np.float32(dice.uniform(0, 60))
    scale = np.float32(dice.uniform(0.46, 0.62))
    opening = dice.uniform(0.45, 0.7)

    def heights(x: Array, z: Array) -> Array:
        rock = terrain.ridged(
            seed, x * scale + ox, z * scale + oz, octaves=7, gain=0.46, blunt=z * scale * np.float32(0.0065)
        )
        valley = 1 - np.float32(opening) / (1 + ((x / z - np.float32(light.x)) * 4) ** 2)
        rise = ease(near, near * 2.4, z) * valley * np.float32(height) + ease(near, near * 1.3, z) * np.float32(0.06)
        return rock * rise

    view = terrain.look(canvas, heights, near=near, far=near * 5.5, eye=eye, camera=camera)
    side = 1.0 if light.x > 0 else -1.0
    rough = scattered(seed + 90, view.x * 9, view.z * 9, octaves=3) - np.float32(0.5)
    # Bare rock is too rough for the slices to show; what they leave out is put into the light.
    crags = rough * (1 - view.flatness()) * np.float32(0.75)
    lit = ease(0.15, 0.9, view.facing(side, elevation=0.42, front=0.22) + crags)
    stone = mix(mix(palette.near, palette.haze, 0.25), palette.cloud_shade, 0.25)
    tone = look_up(
        ramp((mix(stone, palette.near, 0.6), stone, mix(mix(stone, palette.light, 0.5), palette.sand, 0.4)), 128), lit
    )
    if wood > 0:
        green = mix(palette.leaf, palette.near, 0.35)
        trees = look_up(ramp((palette.near, green, mix(green, palette.light, 0.2)), 64), lit)
        cover = ease(0.62 * wood, 0.36 * wood, view.height / np.float32(height / 2.6) + rough * np.float32(0.35))
        tone = tone + (trees - tone) * cover[..., None]
    if snow > 0:
        shade = mix(mix(palette.sky[0], palette.haze, 0.5), palette.near, 0.25 * palette.dark)
        bright = mix(mix(palette.light, WHITE, 0.5), palette.near, 0.45 * palette.dark)
        white = look_up(ramp((shade, mix(shade, bright, 0.6), bright), 64), lit)
        limit = (1.0 - snow) * 1.35 * height / 2.6
        cover = ease(limit - 0.12, limit + 0.16, view.height + rough * np.float32(0.5)) * ease(
            0.34, 0.58, view.flatness() + rough * np.float32(0.25)
        )
        tone = tone + (white - tone) * (cover * np.float32(0.96))[..., None]
    deep = (view.z - np.float32(near)) * np.float32(1 / near)
    veil = clamp(
        deep / (deep + np.float32(3.0)) + ease(0.55, 0.0, view.height) * ease(0.1, 1.6, deep) * np.float32(0.42)
    )
    terrain.lay(canvas, view, tone + (palette.haze - tone) * veil[..., None])
    return view


def dunes(canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, eye: float) -> View:
    """Sand in long waves with sharp crests: one flank in the light, the other in the shade."""
    seed = dice.seed32()
    ox, oz = np.float32(dice.uniform(0, 60)), np.float32(dice.uniform(0, 60))
    side = 1.0 if light.x > 0 else -1.0
    camera = dice.uniform(0.34, 0.44)
    near = camera / (canvas.tall * 1.04 - eye) * 0.86

    def heights(x: Array, z: Array) -> Array:
        bend = scattered(seed + 5, x * np.float32(0.5), z * np.float32(0.5), octaves=2) - np.float32(0.5)
        wave = scattered(seed, x * np.float32(0.55) + ox + bend, z * np.float32(0.8) + oz + bend * 2, octaves=1)
        # Crests are rounded a little more the farther they are, or they would fall between two slices.
        fold = wave * np.float32(2) - 1
        crest = 1 - np.sqrt(fold**2 + (z * np.float32(0.022)) ** 2)
        crest = np.maximum(crest, np.float32(0))
        low = scattered(seed + 2, x * np.float32(0.9) + oz, z * np.float32(1.3) + ox, octaves=2, gain=0.3)
        tall = np.float32(0.30) + ease(near * 2, near * 9, z) * np.float32(0.40)
        sand: Array = (crest * np.sqrt(crest) + low * np.float32(0.3)) * tall - np.float32(0.12)
        return sand

    view = terrain.look(canvas, heights, near=near, far=13.0, eye=eye, camera=camera, slices=420)
    lit = ease(0.22, 0.80, view.facing(side, elevation=0.36, front=0.10))
    dark = mix(mix(palette.sand, palette.near, 0.55), palette.cloud_shade, 0.25)
    bright = mix(palette.sand, palette.light, 0.42 * (1 - 0.55 * palette.dark))
    fade = np.clip(np.float32(1.9) - view.z, 0, 1)
    wind = scattered(seed + 8, view.x * 7 + view.z * 3, view.z * 60 + view.x * 9, octaves=2) - np.float32(0.5)
    tone = look_up(
        ramp((dark, mix(dark, palette.sand, 0.6), palette.sand, bright), 256),
        clamp(lit + wind * fade * np.float32(0.32)),
    )
    deep = (view.z - np.float32(near)) / np.float32(6.5)
    veil = clamp(deep / (deep + 1) * np.float32(0.78))
    terrain.lay(canvas, view, tone + (palette.haze - tone) * veil[..., None])
    return view


def downs(
    canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, eye: float, snow: bool, bloom: Array | None = None,
    relief: float = 0.34,
) -> View:  # fmt: skip
    """Rolling hills of grass (or snow); `bloom` colours fields of flowers on them."""
    seed = dice.seed32()
    ox, oz = np.float32(dice.uniform(0, 60)), np.float32(dice.uniform(0, 60))
    camera = dice.uniform(0.30, 0.38)
    near = camera / (canvas.tall * 1.04 - eye) * 0.9

    def heights(x: Array, z: Array) -> Array:
        wave = scattered(seed, x * np.float32(0.62) + ox, z * np.float32(0.62) + oz, octaves=3, gain=0.3)
        return (wave - np.float32(0.42)) * (np.float32(0.10) + ease(near, 5.0, z) * np.float32(relief * 3.2))

    view = terrain.look(canvas, heights, near=near, far=12.0, eye=eye, camera=camera, slices=420)
    side = 1.0 if light.x > 0 else -1.0
    lit = ease(0.30, 0.95, view.facing(side, elevation=0.50, front=0.15))
    nap = scattered(seed + 7, view.x * 26, view.z * 34, octaves=3) - np.float32(0.5)
    green = mix(mix(palette.leaf, WHITE, 0.78), palette.near, 0.5 * palette.dark) if snow else palette.leaf
    bright = mix(green, palette.light, 0.38 * (1 - 0.6 * palette.dark))
    shade = mix(mix(green, palette.sky[0], 0.4), palette.near, 0.3) if snow else mix(green, palette.near, 0.62)
    rough = np.float32(0.10 if snow else 0.42)
    tone = look_up(ramp((shade, green, bright), 256), clamp(lit + nap * rough))
    if bloom is not None:
        patch = scattered(seed + 11, view.x * np.float32(1.3), view.z * np.float32(1.3), octaves=3)
        speck = scattered(seed + 12, view.x * 40, view.z * 40, octaves=2)
        cover = ease(0.44, 0.58, patch) * ease(0.45, 0.60, speck) * ease(near * 1.6, near * 3.5, view.z)
        tone = (
            tone
            + (mix(mix(bloom, bright, 0.15), palette.near, 0.6 * palette.dark) - tone)
            * (cover * np.float32(0.8))[..., None]
        )
    deep = (view.z - np.float32(near)) / np.float32(7.0)
    veil = clamp(deep / (deep + 1) * np.float32(0.95))
    terrain.lay(canvas, view, tone + (palette.haze - tone) * veil[..., None])
    return view


def grass(canvas: Canvas, colour: Array, tip: Array, dice: Dice, *, foot: float, tall: float, density: float) -> None:
    """A row of grass blades along the lower edge, each bent its own way."""
    count = int(260 * density * canvas.wide)
    for a, b, c, d in dice.array(count, 4).tolist():
        x0 = (a - 0.5) * canvas.wide * 1.04
        high = tall * (0.35 + 0.65 * b)
        bend, width = (c - 0.5) * high * 0.9, 0.0022 + 0.0026 * d
        y0 = foot + 0.01
        middle = (x0 + bend * 0.3, y0 - high * 0.6)
        blade = [(x0 - width, y0), (middle[0] - width * 0.7, middle[1]), (x0 + bend, y0 - high),
                 (middle[0] + width * 0.7, middle[1]), (x0 + width, y0)]  # fmt: skip
        canvas.polygon(blade, blend_of(colour, tip, d * 0.6))


def blend_of(a: Array, b: Array, share: float) -> Array:
    """A straight mix, for thousands of small things whose exact tone nobody sees."""
    result: Array = a + (b - a) * np.float32(share)
    return result
