"""Copies of pictures: made once, kept within a limit, of any picture a backend may give, and never of a bomb."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.pillow.rendering import PillowRenderer
from contracts.samples import png
from entrypoints.api.rendering import Copies
from imaging_core.errors import ImageNotAvailable
from imaging_core.formats import header_of
from imaging_core.marking import Marks, read_marks, with_marks


def reading(data: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return data

    return read


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


# --- what Pillow makes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("media_type", ["image/webp", "image/jpeg"])
async def test_every_kind_of_picture_can_be_small(mode: str, media_type: str) -> None:
    grey = Image.linear_gradient("L").resize((320, 160))
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 256) if mode == "I;16" else grey.convert(mode)

    small = await PillowRenderer().thumbnail(reading(encoded(picture)), side=64, media_type=media_type)

    header = header_of(small)
    assert header is not None
    assert (header.media_type, header.width, header.height) == (media_type, 64, 32)
    with opened(small) as image:
        # From black at the top to white at the bottom, also where the file had 16 bits.
        low, high = image.convert("L").getextrema()
        assert low < 60  # type: ignore[operator]
        assert high > 190  # type: ignore[operator]


async def test_transparency_stays_in_webp_and_becomes_white_in_jpeg() -> None:
    data = encoded(Image.new("RGBA", (100, 100), (0, 0, 0, 0)))

    webp = await PillowRenderer().converted(reading(data), media_type="image/webp", quality=None)
    jpeg = await PillowRenderer().converted(reading(data), media_type="image/jpeg", quality=None)

    assert opened(webp).convert("RGBA").getpixel((50, 50))[3] == 0  # type: ignore[index]
    assert opened(jpeg).getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("media_type", ["image/png", "image/webp", "image/jpeg"])
async def test_a_conversion_keeps_what_the_picture_says(kind: str, media_type: str) -> None:
    marks = Marks(parameters="a cat 日本\nSteps: 3, Sampler: Euler, Seed: 1", record='{"a":1}')
    data = with_marks(encoded(Image.new("RGB", (40, 20), (200, 30, 30)), kind), marks)

    made = await PillowRenderer().converted(reading(data), media_type=media_type, quality=80)

    assert read_marks(made) == marks
    red, green, blue = opened(made).convert("RGB").getpixel((20, 10))  # type: ignore[misc]
    assert abs(red - 200) < 12
    assert abs(green - 30) < 12
    assert abs(blue - 30) < 12


async def test_a_png_is_converted_without_loss() -> None:
    picture = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")

    made = await PillowRenderer().converted(
        reading(encoded(picture, "WEBP", lossless=True)), media_type="image/png", quality=None
    )

    assert opened(made).tobytes() == picture.tobytes()


async def test_a_picture_that_lies_on_its_side_is_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif)

    small = await PillowRenderer().thumbnail(reading(data), side=100, media_type="image/webp")

    assert opened(small).size == (50, 100)


async def test_a_colour_profile_goes_along() -> None:
    data = encoded(Image.new("RGB", (40, 20)), icc_profile=b"profile " * 20)

    for media_type in ("image/webp", "image/jpeg", "image/png"):
        made = await PillowRenderer().converted(reading(data), media_type=media_type, quality=None)
        assert opened(made).info["icc_profile"] == b"profile " * 20


@pytest.mark.parametrize("data", [b"", b"text", png(64, 64)[:60], png(64, 64)[:-30]])
async def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageNotAvailable, match="cannot be converted"):
        await PillowRenderer().thumbnail(reading(data), side=64, media_type="image/webp")


async def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    bomb = png(8, 8)
    bomb = bomb[:16] + (30_000).to_bytes(4, "big") * 2 + bomb[24:]

    with pytest.raises(ImageNotAvailable, match="30000 x 30000 px are too many"):
        await PillowRenderer().thumbnail(reading(bomb), side=64, media_type="image/webp")


async def test_no_more_pictures_are_read_than_are_made_at_once() -> None:
    renderer, here, most = PillowRenderer(at_once=2), 0, 0

    async def read() -> bytes:
        nonlocal here, most
        here += 1
        most = max(most, here)
        await asyncio.sleep(0)
        here -= 1
        return png(64, 64)

    await asyncio.gather(*(renderer.thumbnail(read, side=64, media_type="image/webp") for _ in range(20)))

    assert most == 2


# --- what is kept ------------------------------------------------------------------------------------------


class Maker:
    """Makes what it is told and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.made = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> bytes:
        self.made += 1
        await self.go.wait()
        return self.data


async def test_a_copy_is_made_once() -> None:
    copies, maker = Copies(max_bytes=10_000), Maker(b"picture")

    assert [await copies.get("a", maker) for _ in range(3)] == [b"picture"] * 3
    assert maker.made == 1


async def test_those_who_ask_while_it_is_made_wait_for_the_same_one() -> None:
    copies, maker = Copies(max_bytes=0), Maker(b"picture")
    maker.go.clear()
    asking = [asyncio.create_task(copies.get("a", maker)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    maker.go.set()

    assert await asyncio.gather(*asking[1:]) == [b"picture"] * 4
    assert asking[0].cancelled()
    assert maker.made == 1


async def test_the_copy_that_was_not_asked_for_the_longest_goes_first() -> None:
    copies = Copies(max_bytes=3 * 1300)
    makers = {name: Maker(bytes(1000)) for name in "abcd"}
    for name in "abc":
        await copies.get(name, makers[name])
    await copies.get("a", makers["a"])
    await copies.get("d", makers["d"])
    for name in "acd":
        await copies.get(name, makers[name])
    assert [maker.made for maker in makers.values()] == [1, 1, 1, 1]

    await copies.get("b", makers["b"])

    assert makers["b"].made == 2


async def test_a_copy_larger_than_all_the_room_is_given_but_not_kept() -> None:
    copies, small, big = Copies(max_bytes=2000), Maker(bytes(1000)), Maker(bytes(5000))
    await copies.get("small", small)

    assert await copies.get("big", big) == bytes(5000)
    await copies.get("small", small)
    await copies.get("big", big)

    assert (small.made, big.made) == (1, 2)


async def test_a_copy_that_could_not_be_made_is_tried_again() -> None:
    copies = Copies(max_bytes=10_000)

    async def broken() -> bytes:
        raise ImageNotAvailable("The picture cannot be converted.")

    for _ in range(2):
        with pytest.raises(ImageNotAvailable):
            await copies.get("a", broken)
    assert await copies.get("a", Maker(b"picture")) == b"picture"
