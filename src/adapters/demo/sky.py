"""What is above the horizon: gradient, sun and moon, stars, clouds, aurora, rainbow, birds.

Imports attrs, numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from adapters.demo.canvas import Canvas, enlarge
from adapters.demo.colour import Palette, look_up, mix, ramp, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, fbm, plane, scattered


@attrs.frozen(kw_only=True)
class Light:
    """Where the sun or the moon stands (units) and how large it is."""

    x: float
    y: float
    radius: float
    moon: bool


def gradient(canvas: Canvas, palette: Palette, horizon: float, dice: Dice) -> None:
    """Fill the canvas with the sky down to `horizon` (units) and its lowest tone below."""
    table = ramp(palette.sky, 512)
    height = canvas.y * np.float32(1 / horizon)
    # A slow wobble keeps wide skies from looking like a printed ramp.
    drift = fbm(dice.seed32(), canvas.x[::8], canvas.y[::8], frequency=1.6, octaves=2, stretch=2.5) - np.float32(0.5)
    level = height[:, None] + enlarge(drift, canvas.width, canvas.height) * np.float32(0.10)
    canvas.pixels[:] = look_up(table, clamp(level))


def shine(canvas: Canvas, palette: Palette, light: Light) -> None:
    """The sun or the moon, with its glow."""
    warm = mix(palette.light, palette.sky[-1], 0.55)
    if light.moon:
        canvas.glow(light.x, light.y, light.radius * 2.4, mix(palette.light, palette.sky[-1], 0.4), 0.42)
        _moon(canvas, palette, light)
        return
    strength = 0.55 if palette.dark < 0.1 else 0.75
    canvas.glow(light.x, light.y, light.radius * 5.0, warm, strength * 0.75)
    canvas.glow(light.x, light.y, light.radius * 1.5, palette.light, strength)
    canvas.disc(light.x, light.y, light.radius, mix(palette.light, rgb("#ffffff"), 0.35), soft=light.radius * 0.08)


def _moon(canvas: Canvas, palette: Palette, light: Light) -> None:
    r = light.radius
    rows, columns = canvas.box(light.x - r, light.y - r, light.x + r, light.y + r)
    dx, dy = canvas.x[columns] - np.float32(light.x), canvas.y[rows] - np.float32(light.y)
    distance = np.sqrt(dx**2 + dy[:, None] ** 2)
    disc = clamp((np.float32(r) - distance) * np.float32(canvas.unit) + np.float32(0.5))
    seas = ease(0.5, 0.75, fbm(77, dx / np.float32(r), dy / np.float32(r), frequency=1.5, octaves=3))
    square = distance * distance * np.float32(1 / r**2)
    limb = clamp(1 - square * square * np.float32(0.22))
    tone = palette.light * (limb * (1 - seas * np.float32(0.2)))[..., None]
    canvas.blend(tone, disc, rows, columns)


def stars(canvas: Canvas, dice: Dice, *, bottom: float, amount: float, milky_way: bool) -> None:
    """Stars down to the height `bottom` (units), fading towards it; `amount` 0..1."""
    count = int(900 * amount * canvas.wide * bottom)
    places = dice.array(count, 4)
    if milky_way:
        _milky_way(canvas, dice.fork("way"), bottom)
    tones = (rgb("#ffffff"), rgb("#cfe0ff"), rgb("#ffe6c4"))
    for i in range(count):
        x, y = (float(places[i, 0]) - 0.5) * canvas.wide, float(places[i, 1]) * bottom
        fame = float(places[i, 2]) ** 9
        fade = min(1.0, max(0.0, (bottom - y) / (0.45 * bottom)))
        star(
            canvas,
            x,
            y,
            radius=0.0011 + 0.0024 * fame,
            colour=tones[i % 3],
            strength=fade * (0.25 + 0.75 * float(places[i, 3])),
        )
        if fame > 0.75:
            canvas.glow(x, y, 0.004, tones[i % 3], 0.5 * fade)


def star(canvas: Canvas, x: float, y: float, *, radius: float, colour: Array, strength: float) -> None:
    """One point of light: its brightness survives small pictures, where it is thinner than a pixel."""
    size = max(radius, canvas.pixel * 0.62)
    share = min(1.0, 0.35 + radius / size)
    column, row = (x + canvas.wide / 2) * canvas.unit - 0.5, y * canvas.unit - 0.5
    reach = max(1, int(size * canvas.unit + 0.99))
    c0, r0 = round(column), round(row)
    rows = slice(max(0, r0 - reach), max(0, min(canvas.height, r0 + reach + 1)))
    columns = slice(max(0, c0 - reach), max(0, min(canvas.width, c0 + reach + 1)))
    dx = (np.arange(columns.start, columns.stop) - column).astype(np.float32)
    dy = (np.arange(rows.start, rows.stop) - row).astype(np.float32)
    square = (dx**2 + dy[:, None] ** 2) * np.float32(1 / (size * canvas.unit) ** 2)
    canvas.add(colour, clamp(np.float32(1.15) - square) * np.float32(strength * share), rows, columns)


def _milky_way(canvas: Canvas, dice: Dice, bottom: float) -> None:
    xs, ys = canvas.x[::2], canvas.y[::2]
    lean, at = dice.uniform(0.5, 1.1) * dice.pick((-1, 1)), dice.uniform(-0.15, 0.15)
    across = xs - np.float32(at) - np.float32(lean) * (ys[:, None] - np.float32(bottom * 0.55))
    seed = dice.seed32()
    cloud = fbm(seed, xs, ys, frequency=4.0, octaves=5, gain=0.6)
    lane = fbm(seed + 50, xs, ys, frequency=6.0, octaves=4, gain=0.6)
    square = (across * np.float32(4.2)) ** 2
    band = 1 / (1 + square * square)
    core = 1 / (1 + ((across + (lane - np.float32(0.5)) * np.float32(0.35)) * np.float32(9)) ** 2)
    light = band * (np.float32(0.12) + ease(0.35, 0.8, cloud) * np.float32(0.55))
    light *= 1 - core * ease(0.45, 0.62, lane) * np.float32(0.75)
    light *= clamp((np.float32(bottom) - ys[:, None]) * np.float32(2.4 / bottom))
    full = enlarge(light, canvas.width, canvas.height)
    canvas.add(mix(rgb("#b9c8ff"), rgb("#ffd9e8"), dice.uniform(0, 1)), clamp(full))
    grains = dice.array(int(1500 * canvas.wide * bottom), 3)
    for a, b, c in grains:
        y = float(b) * bottom
        x = (float(a) - 0.5) * 0.34 + at + lean * (y - bottom * 0.55)
        star(
            canvas,
            x,
            y,
            radius=0.0009,
            colour=rgb("#ffffff"),
            strength=0.55 * float(c) * min(1.0, (bottom - y) / (0.5 * bottom)),
        )


def clouds(canvas: Canvas, palette: Palette, light: Light, dice: Dice, *, horizon: float, cover: float) -> None:
    """A layer of clouds in perspective, lit from where the light stands; `cover` 0..1."""
    step = max(1, canvas.unit // 420)
    xs, ys = canvas.x[::step], canvas.y[: canvas.row(horizon) : step]
    if len(ys) < 2:
        return
    far = np.float32(1) / (np.float32(horizon * 1.06) - ys[:, None])
    depth = far * np.float32(0.62 * horizon)
    seed = dice.seed32()
    px, py = xs * far * np.float32(0.62), depth * np.float32(2.3)
    px, py = px + np.float32(dice.uniform(0, 40)), np.broadcast_to(py, px.shape) + np.float32(dice.uniform(0, 40))
    warp = scattered(seed + 9, px * np.float32(1.3), py * np.float32(1.3), octaves=2) - np.float32(0.5)
    field = scattered(seed, px * np.float32(1.5) + warp, py * np.float32(0.9) + warp, octaves=6, gain=0.52)
    edge = 0.66 - 0.30 * cover
    body = ease(edge, edge + 0.17, field)
    thick = ease(edge + 0.04, edge + 0.34, field)
    # The side that faces the light is where the cloud thins out towards it.
    towards = np.float32(light.x) - xs
    drop = max(1, len(ys) // 60)
    rows, columns = np.arange(len(ys)), np.arange(len(xs))
    above, beside = field[np.minimum(rows + drop, len(ys) - 1)], field[:, np.maximum(columns - drop, 0)]
    lit = (field - above) * np.float32(3.2) + (field - beside) * np.sign(-towards) * np.float32(1.2)
    near_light = 1 / (1 + (towards**2 + (ys[:, None] - np.float32(light.y)) ** 2) * np.float32(5))
    glow = clamp(np.float32(0.62) + lit - thick * np.float32(0.62) + near_light * np.float32(0.38))
    fade = ease(0.0, 0.22, (np.float32(horizon) - ys[:, None]) / np.float32(horizon))
    mask = body * fade * np.float32(0.55 + 0.4 * min(1.0, cover + 0.3))
    if light.moon:
        # Few clouds are as bright as the moon: before it they part.
        away = (towards**2 + (ys[:, None] - np.float32(light.y)) ** 2) * np.float32(1 / (1.5 * light.radius) ** 2)
        mask = mask * (away / (away + 1))
    wide, high = canvas.width, canvas.row(horizon)
    table = ramp((palette.cloud_shade, mix(palette.cloud_shade, palette.cloud, 0.5), palette.cloud,
                  mix(palette.cloud, palette.light, 0.6)))  # fmt: skip
    canvas.blend(look_up(table, enlarge(glow, wide, high)), clamp(enlarge(mask, wide, high)), slice(0, high))


def aurora(canvas: Canvas, dice: Dice, *, horizon: float, colours: tuple[Array, ...]) -> None:
    """Curtains of northern lights."""
    base = colours[0] if colours else rgb(dice.pick(("#4dffa6", "#5af7c8", "#7dffb0")))
    top = colours[-1] if len(colours) > 1 else rgb(dice.pick(("#8a5cff", "#c45cff", "#4d8dff")))
    step = max(1, canvas.unit // 512)
    xs, ys = canvas.x[::step], canvas.y[: canvas.row(horizon) : step]
    light = np.zeros((len(ys), len(xs)), np.float32)
    height = np.zeros_like(light)
    for i in range(3):
        seed = dice.seed32()
        line = plane(seed, xs * np.float32(1.4 + i * 0.7), np.full(1, 0.5, np.float32))[0]
        foot = np.float32(horizon * (0.42 + 0.17 * i)) + (line - np.float32(0.5)) * np.float32(horizon * 0.62)
        fold = xs + (line - np.float32(0.5)) * np.float32(0.5)
        strands = plane(seed + 1, fold * np.float32(26), np.full(1, 0.5, np.float32))[0]
        fine = plane(seed + 2, fold * np.float32(90), np.full(1, 0.5, np.float32))[0]
        broad = plane(seed + 3, xs * np.float32(2.2), np.full(1, 0.5, np.float32))[0]
        tall = np.float32(horizon) * (np.float32(0.22) + np.float32(0.4) * strands)
        above = (foot - ys[:, None]) / tall
        curtain = ease(-0.10, 0.04, above) / (1 + np.maximum(above, 0) * np.float32(2.6)) ** 2
        curtain *= ease(1.9, 0.7, above)
        strength = (np.float32(0.35) + np.float32(0.45) * strands + np.float32(0.35) * fine) * ease(0.2, 0.7, broad)
        part = curtain * strength * np.float32(1.25 - 0.25 * i)
        height = np.where(part > light, clamp(above), height)
        light = np.maximum(light, part)
    wide, high = canvas.width, canvas.row(horizon)
    table = ramp((mix(base, rgb("#ffffff"), 0.15), base, mix(base, top, 0.5), top, top))
    tone = look_up(table, clamp(enlarge(height, wide, high) * np.float32(1.35)))
    part = canvas.pixels[:high]
    part += (1 - np.minimum(part, np.float32(1))) * tone * clamp(enlarge(light, wide, high))[..., None]


def rainbow(canvas: Canvas, dice: Dice, horizon: float) -> None:
    """A faint bow over the landscape."""
    radius, middle = horizon * dice.uniform(0.85, 1.05), dice.uniform(-0.25, 0.25)
    rows = slice(0, canvas.row(horizon))
    distance = np.sqrt((canvas.x - np.float32(middle)) ** 2 + (canvas.y[rows, None] - np.float32(horizon * 1.12)) ** 2)
    place = (distance - np.float32(radius)) * np.float32(1 / 0.075)
    table = ramp(tuple(rgb(c) for c in ("#8a4fd8", "#3f6fe0", "#39b8c8", "#57c95a", "#f3e04a", "#f79a3a", "#e84a4a")))
    mask = ease(0.0, 0.25, place) * ease(1.0, 0.75, place) * np.float32(0.42)
    canvas.blend(look_up(table, clamp(place)), mask, rows)


def birds(canvas: Canvas, palette: Palette, light: Light, dice: Dice, horizon: float) -> None:
    """A small flock, off to the side of the light."""
    side = -1 if light.x > 0 else 1
    cx = light.x + side * dice.uniform(0.12, 0.3) * canvas.wide
    cy = horizon * dice.uniform(0.3, 0.55)
    ink = mix(palette.near, palette.haze, 0.25)
    for _ in range(dice.integer(5, 9)):
        span = dice.uniform(0.010, 0.024)
        x, y = cx + dice.uniform(-0.16, 0.16), cy + dice.uniform(-0.09, 0.09)
        lift, tilt = dice.uniform(0.25, 0.6), dice.uniform(-0.15, 0.15)
        upper, lower = [], []
        for k in range(9):
            t = k / 4 - 1
            arch = lift * math.sqrt(abs(t)) * (1.25 - abs(t)) * 1.4
            upper.append((x + span * t, y - span * (arch + tilt * t)))
            lower.append((x + span * t, y - span * (arch + tilt * t) + span * 0.2 * (1 - abs(t)) + span * 0.02))
        canvas.polygon(upper + lower[::-1], ink)
