"""Colours: mixing that looks right (OKLab), and the palettes of the hours of the day.

Imports attrs, numpy and the noise of this package only.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from adapters.demo.noise import Array, Dice

_TO_LMS = ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566))
_TO_LMS_S = (0.0883024619, 0.2817188376, 0.6299787005)

#: Colour words and the colour each stands for.
COLOUR_WORDS = {
    "red": "#d7263d", "crimson": "#b3123a", "scarlet": "#e0301e", "ruby": "#b0123f", "orange": "#f2812a",
    "amber": "#f5a623", "gold": "#e9b23c", "golden": "#eebb4d", "yellow": "#f5d547", "lime": "#a6d63a",
    "green": "#3f9b52", "emerald": "#179a6b", "olive": "#8a8d3b", "mint": "#8fdcc0", "teal": "#1b9aa0",
    "turquoise": "#35c6c0", "cyan": "#3fc8e4", "azure": "#3a93e8", "blue": "#2f6fd6", "navy": "#1c2f6e",
    "indigo": "#473aa8", "violet": "#7e4fd0", "purple": "#8a3fb5", "lavender": "#b9a4ea", "lilac": "#c8a2dc",
    "magenta": "#d634a4", "pink": "#f08bb4", "rose": "#e8708e", "coral": "#f47c64", "peach": "#f9b48f",
    "salmon": "#f39080", "brown": "#8a5a3a", "copper": "#b8703e", "bronze": "#a5793c", "beige": "#dcc8a4",
    "cream": "#f3e6c8", "maroon": "#7a1f32", "silver": "#b9c0ca",
}  # fmt: skip


def rgb(code: str) -> Array:
    """The colour of '#rrggbb'."""
    channels: Array = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) * np.float32(1 / 255)
    return channels


def _weigh(parts: NDArray[np.float64], weights: tuple[float, float, float]) -> NDArray[np.float64]:
    # Not `@`: BLAS libraries round differently from one machine to the next.
    mixed: NDArray[np.float64] = parts[..., 0] * weights[0] + parts[..., 1] * weights[1] + parts[..., 2] * weights[2]
    return mixed


def to_oklab(colour: Array) -> NDArray[np.float64]:
    """sRGB in 0..1 as OKLab, in which a straight line between two colours has no muddy middle."""
    c = np.clip(colour.astype(np.float64), 0, 1)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(np.stack([_weigh(linear, w) for w in (*_TO_LMS, _TO_LMS_S)], axis=-1))
    rows = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    return np.stack([_weigh(lms, w) for w in rows], axis=-1)


def from_oklab(lab: NDArray[np.float64]) -> Array:
    """OKLab as sRGB in 0..1; what lies outside is cut off."""
    rows = (
        (1.0, 0.3963377774, 0.2158037573),
        (1.0, -0.1055613458, -0.0638541728),
        (1.0, -0.0894841775, -1.2914855480),
    )
    lms = np.stack([_weigh(lab, w) for w in rows], axis=-1) ** 3
    back = (
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    )
    linear = np.clip(np.stack([_weigh(lms, w) for w in back], axis=-1), 0, 1)
    coded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(coded, 0, 1).astype(np.float32)


def mix(a: Array, b: Array, share: float) -> Array:
    """The colour `share` of the way from a to b."""
    return from_oklab(to_oklab(a) * (1 - share) + to_oklab(b) * share)


def ramp(stops: tuple[Array, ...], size: int = 256, bias: tuple[float, ...] | None = None) -> Array:
    """A table of `size` colours that runs through the stops, evenly or at the places in `bias` (0..1, rising)."""
    lab = np.stack([to_oklab(stop) for stop in stops])
    places = np.linspace(0, 1, len(stops)) if bias is None else np.array(bias)
    at = np.linspace(0, 1, size)
    return from_oklab(np.stack([np.interp(at, places, lab[:, k]) for k in range(3)], axis=-1))


def look_up(table: Array, values: Array) -> Array:
    """For each value in 0..1 its colour in a table of `ramp`."""
    index = np.clip(values * np.float32(len(table) - 1) + np.float32(0.5), 0, len(table) - 1).astype(np.int32)
    colours: Array = np.take(table, index, axis=0)
    return colours


def tint(colour: Array, towards: Array, amount: float) -> Array:
    """The colour with its lightness, but `amount` of the hue of another: what a colour word does to a scene."""
    lab, hue = to_oklab(colour), to_oklab(towards)
    # Very dark and very light colours cannot hold much chroma.
    room = 0.35 + 0.65 * (1 - abs(2 * float(lab[0]) - 1.1))
    goal = np.array([lab[0] * 0.86 + hue[0] * 0.14, hue[1] * room, hue[2] * room])
    return from_oklab(lab * (1 - amount) + goal * amount)


def saturate(pixels: Array, factor: float) -> Array:
    """Stronger (above 1) or weaker colours; 0 is black and white."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    grey = pixels[..., 0] * weights[0] + pixels[..., 1] * weights[1] + pixels[..., 2] * weights[2]
    result: Array = grey[..., None] + (pixels - grey[..., None]) * np.float32(factor)
    return result


