"""Deep space: nebulae, star fields, planets.

Imports numpy and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np

from adapters.demo import sky
from adapters.demo.canvas import Canvas, enlarge
from adapters.demo.colour import look_up, mix, ramp, rgb
from adapters.demo.noise import Array, Dice, clamp, ease, scattered

#: Void, dust, gas, glow, core of a nebula.
_NEBULAE = (
    "#05060f #1a1440 #5b2a86 #d94f8a #ffd9a0", "#030812 #0b2147 #145c8a #3fc1c9 #f5f0c8",
    "#07050d #2a1030 #7a1f4b #e0643f #ffe0a0", "#04060c #10203a #2f4a8a #9a6fd0 #ffd6ec",
    "#020a0c #0a2c33 #1f7a6b #a3d977 #fff3b8",
)  # fmt: skip


def nebula(canvas: Canvas, dice: Dice, colours: tuple[Array, ...]) -> tuple[Array, ...]:
    """Fill the canvas with clouds of glowing gas; returns their colours, dark to light."""
    tones = tuple(rgb(code) for code in dice.pick(_NEBULAE).split())
    if colours:
        main, last = colours[0], colours[-1]
        tones = (mix(rgb("#04050c"), main, 0.06), mix(rgb("#0a0a1c"), main, 0.30), mix(main, rgb("#0a0a1c"), 0.25),
                 mix(main, last, 0.75), mix(last, rgb("#fff6e0"), 0.6))  # fmt: skip
    step = max(1, canvas.unit // 512)
    shape = (len(canvas.y[::step]), len(canvas.x[::step]))
    x = np.broadcast_to(canvas.x[::step], shape) * np.float32(1.7) + np.float32(dice.uniform(5, 40))
    y = np.broadcast_to(canvas.y[::step, None], shape) * np.float32(1.7) + np.float32(dice.uniform(5, 40))
    seed = dice.seed32()
    # Gas drawn into filaments: noise that is looked up where other noise has carried it.
    qx = scattered(seed, x, y, octaves=4) - np.float32(0.5)
    qy = scattered(seed + 20, x + 5, y + 3, octaves=4) - np.float32(0.5)
    rx = scattered(seed + 40, x + qx * 3, y + qy * 3, octaves=5, gain=0.55)
    gas = scattered(seed + 60, x + qy * 2 + rx, y + qx * 2 - rx, octaves=6, gain=0.55)
    lean = dice.uniform(-0.9, 0.9)
    across = canvas.x[::step] * np.float32(1) + np.float32(lean) * (
        canvas.y[::step, None] - np.float32(canvas.tall / 2)
    )
    band = 1 / (1 + ((across + qx * np.float32(0.7)) * np.float32(2.2)) ** 2)
    level = ease(0.30, 0.92, gas * np.float32(0.62) + rx * np.float32(0.22) + band * np.float32(0.24))
    dust = ease(
        0.50,
        0.70,
        scattered(seed + 80, x * np.float32(1.6) + qx * 2, y * np.float32(1.6) + qy * 2, octaves=5, gain=0.6),
    )
    level = level * (1 - dust * np.float32(0.62))
    table = ramp(tones, 512, (0.0, 0.22, 0.5, 0.78, 1.0))
    canvas.pixels[:] = look_up(table, clamp(enlarge(level, canvas.width, canvas.height)))
    return tones


def star_field(canvas: Canvas, dice: Dice) -> None:
    """Stars all over, a few of them bright, with the cross that a telescope gives them."""
    tones = (rgb("#ffffff"), rgb("#cfe0ff"), rgb("#ffe6c4"), rgb("#ffd0d8"))
    area = canvas.wide * canvas.tall
    for i, (a, b, c, d) in enumerate(dice.array(int(1100 * area), 4).tolist()):
        x, y, fame = (a - 0.5) * canvas.wide, b * canvas.tall, c**8
        sky.star(canvas, x, y, radius=0.0010 + 0.0024 * fame, colour=tones[i % 4], strength=0.2 + 0.8 * d)
    for a, b, c, d in dice.array(int(9 * area), 4).tolist():
        x, y, size = (a - 0.5) * canvas.wide, b * canvas.tall, 0.006 + 0.010 * c * c
        tone = tones[int(d * 4)]
        canvas.glow(x, y, size * 0.55, tone, 0.85)
        for along, thick in ((size * 3.2, 0.0011), (0.0011, size * 3.2)):
            canvas.polygon([(x - along, y), (x, y - thick), (x + along, y), (x, y + thick)], tone, 0.5)


def planet(
    canvas: Canvas, dice: Dice, tones: tuple[Array, ...], *, x: float, y: float, radius: float, ring: bool
) -> None:
    """A planet lit from one side: bands or continents, an atmosphere, perhaps a ring."""
    tilt = dice.uniform(0.16, 0.30)
    lean = dice.uniform(-0.5, 0.5)
    if ring:
        _ring(canvas, dice.fork("ring"), tones, x=x, y=y, radius=radius, tilt=tilt, lean=lean, front=False)
    air = mix(tones[3], tones[4], 0.4)
    canvas.glow(x, y, radius * 0.62, air, 0.30)
    rows, columns = canvas.box(x - radius, y - radius, x + radius, y + radius)
    dx = (canvas.x[columns] - np.float32(x)) * np.float32(1 / radius)
    dy = (canvas.y[rows, None] - np.float32(y)) * np.float32(1 / radius)
    square = dx**2 + dy**2
    if square.size == 0:
        return
    up = np.sqrt(np.maximum(np.float32(1) - square, np.float32(0)))
    disc = clamp((1 - np.sqrt(square)) * np.float32(radius * canvas.unit) + np.float32(0.5))
    # Towards the limb the surface turns away, and what is on it is drawn together.
    turn = np.float32(0.55) + np.float32(0.45) * up
    px, py = dx / turn + dy * np.float32(lean), dy / turn - dx * np.float32(lean)
    seed = dice.seed32()
    if dice.chance(0.6):
        swirl = scattered(seed, px * np.float32(1.6) + 9, py * np.float32(7) + 9, octaves=4) - np.float32(0.5)
        ground = scattered(
            seed + 9, px * np.float32(0.4) + 9 + swirl, py * np.float32(5.5) + 9 + swirl * np.float32(1.6), octaves=3
        )
    else:
        swirl = scattered(seed, px * 2 + 9, py * 2 + 9, octaves=4) - np.float32(0.5)
        ground = scattered(seed + 9, px * np.float32(1.8) + 9 + swirl, py * np.float32(1.8) + 9 + swirl, octaves=6)
    table = ramp((mix(tones[1], tones[2], 0.6), mix(tones[2], tones[3], 0.5), mix(tones[3], tones[4], 0.45),
                  mix(tones[2], tones[4], 0.6), tones[4]), 256)  # fmt: skip
    tone = look_up(table, ease(0.25, 0.78, ground))
    sun_x, sun_y = np.float32(dice.pick((-0.72, 0.72))), np.float32(dice.uniform(-0.5, -0.1))
    day = ease(-0.12, 0.85, dx * sun_x + dy * sun_y + up * np.float32(0.42))
    tone = tone * (np.float32(0.03) + day)[..., None]
    turned = 1 - up
    rim = turned * turned * turned * day
    tone = tone + (air - tone) * clamp(rim * np.float32(1.1))[..., None]
    canvas.blend(tone, disc, rows, columns)
    if ring:
        _ring(canvas, dice.fork("ring"), tones, x=x, y=y, radius=radius, tilt=tilt, lean=lean, front=True)


def _ring(
    canvas: Canvas, dice: Dice, tones: tuple[Array, ...], *, x: float, y: float, radius: float, tilt: float, lean: float, front: bool,
) -> None:  # fmt: skip
    reach = radius * 2.4
    rows, columns = canvas.box(x - reach, y - reach, x + reach, y + reach)
    dx, dy = canvas.x[columns] - np.float32(x), canvas.y[rows, None] - np.float32(y)
    turn = np.float32((1 + lean * lean * 0.16) ** -0.5)
    along, across = (dx - dy * np.float32(lean * 0.4)) * turn, (dy + dx * np.float32(lean * 0.4)) * turn
    distance = np.sqrt(along**2 + (across * np.float32(1 / tilt)) ** 2) * np.float32(1 / radius)
    seed = dice.seed32()
    grooves = scattered(seed, distance * 14, np.zeros_like(distance) + np.float32(0.5), octaves=3)
    mask = ease(1.32, 1.38, distance) * ease(2.32, 2.22, distance) * (np.float32(0.25) + grooves * np.float32(0.75))
    mask *= 1 - ease(0.03, 0.0, np.abs(distance - np.float32(1.86))) * np.float32(0.85)
    mask *= (across > 0) if front else (across <= 0)
    canvas.blend(mix(tones[4], tones[3], 0.35), clamp(mask * np.float32(0.9)), rows, columns)
