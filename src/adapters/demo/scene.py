"""What every layer of one picture shares: canvas, theme, colours, light, chance.

Imports attrs and the drawing modules of this package only.
"""

from __future__ import annotations

import attrs

from adapters.demo.canvas import Canvas
from adapters.demo.colour import Palette, mix, rgb
from adapters.demo.land import blend_of
from adapters.demo.noise import Array, Dice
from adapters.demo.sky import Light
from adapters.demo.theme import Theme

WHITE = rgb("#ffffff")
#: The motifs that are alive and stand before the light.
BEINGS = ("cat", "dog", "deer", "person")


@attrs.frozen(kw_only=True, eq=False)
class Scene:
    """Everything that the layers of one picture share; `level` is the height of the horizon (units)."""

    canvas: Canvas
    theme: Theme
    palette: Palette
    light: Light
    dice: Dice
    level: float

    def near(self, share: float) -> Array:
        """The colour of a silhouette, from the far haze (0) to the nearest dark (1)."""
        return mix(self.palette.haze, self.palette.near, share)

    def tone(self, share: float) -> Array:
        """A silhouette colour by straight mixing: for hundreds of small things."""
        return blend_of(self.palette.haze, mix(self.palette.near, self.palette.leaf, 0.22), share)