_Row = tuple[str, str, str, str, str, float]


@attrs.frozen(kw_only=True, eq=False)
class Palette:
    """The colours of one light: every layer of a scene takes its own from here, so that they belong together."""

    #: From the zenith to the horizon.
    sky: tuple[Array, ...]
    #: What far things fade into.
    haze: Array
    #: The nearest silhouettes.
    near: Array
    #: The sun or the moon.
    light: Array
    #: Clouds where the light meets them, and where it does not.
    cloud: Array
    cloud_shade: Array
    #: Grass and leaves in this light.
    leaf: Array
    #: Sand and bare rock in this light.
    sand: Array
    #: Flowers, signs, sails: the one colour that stands out.
    accent: Array
    #: How dark it is, 0..1: decides lit windows and stars.
    dark: float

    def toned(self, colours: tuple[Array, ...], amount: float) -> Palette:
        """This palette under the colour words of a prompt: the first rules, the last is the accent."""
        if not colours:
            return self
        main, second = colours[0], colours[min(1, len(colours) - 1)]
        count = len(self.sky)
        return attrs.evolve(
            self,
            sky=tuple(
                tint(tone, mix(main, second, i / (count - 1)) if len(colours) > 1 else main, amount)
                for i, tone in enumerate(self.sky)
            ),
            haze=tint(self.haze, second, amount),
            near=tint(self.near, main, amount * 0.8),
            light=tint(self.light, second, amount * 0.45),
            cloud=tint(self.cloud, second, amount * 0.7),
            cloud_shade=tint(self.cloud_shade, main, amount),
            leaf=tint(self.leaf, main, amount * 0.45),
            sand=tint(self.sand, main, amount * 0.55),
            accent=mix(self.accent, colours[-1], 0.9),
        )


def _palette(row: _Row) -> Palette:
    sky, light, cloud, ground, accent, dark = row
    tones = tuple(rgb(code) for code in sky.split())
    lit, shade = cloud.split()
    near, leaf, sand = ground.split()
    return Palette(
        sky=tones, haze=mix(tones[-1], tones[-2], 0.35), near=rgb(near), light=rgb(light), cloud=rgb(lit),
        cloud_shade=rgb(shade), leaf=rgb(leaf), sand=rgb(sand), accent=rgb(accent), dark=dark,
    )  # fmt: skip


