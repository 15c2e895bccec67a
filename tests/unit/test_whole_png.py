"""A PNG is called whole without a decoder only where a decoder says the same."""

import io
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imaging_core.marking import Marks, with_marks
from imaging_core.whole_png import surely_whole

SIZE = (31, 23)


def picture(mode: str, **options: object) -> bytes:
    out = io.BytesIO()
    noise = Image.frombytes("RGB", SIZE, random.Random(mode).randbytes(3 * SIZE[0] * SIZE[1]))
    noise.convert(mode).save(out, "PNG", **options)
    return out.getvalue()


def decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["png"]) as opened:
            opened.load()
    except Exception:  # noqa: BLE001  # a decoder raises anything over damaged data
        return False
    return True


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    pixels: bytes,
    *,
    header: bytes = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0),
    before: bytes = b"",
    between: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """3 x 2 px of RGB with those packed pixels, in two pieces."""
    pieces = chunk(b"IDAT", pixels[:9]) + between + chunk(b"IDAT", pixels[9:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + pieces + after + chunk(b"IEND", b"")


ROWS = (b"\0" + b"abcdefghi") * 2
PACKED = zlib.compress(ROWS)
#: The whole picture as the first frame of an animation that is not announced, and pixels of it that cannot be decoded.
FRAME = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 3, 2, 0, 0, 1, 10, 0, 0))
OTHER_PIXELS = chunk(b"fdAT", struct.pack(">I", 1) + b"nothing of the kind")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_a_picture_in_the_usual_colours_is_whole(mode: str) -> None:
    assert surely_whole(picture(mode))


def test_a_marked_picture_and_one_in_several_pieces_are_whole() -> None:
    assert surely_whole(with_marks(picture("RGB"), Marks(parameters="a lighthouse", record="{}")))
    assert surely_whole(png(PACKED))
    assert surely_whole(png(PACKED, before=chunk(b"tEXt", b"a\0b"), after=chunk(b"prIv", b"anything")))


@pytest.mark.parametrize("mode", ["P", "1"])
def test_packed_and_indexed_colours_are_left_to_a_decoder(mode: str) -> None:
    data = picture(mode)

    assert not surely_whole(data)
    assert decodes(data)


def test_a_picture_that_is_no_png_is_left_to_a_decoder() -> None:
    out = io.BytesIO()
    Image.new("RGB", SIZE).save(out, "WEBP")

    assert not surely_whole(out.getvalue())
    assert not surely_whole(b"")


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a row too few", png(zlib.compress(ROWS[:10]))),
        ("a byte too few", png(zlib.compress(ROWS[:-1]))),
        ("a byte too many", png(zlib.compress(ROWS + b"x"))),
        ("an unknown filter", png(zlib.compress(ROWS[:10] + b"\5abcdefghi"))),
        ("another checksum of all pixels", png(PACKED[:-1] + bytes([PACKED[-1] ^ 1]))),
        ("an end of the pixels that is missing", png(PACKED[:-5])),
        ("something after the pixels", png(PACKED + b"more")),
        ("pixels that unpack to far more than there should be", png(zlib.compress(bytes(1 << 24)))),
        ("interlacing", png(PACKED, header=struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 1))),
        ("no width", png(PACKED, header=struct.pack(">IIBBBBB", 0, 2, 8, 2, 0, 0, 0))),
        ("a header that is too short", png(PACKED, header=b"\0\0\0\3")),
        ("a palette", png(PACKED, before=chunk(b"PLTE", b"abc"))),
        ("an animation", png(PACKED, before=chunk(b"acTL", struct.pack(">II", 2, 0)))),
        ("a frame before the pixels, which Pillow takes for them", png(PACKED, before=FRAME + OTHER_PIXELS)),
        ("a frame after the pixels, over which Pillow stumbles", png(PACKED, after=chunk(b"fcTL", bytes(2)))),
        ("no height", png(zlib.compress(b""), header=struct.pack(">IIBBBBB", 3, 0, 8, 2, 0, 0, 0))),
        ("a critical chunk of another kind", png(PACKED, before=chunk(b"CgBI", b"\0\0\0\0"))),
        ("another chunk between the pixels", png(PACKED, between=chunk(b"prIv", b"x"))),
        ("a text after the pixels", png(PACKED, after=chunk(b"zTXt", b"a\0\0broken"))),
        ("a wrong checksum of a chunk", png(PACKED)[:-5] + b"\0" + png(PACKED)[-4:]),
        ("no end", png(PACKED)[:-12]),
        ("chunks without number", png(PACKED, before=chunk(b"prIv", b"") * 30_000)),
    ],
)
def test_nothing_is_called_whole_with(what: str, data: bytes) -> None:
    assert not surely_whole(data), what


@given(cut=st.integers(0, 10_000), changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3))
def test_what_is_damaged_is_never_called_whole_where_a_decoder_refuses_it(
    cut: int, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(picture("RGB"))
    for at, value in changes:
        data[at % len(data)] = value
    damaged = bytes(data[: cut % (2 * len(data))])

    assert decodes(damaged) or not surely_whole(damaged)


@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_damaged_pixels_under_good_checksums_are_never_called_whole_where_a_decoder_refuses_them(
    changes: list[tuple[int, int]],
) -> None:
    packed = bytearray(PACKED)
    for at, value in changes:
        packed[at % len(packed)] = value
    data = png(bytes(packed))

    assert decodes(data) or not surely_whole(data)
