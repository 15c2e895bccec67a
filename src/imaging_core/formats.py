"""Tells the kind and the size of a picture from its first bytes, without decoding a pixel; imports stdlib and attrs.

A name or a header that came along is never believed: what a file is, its magic bytes say, and how large, its header.
"""

import struct

import attrs

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"

_PNG_START = b"\x89PNG\r\n\x1a\n"
#: Start-of-frame markers of JPEG: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: JPEG markers that stand alone, without a length: TEM and RST0..RST7.
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
#: How many markers are looked at before a JPEG's size: real files have dozens, others were made to be slow to read.
_MOST_MARKERS = 20_000


@attrs.frozen(kw_only=True)
class PictureHeader:
    """What a file says of itself."""

    #: image/png, image/jpeg or image/webp.
    media_type: str
    #: Size in px, as it is stored: an orientation in EXIF is not applied.
    width: int
    height: int


def media_type_of(data: bytes) -> str | None:
    """image/png, image/jpeg or image/webp by the magic bytes, None for anything else."""
    if data.startswith(_PNG_START):
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return None


def header_of(data: bytes) -> PictureHeader | None:
    """Kind and size of a PNG, JPEG or WebP file, None for anything else and for one that does not say its size."""
    media_type = media_type_of(data)
    size = _SIZES[media_type](data) if media_type is not None else None
    if media_type is None or size is None or min(size) < 1:
        return None
    return PictureHeader(media_type=media_type, width=size[0], height=size[1])


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(_MOST_MARKERS):
        if at + 4 > len(data) or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            # FF may be repeated before a marker.
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES:
            if length < 8 or at + 9 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20] == 0x2F:
        packed = int.from_bytes(data[21:25], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


_SIZES = {PNG: _png_size, JPEG: _jpeg_size, WEBP: _webp_size}
