"""Seeded chance and smooth noise: the same numbers for the same key on every machine.

Imports the standard library and numpy only.

Only the raw bits of PCG64 are used, because numpy keeps those stable between releases and promises nothing for
`Generator.normal` and friends; and noise uses +, -, *, / and sqrt only, which IEEE 754 rounds alike everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Item = TypeVar("Item")

_MIX_X, _MIX_Y, _MIX_A, _MIX_B = 0x9E3779B1, 0x85EBCA77, 0x7FEB352D, 0x846CA68B


class Dice:
    """A stream of chance for one key. `fork` gives an independent stream, so that one layer never disturbs another."""

    def __init__(self, *key: str | int) -> None:
        self._key = key
        # surrogatepass: a prompt may hold a lone surrogate, and is a picture all the same.
        text = "\x1f".join(str(part) for part in key).encode("utf-8", "surrogatepass")
        self._bits = np.random.PCG64(int.from_bytes(hashlib.sha256(text).digest()[:16], "little"))

    def fork(self, *key: str | int) -> Dice:
        """A stream of its own for `key` under this one; does not advance this stream."""
        return Dice(*self._key, *key)

    def array(self, *shape: int) -> Array:
        """Uniform float32 values in [0, 1), each with 24 random bits."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        values: Array = ((raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
        return values

    def bytes(self, *shape: int) -> NDArray[np.uint8]:
        """Uniform bytes, eight times cheaper than `array`: for grain over a whole picture."""
        size = int(np.prod(shape))
        raw = self._bits.random_raw((size + 7) // 8).astype("<u8")
        return raw.view(np.uint8)[:size].reshape(shape)

    def uniform(self, low: float, high: float) -> float:
        """One value in [low, high)."""
        return low + (high - low) * float(self.array(1)[0])

    def integer(self, low: int, high: int) -> int:
        """One whole number from low to high, both included."""
        return min(high, low + int(self.uniform(0.0, 1.0) * (high - low + 1)))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform(0.0, 1.0) < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each as likely as the others."""
        return items[self.integer(0, len(items) - 1)]

    def seed32(self) -> int:
        """A whole number of 32 bits, to seed a noise field with."""
        return int(self._bits.random_raw()) >> 32


def clamp(values: Array) -> Array:
    """The values, held within 0..1."""
    return np.clip(values, np.float32(0), np.float32(1))


def ease(low: float, high: float, values: Array) -> Array:
    """Smoothstep: 0 at and below `low`, 1 at and above `high`, no corner between (low may exceed high)."""
    t = clamp((values - np.float32(low)) * np.float32(1.0 / (high - low)))
    result: Array = t * t * (np.float32(3) - np.float32(2) * t)
    return result


def _lattice(seed: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> Array:
    """Random values at whole coordinates of an endless plane: a hash, so no table has to be large enough."""
    # 64-bit lanes masked to 32 bits: numpy integers wrap silently only as long as they are arrays.
    mask = np.uint64(0xFFFFFFFF)
    h = (i.astype(np.uint64) & mask) * np.uint64(_MIX_X) ^ (j.astype(np.uint64) & mask) * np.uint64(_MIX_Y)
    h = (h ^ np.uint64(seed)) & mask
    for mix in (_MIX_A, _MIX_B):
        h = ((h ^ (h >> np.uint64(16))) * np.uint64(mix)) & mask
    h ^= h >> np.uint64(15)
    values: Array = (h >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return values


def _spline(t: Array) -> tuple[Array, Array, Array, Array]:
    """The four weights of the uniform cubic B-spline: smoother than Perlin's fade, and free of its grid."""
    s = np.float32(1) - t
    sixth = np.float32(1 / 6)
    a, d = s * s * s * sixth, t * t * t * sixth
    b = (np.float32(3) * t * t * t - np.float32(6) * t * t + np.float32(4)) * sixth
    return a, b, np.float32(1) - a - b - d, d


def plane(seed: int, xs: Array, ys: Array) -> Array:
    """Smooth noise in 0..1 on the grid of xs (columns) and ys (rows), one feature per unit; separable, thus cheap."""
    ix, iy = np.floor(xs), np.floor(ys)
    x0, y0 = int(ix.min()) - 1, int(iy.min()) - 1
    columns = np.arange(x0, int(ix.max()) + 3, dtype=np.int64)
    rows = np.arange(y0, int(iy.max()) + 3, dtype=np.int64)
    table = _lattice(seed, columns[None, :], rows[:, None])
    at_y, at_x = iy.astype(np.int64) - y0 - 1, ix.astype(np.int64) - x0 - 1
    along = np.zeros((len(ys), len(columns)), np.float32)
    for k, weight in enumerate(_spline((ys - iy).astype(np.float32))):
        along += table[at_y + k] * weight[:, None]
    result = np.zeros((len(ys), len(xs)), np.float32)
    for k, weight in enumerate(_spline((xs - ix).astype(np.float32))):
        result += np.take(along, at_x + k, axis=1) * weight
    # A spline of uniform values huddles around 0.5; this spreads it over 0..1 again.
    return clamp((result - np.float32(0.5)) * np.float32(1.7) + np.float32(0.5))


def fbm(
    seed: int, xs: Array, ys: Array, *, frequency: float, octaves: int, gain: float = 0.5, stretch: float = 1.0
) -> Array:
    """Fractal noise in 0..1 on a grid; `stretch` above 1 draws the features out along x."""
    total = np.zeros((len(ys), len(xs)), np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        f = np.float32(frequency * 2.03**octave)
        shift = np.float32(17.3 * octave)
        total += np.float32(weight) * plane(seed + octave, xs * (f / np.float32(stretch)) + shift, ys * f + shift)
        norm, weight = norm + weight, weight * gain
    result: Array = total * np.float32(1 / norm)
    return result


_TABLE = 64


def scattered(seed: int, x: Array, y: Array, *, octaves: int, gain: float = 0.5) -> Array:
    """Fractal noise in 0..1 at any points (same shape x and y), for warped and perspective coordinates."""
    cells = np.arange(_TABLE, dtype=np.int64)
    total = np.zeros(x.shape, np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        table = _lattice(seed + octave, cells[None, :], cells[:, None]).ravel()
        f, shift = np.float32(2.03**octave), np.float32(7.7 * octave)
        px, py = x * f + shift, y * f + shift
        fx, fy = np.floor(px), np.floor(py)
        ix, iy = fx.astype(np.int32) & (_TABLE - 1), fy.astype(np.int32) & (_TABLE - 1)
        tx, ty = px - fx, py - fy
        tx, ty = tx * tx * (np.float32(3) - np.float32(2) * tx), ty * ty * (np.float32(3) - np.float32(2) * ty)
        jx = (ix + 1) & (_TABLE - 1)
        r0, r1 = iy * _TABLE, ((iy + 1) & (_TABLE - 1)) * _TABLE
        a, b = table[r0 + ix], table[r1 + ix]
        a = a + (table[r0 + jx] - a) * tx
        b = b + (table[r1 + jx] - b) * tx
        total += np.float32(weight) * (a + (b - a) * ty)
        norm, weight = norm + weight, weight * gain
    result: Array = total * np.float32(1 / norm)
    return result


def profile(seed: int, xs: Array, *, frequency: float, octaves: int, gain: float = 0.5, ridged: float = 0.0) -> Array:
    """Fractal noise in 0..1 along a line; `ridged` above 0 gives it the sharp crests of mountains."""
    total = np.zeros(len(xs), np.float32)
    weight, norm = 1.0, 0.0
    for octave in range(octaves):
        f = np.float32(frequency * 2.07**octave)
        row = plane(seed + octave, xs * f + np.float32(31.7 * octave), np.full(1, 0.5, np.float32))[0]
        crest = np.float32(1) - np.abs(np.float32(2) * row - np.float32(1))
        total += np.float32(weight) * (row + (crest - row) * np.float32(ridged))
        norm, weight = norm + weight, weight * gain
    result: Array = total * np.float32(1 / norm)
    return result
