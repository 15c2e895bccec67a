"""From a theme to a finished picture: chooses the light, hands over to the painter of the genre, adds weather and manner.

Imports attrs, numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import attrs
import numpy as np

from adapters.demo import cosmos, flora, places, shapes, sky, style, weather
from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, look_up, mix, palette_for, ramp, rgb
from adapters.demo.noise import Dice, clamp, ease, profile
from adapters.demo.portrait import expose
from adapters.demo.scene import BEINGS, Scene
from adapters.demo.sky import Light
from adapters.demo.theme import Theme


def paint(canvas: Canvas, theme: Theme, dice: Dice) -> None:
    """Paint the theme on the canvas."""
    scene = _scene(canvas, theme, dice)
    ground = theme.grounds[0]
    solitary = {"space": _space, "bloom": _bloom, "abstract": _abstract, "grid": _grid, "portrait": _portrait}
    # "Galaxy over the desert" is a desert under the galaxy; alone it is the galaxy.
    places_named = [g for g in theme.grounds if g not in solitary]
    if ground in ("grid", "portrait") or not places_named:
        solitary[ground](scene)
    else:
        places.landscape(scene)
    _weather(scene)
    style.apply(canvas, theme, dice.fork("style"))
    bright = scene.palette.dark > 0.5 or theme.has("neon")
    canvas.finish(dice.fork("grain"), bloom=0.5 if bright else 0.3, vignette=0.0 if theme.has("watercolor", "sketch", "pixel") else 0.45,
                  grain=0.0 if theme.has("pixel") else 0.016)  # fmt: skip


def _scene(canvas: Canvas, theme: Theme, dice: Dice) -> Scene:
    overcast = (
        0.65 if theme.has("storm") else 0.60 if theme.has("rain") else 0.42 if theme.has("fog", "gloomy") else 0.0
    )
    # A flower's colour is its own; the garden around it stays green.
    colours = () if theme.grounds[0] == "bloom" else theme.colours
    palette = palette_for(
        theme.hour, dice.fork("palette"), colours=colours, neon=theme.has("neon", "grid"), overcast=overcast
    )
    if theme.has("autumn"):
        palette = attrs.evolve(palette, leaf=mix(palette.leaf, rgb("#b8692a"), 0.7), accent=rgb("#e0662a"))
    place = dice.fork("light")
    moon = theme.hour == "night" or (theme.hour == "dusk" and theme.has("moon"))
    lower = {"lake": 0.63, "sea": 0.55, "desert": 0.52, "meadow": 0.55, "city": 0.74, "forest": 0.62}
    level = canvas.tall * (lower.get(theme.grounds[0], 0.63) + place.uniform(-0.03, 0.03))
    if "city" in theme.grounds:
        level = canvas.tall * place.uniform(0.70, 0.76)
    high = moon or theme.hour == "day"
    radius = place.uniform(0.034, 0.060) if not moon else place.uniform(0.030, 0.060)
    y = level * (place.uniform(0.20, 0.46) if high else place.uniform(0.62, 0.90))
    x = place.uniform(-0.30, 0.30) * canvas.wide
    if theme.has(*BEINGS) and theme.hour != "day":
        # A being stands before the disc.
        radius, y, x = place.uniform(0.15, 0.20), canvas.tall * 0.56, place.uniform(-0.18, 0.18) * canvas.wide
        y = min(y, level - 0.02)
        if {"mountain", "lake"} & set(theme.grounds):
            y = level * 0.56
    elif theme.has("moon") and moon:
        radius *= 1.7
    return Scene(canvas=canvas, theme=theme, palette=palette, dice=dice, level=level,
                 light=Light(x=x, y=y, radius=radius, moon=moon))  # fmt: skip


def _weather(scene: Scene) -> None:
    canvas, theme, palette, dice = scene.canvas, scene.theme, scene.palette, scene.dice
    if theme.grounds[0] in ("space", "abstract", "bloom", "grid"):
        return
    if theme.has("fog"):
        weather.fog(
            canvas, palette, dice.fork("fog"), level=scene.level, strength=0.45 if "forest" in theme.grounds else 0.72
        )
    if theme.has("rain", "storm"):
        weather.rain(canvas, palette, dice.fork("rain"))
    if theme.has("snow") and (theme.hour != "day" or dice.fork("flakes").chance(0.5)):
        weather.snowfall(canvas, palette, dice.fork("snowfall"), amount=0.7)


def _space(scene: Scene) -> None:
    canvas, theme, dice = scene.canvas, scene.theme, scene.dice
    tones = cosmos.nebula(canvas, dice.fork("nebula"), theme.colours)
    cosmos.star_field(canvas, dice.fork("stars"))
    chance = dice.fork("planets")
    if not (theme.has("planet") or chance.chance(0.72)):
        return
    side = chance.pick((-1.0, 1.0))
    radius = chance.uniform(0.12, 0.24)
    cosmos.planet(canvas, chance.fork("first"), tones, x=side * chance.uniform(0.08, 0.24) * canvas.wide,
                  y=canvas.tall * chance.uniform(0.40, 0.66), radius=radius, ring=chance.chance(0.5))  # fmt: skip
    if chance.chance(0.6):
        cosmos.planet(canvas, chance.fork("second"), tones[::1], x=-side * chance.uniform(0.20, 0.36) * canvas.wide,
                      y=canvas.tall * chance.uniform(0.16, 0.34), radius=radius * chance.uniform(0.16, 0.34), ring=False)  # fmt: skip


def _bloom(scene: Scene) -> None:
    canvas, palette, dice, theme = scene.canvas, scene.palette, scene.dice.fork("bloom"), scene.theme
    flora.bokeh(canvas, palette, dice.fork("bokeh"))
    tone = (
        theme.colours[-1]
        if theme.colours
        else rgb(dice.pick(("#e0457b", "#f2784b", "#9d5be0", "#f5b83d", "#f4f0ea", "#4f7fe8", "#e03b3b")))
    )
    tone = mix(tone, palette.near, 0.30 * palette.dark)
    heart = rgb("#f2c230")
    for _ in range(dice.integer(2, 3)):
        x, y = dice.uniform(-0.42, 0.42) * canvas.wide, canvas.tall * dice.uniform(0.25, 0.95)
        flora.bloom(
            canvas,
            dice,
            x=x,
            y=y,
            radius=dice.uniform(0.08, 0.13),
            tone=mix(tone, palette.near, 0.35),
            heart=heart,
            soft=0.022,
        )
    x, y = dice.uniform(-0.10, 0.10) * canvas.wide, canvas.tall * dice.uniform(0.42, 0.50)
    flora.stem(canvas, palette, dice.fork("stem"), x=x, y=y, soft=0.0)
    flora.bloom(canvas, dice.fork("main"), x=x, y=y, radius=dice.uniform(0.30, 0.36), tone=tone, heart=heart)
    canvas.glow(scene.light.x, 0.0, 0.22, palette.light, 0.22)


def _abstract(scene: Scene) -> None:
    dice = scene.dice.fork("abstract")
    tones = shapes.tones_for(dice.fork("tones"), scene.theme.colours)
    dice.pick((shapes.ribbons, shapes.flow, shapes.discs))(scene.canvas, dice.fork("form"), tones)


def _portrait(scene: Scene) -> None:
    others = tuple(g for g in scene.theme.grounds if g not in ("portrait", "abstract", "grid"))
    inner = others or (scene.dice.fork("inner").pick(("mountain", "forest", "sea", "space", "meadow")),)
    motifs = tuple(m for m in scene.theme.motifs if m not in BEINGS)
    theme = attrs.evolve(scene.theme, grounds=inner, motifs=motifs)
    part = attrs.evolve(scene, theme=theme)
    if inner[0] in ("space", "bloom"):
        (_space if inner[0] == "space" else _bloom)(part)
    else:
        places.landscape(part)
    # The scene moves up, so that its best part comes to lie in the head.
    high = scene.canvas.height
    lift = scene.canvas.row(scene.canvas.tall * 0.22)
    rows = lift + np.arange(high) * (high - lift) // high
    expose(scene.canvas, scene.palette, scene.dice.fork("portrait"), scene.canvas.pixels[rows])


def _grid(scene: Scene) -> None:
    """The neon plain of the eighties: a striped sun over a grid that runs to the horizon."""
    canvas, palette, dice = scene.canvas, scene.palette, scene.dice.fork("grid")
    level = canvas.tall * dice.uniform(0.56, 0.62)
    sky.gradient(canvas, palette, level, dice.fork("sky"))
    sky.stars(canvas, dice.fork("stars"), bottom=level * 0.8, amount=0.7, milky_way=False)
    _striped_sun(canvas, palette, level)
    for k in range(2):
        crest = profile(dice.seed32(), canvas.x + np.float32(dice.uniform(0, 50)), frequency=3.0, octaves=4, ridged=0.7)
        line = np.float32(level) - np.maximum(crest - np.float32(0.35), 0) * np.float32(0.34 - 0.12 * k) * ease(
            0.10, 0.42, np.abs(canvas.x)
        )
        rows, mask, depth = canvas.below(line)
        canvas.blend(mix(palette.near, palette.sky[2], 0.30 - 0.15 * k), mask, rows)
        canvas.add(palette.accent if k else rgb("#ff4fd8"), ease(0.006, 0.0, np.abs(depth)) * np.float32(0.85), rows)
    rows = slice(canvas.row(level), canvas.height)
    depth = np.maximum(canvas.y[rows, None] - np.float32(level), np.float32(1e-4))
    floor = ramp((mix(palette.sky[3], palette.near, 0.35), mix(palette.sky[1], palette.near, 0.5), palette.near), 128)
    canvas.pixels[rows] = look_up(
        floor, np.broadcast_to(clamp(depth * np.float32(2.6 / canvas.tall)), (len(depth), canvas.width))
    )
    far = np.float32(0.16) / depth
    # A line is as wide as a pixel at least, so that it fades into the distance and does not break up.
    for run, spread in (
        (far * np.float32(2.6), far / depth * np.float32(2.6 * canvas.pixel)),
        (canvas.x * far * np.float32(5), far * np.float32(5 * canvas.pixel)),
    ):
        off = np.abs(run - np.floor(run + np.float32(0.5)))
        width = np.float32(0.016) + spread * np.float32(0.7)
        near = clamp(1 - off / (width * np.float32(1.6)))
        halo = np.float32(0.010) / (off**2 + np.float32(0.030)) * np.float32(0.55)
        light = near * clamp(np.float32(0.05) / width) + np.minimum(halo, np.float32(0.35)) * clamp(
            np.float32(0.12) / (spread + np.float32(0.02))
        )
        canvas.add(palette.accent, np.broadcast_to(clamp(light), (len(depth), canvas.width)) * np.float32(0.85), rows)
    canvas.glow(0.0, level, 0.10, palette.sky[4], 0.65)


def _striped_sun(canvas: Canvas, palette: Palette, level: float) -> None:
    radius, cy = 0.245 * min(1.0, canvas.tall), level - 0.13
    canvas.glow(0.0, cy, radius * 0.95, palette.sky[3], 0.75)
    rows, columns = canvas.box(-radius, cy - radius, radius, level)
    dy = (canvas.y[rows, None] - np.float32(cy)) * np.float32(1 / radius)
    distance = np.sqrt(canvas.x[columns] ** 2 + (dy * np.float32(radius)) ** 2)
    mask = clamp((np.float32(radius) - distance) * np.float32(canvas.unit) + np.float32(0.5))
    run = dy * np.float32(6.0)
    gap = np.abs(run - np.floor(run) - np.float32(0.5)) < (np.float32(0.10) + clamp(dy) * np.float32(0.26))
    mask = mask * (1 - (gap & (dy > -0.05)).astype(np.float32))
    tone = look_up(
        ramp((rgb("#fff27a"), rgb("#ff9a4d"), rgb("#ff3f8f"), rgb("#b81fae")), 128),
        clamp(dy * np.float32(0.5) + np.float32(0.5)),
    )
    canvas.blend(tone, mask, rows, columns)
