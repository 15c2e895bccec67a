"""The EXIF chunk of WebP files; imports stdlib and this package."""

import struct
from collections.abc import Iterator

from imaging_core.formats import header_of
from imaging_core.marking import exif

_EXIF_FLAG, _ALPHA_FLAG = 0x08, 0x10
#: Some writers begin the chunk like a JPEG's segment.
_PREFIX = b"Exif\0\0"
#: How many chunks are looked at; an animation has one per frame.
_MOST_CHUNKS = 10_000


def read(data: bytes, most: int) -> tuple[str | None, str | None]:
    """UserComment and our record. Raises ValueError and struct.error for damaged EXIF."""
    for kind, start, stop in _chunks(data):
        if kind == b"EXIF":
            return exif.read(data[start:stop].removeprefix(_PREFIX), most)
    return None, None


def written(data: bytes, parameters: str | None, record: str | None) -> bytes:
    """The file with these texts in its EXIF chunk, in the extended form that such a chunk needs.

    Raises ValueError and struct.error for a damaged file or damaged EXIF.
    """
    chunks = {kind: (start, stop) for kind, start, stop in reversed(list(_chunks(data)))}
    (end,) = struct.unpack_from("<I", data, 4)
    end += 8
    if end > len(data) or end % 2:
        raise ValueError("a file that is cut off")
    start, stop = chunks.get(b"EXIF", (end, end))
    old = data[start:stop]
    prefix = _PREFIX if old.startswith(_PREFIX) else b""
    block = exif.written(old.removeprefix(prefix) or None, parameters, record)
    if old:
        # In place of the old one, whose header and padding go too.
        start, stop = start - 8, stop + stop % 2
    body = data[12:start] + _chunk(b"EXIF", prefix + block) + data[stop:end]
    if body[:4] != b"VP8X":
        body = _extended_header(data) + body
    # The flags are the first byte of the first chunk's content.
    body = body[:8] + bytes([body[8] | _EXIF_FLAG]) + body[9:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body + data[end:]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, and where its content begins and ends."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + length > len(data):
            raise ValueError("a chunk that is cut off")
        yield kind, at + 8, at + 8 + length
        at += 8 + length + length % 2


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _extended_header(data: bytes) -> bytes:
    header = header_of(data)
    if header is None:
        raise ValueError("a file without a size")
    # A lossless picture says itself whether it has transparency, in the bit behind its two sides of 14 bits.
    flags = _ALPHA_FLAG if data[12:16] == b"VP8L" and data[24] & 0x10 else 0
    sides = (header.width - 1).to_bytes(3, "little") + (header.height - 1).to_bytes(3, "little")
    return _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)
