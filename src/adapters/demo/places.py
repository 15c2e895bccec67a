"""Landscapes: what stands far away and what lies in front.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo import city, flora, land, sky, staffage, trees, water, weather
from adapters.demo.colour import look_up, mix, ramp, rgb
from adapters.demo.noise import Dice, clamp, ease, profile
from adapters.demo.scene import BEINGS, WHITE, Scene
from adapters.demo.terrain import View


def landscape(scene: Scene) -> None:
    """Sky, backdrop, front, figures, from the farthest to the nearest."""
    theme, dice = scene.theme, scene.dice
    front = next((ground for ground in theme.grounds if ground in _FRONTS), None)
    if front is None:
        front = "lake" if "city" in theme.grounds or dice.fork("front").chance(0.62) else "meadow"
    heaven(scene, scene.level)
    if "mountain" in theme.grounds or (front == "lake" and "city" not in theme.grounds):
        _alps(scene, front)
    if "city" in theme.grounds:
        _skyline(scene)
    if theme.has("balloon"):
        staffage.balloons(scene)
    _FRONTS[front](scene)
    staffage.inhabit(scene, front)


def heaven(scene: Scene, horizon: float) -> None:
    """The sky, with all that the theme hangs in it."""
    canvas, theme, palette, light, dice = scene.canvas, scene.theme, scene.palette, scene.light, scene.dice
    sky.gradient(canvas, palette, horizon, dice.fork("gradient"))
    wet = theme.has("storm", "rain", "fog")
    starry = theme.has("stars") or "space" in theme.grounds
    if (palette.dark > 0.5 or starry) and not wet:
        amount = 1.0 if starry else 0.5 if palette.dark > 0.8 else 0.2
        milky_way = starry and palette.dark > 0.5 and not theme.has("moon", "aurora")
        sky.stars(canvas, dice.fork("stars"), bottom=horizon, amount=amount, milky_way=milky_way)
    if theme.has("aurora"):
        sky.aurora(canvas, dice.fork("aurora"), horizon=horizon, colours=theme.colours)
    elif not wet and not (starry and not theme.has("moon", "sun") and not theme.has(*BEINGS)):
        sky.shine(canvas, palette, light)
    elif theme.has("fog"):
        canvas.disc(
            light.x, light.y, light.radius, mix(palette.light, palette.haze, 0.3), opacity=0.6, soft=light.radius * 0.15
        )
        canvas.glow(light.x, light.y, light.radius * 3, mix(palette.light, palette.haze, 0.4), 0.45)
    chance = dice.fork("clouds")
    cover = 0.95 if theme.has("storm", "rain") else 0.72 if theme.has("cloud") else chance.uniform(0.08, 0.5)
    if not theme.has("clear", "aurora", "fog") and not starry:
        sky.clouds(canvas, palette, light, chance, horizon=horizon, cover=cover)
    if theme.has("storm"):
        weather.lightning(canvas, palette, dice.fork("bolt"), horizon=horizon)
    if theme.has("rainbow"):
        sky.rainbow(canvas, dice.fork("rainbow"), horizon)
    if theme.has("birds") or (palette.dark < 0.5 and not wet and dice.fork("flock").chance(0.35)):
        sky.birds(canvas, palette, light, dice.fork("birds"), horizon)


def _alps(scene: Scene, front: str) -> None:
    theme, dice = scene.theme, scene.dice
    camera, near = 0.08, 2.0
    eye = scene.level - camera / near
    if front in ("meadow", "desert"):
        eye += 0.02
    snow = 0.86 if theme.has("snow") else dice.fork("snow").uniform(0.12, 0.5)
    wood = 0.0 if front == "desert" else 0.55 if theme.has("snow") else 1.0
    height = (2.9 if "mountain" in theme.grounds else 1.7) * scene.level / 0.64
    view = land.alps(scene.canvas, scene.palette, scene.light, dice.fork("ridges"), eye=eye, camera=camera, near=near,
                     height=height, snow=0.0 if front == "desert" else snow, wood=wood)  # fmt: skip
    if front in ("lake", "forest"):
        chance = dice.fork("shore trees")
        frost = mix(scene.palette.haze, WHITE, 0.4) if theme.has("snow") else None
        for x, y, z in view.scatter(scene.canvas, chance, 420, near=near, far=near * 1.5):
            tone = scene.tone(0.90 - (z - near) / near * 0.5)
            trees.conifer(
                scene.canvas,
                x,
                y,
                tall=0.055 * chance.uniform(0.5, 1.2) * near / z,
                colour=tone,
                dice=chance,
                snow=frost,
            )


def _skyline(scene: Scene) -> None:
    canvas, palette, dice = scene.canvas, scene.palette, scene.dice
    neon = scene.theme.has("neon")
    tall = scene.level * dice.fork("tall").uniform(0.68, 0.86)
    city.skyline(
        canvas, palette, scene.light, dice.fork("houses"), foot=scene.level + 0.004, tall=tall, layers=4, neon=neon
    )
    if neon:
        city.signs(canvas, palette, dice.fork("signs"), foot=scene.level, tall=tall)


def _lake(scene: Scene) -> None:
    canvas, palette, dice = scene.canvas, scene.palette, scene.dice
    rough = 0.30 if scene.theme.has("rain", "storm") or "city" in scene.theme.grounds else 0.12
    water.water(canvas, palette, scene.light, dice.fork("water"), level=scene.level, rough=rough)
    if "city" not in scene.theme.grounds:
        _near_shore(scene)


def _near_shore(scene: Scene) -> None:
    canvas, palette, theme = scene.canvas, scene.palette, scene.theme
    chance = scene.dice.fork("shore")
    wave = profile(chance.seed32(), canvas.x + np.float32(chance.uniform(0, 50)), frequency=1.1, octaves=4)
    side = ease(0.05, 0.45, np.abs(canvas.x - np.float32(scene.light.x)))
    line = np.float32(scene.canvas.tall * 1.0) - side * np.float32(0.07) - (wave - np.float32(0.4)) * np.float32(0.10)
    rows, mask, depth = canvas.below(line)
    bank = (
        mix(palette.near, mix(palette.haze, WHITE, 0.5), 0.62 * (1 - 0.6 * palette.dark))
        if theme.has("snow")
        else mix(palette.near, palette.leaf, 0.12)
    )
    canvas.blend(look_up(ramp((bank, mix(bank, palette.near, 0.7)), 64), clamp(depth * np.float32(9))), mask, rows)
    frost = mix(palette.haze, WHITE, 0.45 * (1 - 0.5 * palette.dark)) if theme.has("snow") else None
    if theme.has("cherry", "autumn"):
        side_x = (-0.30 if scene.light.x > 0 else 0.30) * canvas.wide
        _crown(scene, chance.fork("crown"), side_x, canvas.tall * 0.97, 0.66)
        return
    open_view = (scene.light.x - 0.24, scene.light.x + 0.24)
    trees.conifers(
        canvas,
        chance.fork("back"),
        line,
        tall=0.20,
        spacing=0.032,
        colour=scene.tone(0.93),
        snow=frost,
        spare=open_view,
    )
    trees.conifers(canvas, chance.fork("front"), line + np.float32(0.02), tall=0.30, spacing=0.085, colour=palette.near, snow=frost,
                   spare=open_view)  # fmt: skip
    if not theme.has("snow"):
        land.grass(
            canvas,
            palette.near,
            mix(palette.near, palette.leaf, 0.5),
            chance.fork("reeds"),
            foot=canvas.tall,
            tall=0.05,
            density=0.9,
        )


def _crown(scene: Scene, dice: Dice, x: float, foot: float, tall: float) -> None:
    palette, theme = scene.palette, scene.theme
    leaf = palette.leaf
    if theme.has("cherry"):
        leaf = rgb("#f4a6c0")
    elif theme.has("autumn"):
        leaf = mix(rgb("#d9601f"), rgb("#e8a02c"), dice.uniform(0, 1))
    dusk = 0.55 * palette.dark + 0.1
    trees.crown(scene.canvas, dice, x=x, foot=foot, tall=tall, bark=mix(palette.near, rgb("#3a2418"), 0.3),
                dark=mix(mix(leaf, palette.near, 0.62), palette.sky[0], 0.12),
                bright=mix(mix(leaf, palette.light, 0.45), palette.near, dusk * 0.5), light_x=scene.light.x)  # fmt: skip


def _sea(scene: Scene) -> None:
    canvas, palette, dice, theme = scene.canvas, scene.palette, scene.dice, scene.theme
    rough = 0.95 if theme.has("storm") else dice.fork("swell").uniform(0.45, 0.75)
    water.water(canvas, palette, scene.light, dice.fork("water"), level=scene.level, rough=rough)
    beach = theme.has("palm") or (dice.fork("beach").chance(0.45) and not theme.has("storm", "lighthouse"))
    if beach:
        water.surf(canvas, palette, dice.fork("surf"), shore=canvas.tall * 0.90)
    if theme.has("palm"):
        chance = dice.fork("palms")
        side = -1.0 if scene.light.x > 0 else 1.0
        for k in range(chance.integer(2, 3)):
            x = side * canvas.wide * (0.44 - 0.12 * k + chance.uniform(-0.03, 0.03))
            trees.palm(canvas, chance, x=x, foot=canvas.tall * (0.97 + 0.02 * k), tall=chance.uniform(0.46, 0.66), lean=-side,
                       colour=mix(palette.near, palette.leaf, 0.15))  # fmt: skip


def _desert(scene: Scene) -> None:
    canvas, palette, dice = scene.canvas, scene.palette, scene.dice
    view = land.dunes(canvas, palette, scene.light, dice.fork("dunes"), eye=scene.level)
    if scene.theme.has("cactus"):
        chance = dice.fork("cacti")
        for x, y, z in view.scatter(canvas, chance, 14, near=0.8, far=5.0):
            tone = mix(mix(palette.near, palette.leaf, 0.25), palette.haze, min(0.6, z * 0.09))
            trees.cactus(canvas, chance, x=x, foot=y + 0.012 / z, tall=0.26 / z * chance.uniform(0.7, 1.2), colour=tone)
    elif scene.theme.has("palm"):
        chance = dice.fork("palms")
        for x, y, z in view.scatter(canvas, chance, 9, near=1.2, far=3.0):
            trees.palm(
                canvas,
                chance,
                x=x,
                foot=y + 0.01,
                tall=0.55 / z,
                lean=chance.pick((-1.0, 1.0)),
                colour=scene.near(0.85),
            )


def _forest(scene: Scene) -> None:
    canvas, palette, dice, theme = scene.canvas, scene.palette, scene.dice, scene.theme
    frost = mix(palette.haze, WHITE, 0.5 * (1 - 0.6 * palette.dark)) if theme.has("snow") else None
    needle = mix(palette.near, palette.leaf, 0.30 * (1 - palette.dark))
    if theme.has("autumn"):
        needle = mix(palette.near, rgb("#a8501e"), 0.5)
    layers = 6
    gap = scene.light.x
    for i in range(layers):
        near = i / (layers - 1)
        base = canvas.tall * (0.60 + 0.47 * near)
        wave = profile(dice.fork("ground", i).seed32(), canvas.x, frequency=1.5, octaves=3) - np.float32(0.5)
        line = np.float32(base) + wave * np.float32(0.12)
        tone = mix(palette.haze, needle, 0.14 + 0.86 * near**1.15)
        spare = None if near < 0.5 else (gap - 0.10 - 0.14 * near, gap + 0.10 + 0.14 * near)
        trees.conifers(canvas, dice.fork("row", i), line, tall=0.15 + 0.62 * near**1.4, spacing=0.020 + 0.115 * near**1.3, colour=tone,
                       snow=None if frost is None else mix(frost, palette.haze, 0.5 * (1 - near)), spare=spare)  # fmt: skip
        rows, mask, depth = canvas.below(line)
        floor = mix(tone, palette.haze, 0.5 * (1 - near))
        if theme.has("snow"):
            floor = mix(palette.haze, WHITE, 0.35 * (1 - 0.7 * palette.dark))
        sink = clamp(depth * np.float32(4.0))
        canvas.blend(look_up(ramp((floor, mix(floor, palette.haze, 0.45 * (1 - near))), 32), sink), mask, rows)
        if i in (1, 3):
            weather.fog(
                canvas, palette, dice.fork("mist", i), level=base + 0.02, strength=0.60 if theme.has("fog") else 0.42
            )
    if palette.dark < 0.5:
        weather.shafts(canvas, palette, scene.light, dice.fork("shafts"), strength=0.40)
    if theme.has("autumn", "cherry"):
        _crown(scene, dice.fork("crown"), (-0.3 if scene.light.x > 0 else 0.3) * canvas.wide, canvas.tall * 0.99, 0.78)


def _meadow(scene: Scene) -> None:
    canvas, palette, dice, theme = scene.canvas, scene.palette, scene.dice, scene.theme
    snow = theme.has("snow")
    view = land.downs(
        canvas,
        palette,
        scene.light,
        dice.fork("hills"),
        eye=scene.level,
        snow=snow,
        bloom=None if snow else palette.accent,
    )
    chance = dice.fork("trees")
    for x, y, z in view.scatter(canvas, chance, 46, near=2.6, far=9.0):
        tone = scene.tone(0.85 - z * 0.06)
        trees.conifer(
            canvas,
            x,
            y + 0.01 / z,
            tall=0.26 / z * chance.uniform(0.6, 1.2),
            colour=tone,
            dice=chance,
            snow=mix(palette.haze, WHITE, 0.5) if snow else None,
        )
    if theme.has("oak", "cherry", "autumn") or (
        not (snow or theme.has(*BEINGS, "cabin", "castle", "balloon")) and dice.fork("oak").chance(0.4)
    ):
        side = -0.22 if scene.light.x > 0 else 0.22
        spots = view.scatter(canvas, dice.fork("spot"), 60, near=1.3, far=2.4)
        x, y, z = min(spots, key=lambda spot: abs(spot[0] - side * canvas.wide), default=(side, canvas.tall * 0.8, 1.6))
        _crown(scene, dice.fork("crown"), x, y + 0.02, 0.86 / z)
    if not snow:
        _flowers(scene, view)


def _flowers(scene: Scene, view: View) -> None:
    canvas, palette, dice = scene.canvas, scene.palette, scene.dice.fork("flowers")
    dim = mix(palette.near, WHITE, 0.0)
    green = mix(palette.leaf, palette.near, 0.45)
    kinds = (palette.accent, palette.accent, mix(palette.accent, WHITE, 0.65), mix(palette.accent, palette.light, 0.5))
    heart = mix(rgb("#f2c230"), palette.near, 0.2)
    near = float(view.z[0, 0])
    for x, y, z in view.scatter(canvas, dice, int(620 * canvas.wide), near=near * 1.05, far=near * 6):
        tone = land.blend_of(dice.pick(kinds), palette.near, 0.12 + 0.62 * palette.dark)
        size = 0.0058 / z * dice.uniform(0.6, 1.25)
        flora.small_flower(canvas, x, y - size * 2, size=size, tone=tone, heart=heart, green=green)
    land.grass(
        canvas,
        mix(dim, palette.leaf, 0.25),
        mix(palette.leaf, palette.light, 0.2),
        dice,
        foot=canvas.tall,
        tall=0.10,
        density=0.9,
    )


_FRONTS = {"lake": _lake, "sea": _sea, "desert": _desert, "forest": _forest, "meadow": _meadow}
