"""A procedural picture that comes out of noise step by step, the way a diffusion model's does; it is not one, and says so.

Imports numpy, Pillow and the drawing modules of this package only: no clock, no thread, no file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from adapters.demo import scenes
from adapters.demo.canvas import Abandoned, Canvas, enlarge, sign, to_image
from adapters.demo.colour import saturate
from adapters.demo.ground import Ground
from adapters.demo.noise import Array, Dice
from adapters.demo.theme import read

__all__ = ["MAX_SIDE", "MAX_STEPS", "MIN_SIDE", "Abandoned", "Painting", "file_of"]

#: What the file says about its origin.
SOFTWARE = "imaging-service demo generator (procedural drawing, not AI)"
MIN_SIDE, MAX_SIDE = 64, 2048
MAX_STEPS = 150

#: The smallest and the largest detail (parts of the shorter side) that come out of the noise one after the other.
_COARSE, _BANDS = 16, 5


class Painting:
    """One picture, painted in steps.

    The same prompt, negative prompt, seed, size and steps give the same pixels on every machine, and after the last step
    the picture is the same for any number of steps. Not for use by two threads at a time.
    """

    def __init__(
        self,
        *,
        prompt: str,
        negative_prompt: str = "",
        seed: int,
        width: int,
        height: int,
        steps: int = 20,
        strength: float = 1.0,
        ground: Ground | None = None,
    ) -> None:
        """Sizes are px, 64 to 2048; `steps` 1 to 150; `strength` of the colours, 1 as they are. Raises ValueError for others.

        Over a `ground` it paints an edit of that picture, which must have the same size.
        """
        for name, value, low, high in (
            ("width", width, MIN_SIDE, MAX_SIDE), ("height", height, MIN_SIDE, MAX_SIDE), ("steps", steps, 1, MAX_STEPS),
        ):  # fmt: skip
            if not low <= value <= high:
                raise ValueError(f"{name} must be {low} to {high}, not {value}.")
        self.width, self.height, self.steps = width, height, steps
        #: Steps done so far.
        self.done = 0
        self._prompt, self._negative_prompt = " ".join(prompt.split()), " ".join(negative_prompt.split())
        self._dice = Dice("painting", self._prompt.casefold(), seed)
        self._strength = strength
        self._ground = ground
        self._canvas: Canvas | None = None
        self._abandoned = False
        self._final: Image.Image | None = None

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.done >= self.steps

    @property
    def progress(self) -> float:
        """Part of the steps that are done, 0..1."""
        return self.done / self.steps

    def step(self) -> bool:
        """Do one step; False when there was none left. The first one paints and takes longest.

        Raises Abandoned after `abandon`.
        """
        if self.finished:
            return False
        if self._abandoned:
            raise Abandoned
        if self._final is None:
            self._final = self._paint()
        self.done += 1
        return True

    def abandon(self) -> None:
        """Give the picture up; from any thread. A step that is under way ends early."""
        self._abandoned = True
        if self._canvas is not None:
            self._canvas.abandoned = True

    def __iter__(self) -> Iterator[Painting]:
        """Do the steps that are left, and give this painting after each."""
        while self.step():
            yield self

    def image(self) -> Image.Image:
        """The picture as it is now, RGB, in full size."""
        return self._shown(self.width, self.height)

    def preview(self, longest: int = 256) -> Image.Image:
        """The picture as it is now, its longer side at most `longest` px: cheap, for showing progress."""
        share = min(1.0, longest / max(self.width, self.height))
        return self._shown(max(1, round(self.width * share)), max(1, round(self.height * share)))

    def png(self) -> bytes:
        """The picture as it is now as a PNG that says in its text what made it."""
        return self.encoded("png")

    def encoded(self, kind: str) -> bytes:
        """The picture as it is now as a "png", "jpeg" or "webp" file that says what made it. ValueError for others."""
        return file_of(self.image(), kind)

    def _paint(self) -> Image.Image:
        canvas = self._canvas = Canvas(self.width, self.height)
        # Asked before this canvas was there: it must not be missed.
        canvas.abandoned = self._abandoned
        scenes.paint(
            canvas, read(self._prompt, self._negative_prompt, self._dice.fork("theme")), self._dice.fork("scene")
        )
        self._canvas = None
        if self._strength != 1.0:
            # Half as strong as asked, towards grey and towards glowing alike: the ends of the scale stay bearable.
            canvas.pixels[:] = saturate(canvas.pixels, 0.5 + 0.5 * min(3.0, self._strength))
        image = to_image(canvas.pixels)
        sign(image)
        return image if self._ground is None else self._ground.under(image)

    def _shown(self, width: int, height: int) -> Image.Image:
        if self.finished and self._final is not None:
            if (width, height) == self._final.size:
                return self._final.copy()
            return self._final.resize((width, height), Image.Resampling.BOX)
        noise = self._noise(width, height)
        if self._final is None or self.done == 0:
            return to_image(noise)
        final = (
            self._final
            if (width, height) == self._final.size
            else self._final.resize((width, height), Image.Resampling.BOX)
        )
        return to_image(self._resolving(np.asarray(final, np.float32) * np.float32(1 / 255), noise))

    def _resolving(self, final: Array, noise: Array) -> Array:
        """Between noise and picture: coarse forms first, then ever finer detail, while the noise goes."""
        height, width = final.shape[:2]
        progress = self.progress
        shown = np.zeros_like(final)
        above: Array | None = None
        for band in range(_BANDS + 1):
            level = final if band == _BANDS else _softened(final, min(width, height) / (_COARSE * 2.0**band))
            detail = level if above is None else level - above
            # Band after band fades in; each takes half of the way.
            begin = 0.5 * band / _BANDS
            shown += detail * np.float32(_eased((progress - begin + 0.08) / 0.55))
            above = level
        rest = 1 - _eased(progress)
        blended: Array = (
            shown
            + (noise - np.float32(0.5)) * np.float32(rest * 1.15)
            + np.float32(0.5) * np.float32(1 - _eased((progress + 0.08) / 0.55))
        )
        return blended

    def _noise(self, width: int, height: int) -> Array:
        """Coloured noise, coarse and fine, around middle grey: what a latent looks like when it is decoded."""
        dice = self._dice.fork("noise", self.done if self.done < self.steps else 0)
        # The coarse part stays from step to step, so that forms seem to grow out of it; the fine part flickers.
        cells = self._dice.fork("cells").array(
            max(2, 40 * height // max(width, height)), max(2, 40 * width // max(width, height)), 3
        )
        coarse = np.stack([enlarge(np.ascontiguousarray(cells[..., k]), width, height) for k in range(3)], axis=-1)
        fine = dice.bytes(height, width, 3).astype(np.float32) * np.float32(1 / 255)
        mixed: Array = (
            np.float32(0.5)
            + (coarse - np.float32(0.5)) * np.float32(0.80)
            + (fine - np.float32(0.5)) * np.float32(0.50)
        )
        return mixed


def file_of(image: Image.Image, kind: str) -> bytes:
    """A "png", "jpeg" or "webp" file that says what made it. ValueError for others."""
    buffer = io.BytesIO()
    if kind == "png":
        about = PngInfo()
        about.add_text("Software", SOFTWARE)
        # Grain does not compress: a higher level costs four times as long and saves a few per cent.
        image.save(buffer, "PNG", pnginfo=about, compress_level=3)
    elif kind in ("jpeg", "webp"):
        exif = Image.Exif()
        exif[ExifTags.Base.Software] = SOFTWARE
        image.save(buffer, kind.upper(), quality=92, exif=exif)
    else:
        raise ValueError(f"The file type must be png, jpeg or webp, not {kind!r}.")
    return buffer.getvalue()


def _eased(t: float) -> float:
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


def _softened(pixels: Array, size: float) -> Array:
    """The picture without details smaller than about `size` px."""
    height, width = pixels.shape[:2]
    if size < 1.5:
        return pixels
    small = to_image(pixels).resize((max(2, round(width / size)), max(2, round(height / size))), Image.Resampling.BOX)
    large = small.filter(ImageFilter.GaussianBlur(0.6)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32) * np.float32(1 / 255)
