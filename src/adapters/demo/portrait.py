"""A portrait without a face to get wrong: a profile in which a landscape shows, as in a double exposure.

Imports numpy, Pillow and the drawing modules of this package only.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from adapters.demo.canvas import Canvas, as_mask
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.figures import smooth
from adapters.demo.noise import Array, Dice, clamp, ease, scattered

#: The profile, looking right; heads as unit, y downwards from the crown.
_HEAD = (
    (-1.45, 2.25), (-1.22, 1.72), (-0.72, 1.50), (-0.43, 1.32), (-0.35, 1.10), (-0.42, 0.86), (-0.50, 0.56), (-0.45, 0.25),
    (-0.26, 0.06), (0.0, 0.0), (0.22, 0.05), (0.36, 0.19), (0.405, 0.35), (0.395, 0.455), (0.44, 0.54), (0.515, 0.655),
    (0.50, 0.70), (0.43, 0.715), (0.455, 0.765), (0.465, 0.79), (0.435, 0.812), (0.455, 0.85), (0.425, 0.885),
    (0.43, 0.93), (0.40, 0.985), (0.32, 1.015), (0.12, 1.05), (0.07, 1.16), (0.09, 1.32), (0.28, 1.48), (0.62, 1.66),
    (0.82, 2.25),
)  # fmt: skip
_HAIR = {
    "bun": ((-0.62, 0.22), (-0.74, 0.05), (-0.66, -0.14), (-0.46, -0.20), (-0.30, -0.08), (-0.34, 0.14)),
    "long": ((0.30, 0.10), (0.10, -0.05), (-0.28, -0.02), (-0.56, 0.26), (-0.64, 0.72), (-0.72, 1.20), (-0.82, 1.62),
             (-0.60, 1.88), (-0.34, 1.60), (-0.24, 1.10), (-0.10, 0.62), (0.16, 0.30)),
    "curls": ((0.36, 0.14), (0.30, -0.10), (0.08, -0.20), (-0.18, -0.20), (-0.44, -0.08), (-0.62, 0.16), (-0.68, 0.46),
              (-0.62, 0.76), (-0.46, 0.92), (-0.30, 0.70), (-0.10, 0.40)),
    "short": ((0.37, 0.19), (0.30, -0.02), (0.06, -0.08), (-0.28, -0.02), (-0.52, 0.22), (-0.55, 0.56), (-0.42, 0.80),
              (-0.30, 0.60), (-0.10, 0.30)),
}  # fmt: skip


def silhouette(canvas: Canvas, dice: Dice) -> tuple[Array, Array]:
    """The mask of the bust (0..1), and a soft copy of it, for the light around it."""
    head = 0.46 * min(1.0, canvas.tall)
    x0, y0 = dice.uniform(-0.05, 0.05), canvas.tall - head * 2.08
    turn = dice.pick((-1, 1))
    big = 2
    stencil = Image.new("L", (canvas.width * big, canvas.height * big))
    draw = ImageDraw.Draw(stencil)
    for outline in (_HEAD, _HAIR[dice.pick(tuple(_HAIR))]):
        curve = smooth(outline, closed=True, steps=8)
        draw.polygon([((x0 + turn * px * head + canvas.wide / 2) * canvas.unit * big, (y0 + py * head) * canvas.unit * big)
                      for px, py in curve], fill=255)  # fmt: skip
    flat = stencil.reduce(big)
    halo = flat.resize((max(8, canvas.width // 8), max(8, canvas.height // 8)), Image.Resampling.BOX)
    halo = halo.filter(ImageFilter.GaussianBlur(max(halo.size) * 0.05)).resize(flat.size, Image.Resampling.BICUBIC)
    return as_mask(flat), as_mask(halo)


def expose(canvas: Canvas, palette: Palette, dice: Dice, scene: Array) -> None:
    """Put `scene` (pixels of the same size) into a silhouette before a plain, glowing ground."""
    paper = mix(palette.haze, palette.light, 0.45) if palette.dark < 0.5 else mix(palette.sky[1], palette.sky[0], 0.5)
    mask, halo = silhouette(canvas, dice)
    wash = scattered(
        dice.seed32(), *np.broadcast_arrays(canvas.x * np.float32(2.2), canvas.y[:, None] * np.float32(2.2)), octaves=4
    )
    edge = mix(paper, palette.sky[1], 0.45)
    far = ease(0.15, 0.75, np.sqrt(canvas.x**2 + (canvas.y[:, None] - np.float32(canvas.tall * 0.42)) ** 2))
    canvas.pixels[:] = paper
    canvas.blend(edge, clamp(far * np.float32(0.8) + (wash - np.float32(0.5)) * np.float32(0.35)))
    canvas.add(mix(palette.light, rgb("#ffffff"), 0.3), clamp(halo * (1 - mask)) * np.float32(0.45))
    # The exposure fades out towards the bust's foot, and darkens inside its outline so that the profile reads.
    fade = ease(canvas.tall * 1.04, canvas.tall * 0.80, canvas.y)[:, None]
    deep = ease(1.0, 0.55, halo)
    inner = scene + (palette.near - scene) * (deep * np.float32(0.62) + np.float32(0.22))[..., None]
    canvas.blend(inner, mask * (np.float32(0.25) + np.float32(0.75) * fade))
