"""Landscapes with depth: a field of heights, looked at in perspective, lit from the side.

Imports attrs, numpy and the drawing modules of this package only.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from adapters.demo.canvas import Canvas
from adapters.demo.noise import Array, Dice, clamp, scattered

#: Points per pixel, across and down: the outlines of a terrain are smoothed by drawing it finer and averaging.
_FINE = 2


@attrs.frozen(kw_only=True, eq=False)
class View:
    """The slices of a terrain, nearest first: for every point its world x, z, height, slopes, and row on the canvas."""

    x: Array
    z: Array
    height: Array
    slope_x: Array
    slope_z: Array
    #: Where each point appears (units from the top), and the highest that anything up to this slice reaches.
    line: Array
    seen: Array

    def facing(self, side: float, *, elevation: float, front: float) -> Array:
        """How much light each point gets, 0..1: from the left (`side` -1) or right (1), from above and from the front."""
        norm = np.sqrt(1 + self.slope_x**2 + self.slope_z**2)
        long = np.float32((0.64 + elevation**2 + front**2) ** 0.5)
        dot = -self.slope_x * np.float32(side * 0.8) + np.float32(elevation) + self.slope_z * np.float32(front)
        return clamp(dot / (norm * long))

    def flatness(self) -> Array:
        """1 on level ground, towards 0 on a wall."""
        result: Array = 1 / np.sqrt(1 + self.slope_x**2 + self.slope_z**2)
        return result

    def scatter(
        self, canvas: Canvas, dice: Dice, count: int, *, near: float, far: float
    ) -> list[tuple[float, float, float]]:
        """Up to `count` spots on ground that is not hidden, as (x, y on the canvas, distance), the farthest first.

        Evenly spread over the ground as seen, from distance `near` to `far`.
        """
        depths = self.z[:, 0]
        spots = []
        for a, b in dice.array(count, 2).tolist():
            z = 1 / (1 / near + (1 / far - 1 / near) * b)
            k = min(len(depths) - 1, int(np.searchsorted(depths, z)))
            column = int(a * (self.line.shape[1] - 1))
            if k == 0 or float(self.line[k, column]) < float(self.seen[k - 1, column]) + 0.5 * canvas.pixel:
                spots.append(((a - 0.5) * canvas.wide, float(self.line[k, column]), z))
        return sorted(spots, key=lambda spot: -spot[2])

    def skyline(self) -> Array:
        """The upper edge of the terrain, one height per column of the canvas (units)."""
        line: Array = self.seen[-1].reshape(-1, _FINE).min(axis=1)
        return line


def look(
    canvas: Canvas, heights: Callable[[Array, Array], Array], *, near: float, far: float, eye: float, camera: float,
    slices: int = 400,
) -> View:  # fmt: skip
    """Look at the field `heights(x, z)` from the height `camera`, with the horizon at `eye` (units from the top).

    World units are such that one canvas unit spans one world unit at distance 1.
    """
    count = max(120, min(760, round(slices * canvas.tall * (canvas.unit / 512) ** 0.5)))
    depths = near * (far / near) ** np.linspace(0.0, 1.0, count)
    columns = canvas.width * _FINE
    across = ((np.arange(columns) + 0.5 - columns / 2) / (canvas.unit * _FINE)).astype(np.float32)
    deep = depths.astype(np.float32)[:, None]
    x = across * deep
    z = np.broadcast_to(deep, x.shape)
    height = heights(x, z)
    step = np.gradient(depths).astype(np.float32)[:, None]
    slope_x = np.gradient(height, axis=1) * np.float32(canvas.unit * _FINE) / deep
    # Slices are fans, not parallels: what the x slope adds from one slice to the next is taken out again.
    slope_z = np.gradient(height, axis=0) / step - slope_x * across
    line = np.float32(eye) + (np.float32(camera) - height) / deep
    return View(x=x, z=z, height=height, slope_x=slope_x, slope_z=slope_z, line=line,
                seen=np.minimum.accumulate(line, axis=0))  # fmt: skip


def lay(canvas: Canvas, view: View, colours: Array) -> None:
    """Paint the terrain, each point in its colour, over what is on the canvas."""
    slices, columns = view.height.shape
    top = canvas.row(float(view.seen[-1].min()) - 2 * canvas.pixel)
    # Bands of rows keep the working memory of a 2048 px picture small.
    band = max(8, 400_000 // max(1, columns))
    flat = colours.reshape(-1, 3)
    column = np.arange(columns, dtype=np.int32)
    for start in range(top, canvas.height, band):
        high = min(band, canvas.height - start)
        rows = high * _FINE
        # Which slice does a point show? As many as lie below it: a histogram and a running sum, no loop over slices.
        first = np.ceil((view.seen * np.float32(canvas.unit) - np.float32(start)) * np.float32(_FINE) - np.float32(0.5))
        cell = np.clip(first, 0, rows).astype(np.int32) * np.int32(columns) + column
        counts = np.bincount(cell.ravel(), minlength=(rows + 1) * columns).reshape(rows + 1, columns)[:rows]
        index = slices - np.cumsum(counts, axis=0, dtype=np.int32)
        ground = (index < slices).astype(np.float32)
        tone = np.take(flat, np.minimum(index, slices - 1) * np.int32(columns) + column, axis=0)
        tone *= ground[..., None]
        part = canvas.pixels[start : start + high]
        part *= 1 - _average(ground[..., None], canvas.width)
        part += _average(tone, canvas.width)


def _average(values: Array, width: int) -> Array:
    total = values.reshape(-1, _FINE, width, _FINE, values.shape[-1])
    # Plain additions in a fixed order: numpy's own sums group their terms by what the processor can do.
    result: Array = (total[:, 0, :, 0] + total[:, 0, :, 1] + total[:, 1, :, 0] + total[:, 1, :, 1]) * np.float32(0.25)
    return result


def ridged(seed: int, x: Array, z: Array, *, octaves: int, gain: float, blunt: Array) -> Array:
    """Mountains: noise folded into crests, finer ones only where the coarser are high (Musgrave's multifractal).

    `blunt` is the distance between samples, in noise units: crests finer than that are rounded away, since between two
    slices they would come and go and leave teeth on the outline.
    """
    total = np.zeros(x.shape, np.float32)
    weight: Array = np.ones(x.shape, np.float32)
    amplitude, norm = 1.0, 0.0
    for octave in range(octaves):
        value = scattered(seed + octave, x, z, octaves=1)
        fold = value * np.float32(2) - np.float32(1)
        crest = np.maximum(np.float32(1) - np.sqrt(fold * fold + blunt * blunt), np.float32(0))
        blunt = blunt * np.float32(2.09)
        crest = crest * crest * weight
        weight = clamp(crest * np.float32(1.9))
        total += crest * np.float32(amplitude)
        norm, amplitude = norm + amplitude, amplitude * gain
        # Each octave is turned a little, so that no grid shows through.
        x, z = x * np.float32(1.76) - z * np.float32(1.12), x * np.float32(1.12) + z * np.float32(1.76)
    return total * np.float32(1 / norm)