#: Hour -> the palettes to choose from: sky, light, cloud (lit, shade), ground (near, leaf, sand), accent, darkness.
_HOURS: dict[str, tuple[_Row, ...]] = {
    "dawn": (
        ("#4a5d92 #8088b4 #d3a3b0 #f6c4a6 #fde6c4", "#fff3d6", "#ffe3d0 #a78fb0", "#2a2e4a #5c7a64 #d9a987",
         "#e8607a", 0.15),
        ("#2f6d8f #6aa5b5 #b7d2c8 #f4dcb8 #fff0cf", "#fff7dd", "#fff1dc #9db4bd", "#1f3c48 #4f8a6c #dcb98e",
         "#f2856d", 0.1),
        ("#5a4f8c #9d7fb3 #e3a0b8 #fbc7b8 #ffe9d2", "#fff2e0", "#ffe0dc #a98bbd", "#33284e #63796a #e0ae9a",
         "#f06f92", 0.15),
    ),
    "day": (
        ("#1f6fbf #4a97d6 #86c2e8 #c4e3f1 #e9f5f4", "#fffdf0", "#ffffff #a9c0d6", "#173f35 #5c9a4c #e2c48e",
         "#e8504a", 0.0),
        ("#2e86c9 #62b0df #9fd5e9 #d7eeea #f7f5e1", "#fffbe6", "#fffef8 #b5c9d4", "#1c4a3e #6ea84e #e8cb95",
         "#f0663f", 0.0),
        ("#16608f #2f8db3 #74c0c9 #bfe3d9 #f0f4dd", "#fffae0", "#fffdf4 #9fc0c6", "#123c44 #4f9460 #e6c88a",
         "#f25c54", 0.0),
    ),
    "sunset": (
        ("#2b2857 #663c7d #bd5470 #f0835a #ffc66e", "#fff2b8", "#ffb27a #6b3f74", "#1c1233 #4a4a3e #c9794f",
         "#ff5d5d", 0.3),
        ("#20395e #54567f #b5687a #ee8e62 #fdd08a", "#fff4cc", "#ffc291 #6c5578", "#141c30 #4b543f #d08a58",
         "#f25f5c", 0.3),
        ("#3a1c4a #8a2f5c #d94f55 #f98a4b #ffd27a", "#fff0b0", "#ff9f6b #7a2f5a", "#210f26 #54472f #cf7245",
         "#ffd166", 0.3),
        ("#134e6f #4b7f8c #c9a27e #f6b26b #ffe3a3", "#fff8d6", "#ffd9a0 #7c7c86", "#12262e #4f5b39 #d99a5b",
         "#ee6c4d", 0.25),
    ),
    "dusk": (
        ("#141a40 #31306e #6b5398 #b4739f #eda98f", "#fff0d8", "#c98fae #3f3a70", "#0e0d24 #2c3a46 #7d5a72",
         "#ff9f68", 0.6),
        ("#0d2440 #1f4568 #4b7590 #93a6ae #e6c3a5", "#fff0d8", "#a9b3c0 #2f4a66", "#08131f #1f3a3f #75696c",
         "#ffb26b", 0.6),
        ("#1d1238 #46235f #8c3c7c #cf6a86 #f7b48c", "#ffe9cf", "#d5809a #47285f", "#120a20 #33323f #8a4f62",
         "#ffd06b", 0.6),
    ),
    "night": (
        ("#040a1e #0a1737 #142a52 #23456f #3d6a8c", "#f7f3dc", "#51709a #14264a", "#03060f #0e2230 #32405c",
         "#ffc46b", 1.0),
        ("#0a0820 #181440 #2c2663 #4a3d85 #75609f", "#f9f0e0", "#6f66a4 #221c4c", "#06040f #161c38 #453f66",
         "#ffb27a", 1.0),
        ("#020d16 #06222f #0d3b48 #1b5b63 #3f857e", "#f3f7e4", "#3e7377 #0a2c38", "#01070b #0b2a26 #2c4c50",
         "#ffd27f", 1.0),
    ),
}  # fmt: skip

_NEON = (
    (
        "#0b0426 #240a52 #5a0f86 #c2188f #ff6a8a",
        "#ffe65a",
        "#d63fa8 #2a0e5e",
        "#080218 #1b0f4a #451a72",
        "#22e6ff",
        0.9,
    ),
    (
        "#03051c #0a1550 #2a1a8c #7a1fb0 #f03fb4",
        "#ff9ae0",
        "#8a3fd0 #10124a",
        "#02030f #0f1a4a #2a1a66",
        "#3dfff0",
        0.95,
    ),
)

_OVERCAST = rgb("#8d9aa6")
HOURS = tuple(_HOURS)


def palette_for(hour: str, dice: Dice, *, colours: tuple[Array, ...], neon: bool, overcast: float) -> Palette:
    """The palette of an hour, under the prompt's colour words; `overcast` (0..1) greys it."""
    chosen = _palette(dice.pick(_NEON if neon else _HOURS[hour]))
    if overcast > 0:
        chosen = _greyed(chosen, overcast)
    return chosen.toned(colours, 0.72)


def _greyed(palette: Palette, amount: float) -> Palette:
    def grey(colour: Array, share: float = 1.0) -> Array:
        lab = to_oklab(colour)
        veil = to_oklab(_OVERCAST) * np.array([0.0, 1.0, 1.0]) + np.array([lab[0] * (1 - 0.42 * amount) + 0.05, 0, 0])
        return from_oklab(lab * (1 - amount * share) + veil * (amount * share))

    return attrs.evolve(
        palette,
        sky=tuple(grey(tone) for tone in palette.sky),
        haze=grey(palette.haze), near=grey(palette.near, 0.5), cloud=grey(palette.cloud),
        cloud_shade=grey(palette.cloud_shade), leaf=grey(palette.leaf, 0.4), sand=grey(palette.sand, 0.4),
    )  # fmt: skip
