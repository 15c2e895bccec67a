"""The EXIF segment of JPEG files; imports stdlib and the block's module beside it."""

import struct
from collections.abc import Iterator

import attrs

from imaging_core.marking import exif

_APP0, _APP1, _SCAN, _END = 0xE0, 0xE1, 0xDA, 0xD9
_EXIF = b"Exif\0\0"
#: Longest content of a segment, in bytes: its length of 16 bits counts itself.
_LONGEST = 65_533
#: How many markers and bytes of filling are looked at: real files have dozens, others were made to be slow to read.
_MOST_STEPS = 20_000


@attrs.frozen
class _Segment:
    """One marker segment before the pixels."""

    marker: int
    #: Where its FF is, and the byte behind it.
    start: int
    stop: int


def read(data: bytes, most: int) -> tuple[str | None, str | None]:
    """UserComment and our record. Raises ValueError and struct.error for damaged EXIF."""
    for segment in _segments(data):
        content = data[segment.start + 4 : segment.stop]
        if segment.marker == _APP1 and content.startswith(_EXIF):
            return exif.read(content.removeprefix(_EXIF), most)
    return None, None


def written(data: bytes, parameters: str | None, record: str | None) -> bytes:
    """The file with these texts in its EXIF segment; without the record where both are more than a segment holds.

    Raises ValueError and struct.error for a damaged beginning or damaged EXIF.
    """
    start, stop, block = _place(data)
    for texts in ((parameters, record), (parameters, None)):
        content = _EXIF + exif.written(block, *texts) if any(texts) else b""
        if content and len(content) <= _LONGEST:
            segment = struct.pack(">BBH", 0xFF, _APP1, len(content) + 2) + content
            return data[:start] + segment + data[stop:]
    return data


def _place(data: bytes) -> tuple[int, int, bytes | None]:
    """Where the EXIF segment is or belongs, and its block if there is one."""
    # Before everything but JFIF's own segment, which must be the first.
    belongs = 2
    for segment in _segments(data):
        content = data[segment.start + 4 : segment.stop]
        if segment.marker == _APP1 and content.startswith(_EXIF):
            return segment.start, segment.stop, content.removeprefix(_EXIF)
        if segment.marker == _APP0 and segment.start == belongs:
            belongs = segment.stop
    return belongs, belongs, None


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments before the pixels. Raises ValueError where they are not in order."""
    at = 2
    for _ in range(_MOST_STEPS):
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        if marker == 0xFF:
            # FF may be repeated before a marker.
            at += 1
            continue
        if marker in (_SCAN, _END):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise ValueError("a segment that is cut off")
        yield _Segment(marker, at, at + 2 + length)
        at += 2 + length
    raise ValueError("more segments than any program writes")
