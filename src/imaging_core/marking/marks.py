"""What is put into a picture, whatever its format; imports stdlib, attrs and this package."""

import struct
import zlib
from collections.abc import Callable

import attrs

from imaging_core.formats import JPEG, PNG, WEBP, media_type_of
from imaging_core.marking import jpeg, png, webp

#: Longest text that is written, and that is read, in bytes.
MAX_TEXT = 1 << 20


@attrs.frozen(kw_only=True)
class Marks:
    """Texts of a picture; None where there is none."""

    #: What AUTOMATIC1111's WebUI calls so, see `imaging_core.infotext`.
    parameters: str | None = None
    #: The service's own record, a JSON object.
    record: str | None = None


@attrs.frozen(kw_only=True)
class _Format:
    """How one format holds the two texts."""

    #: The file and the longest text in bytes -> both texts.
    read: Callable[[bytes, int], tuple[str | None, str | None]]
    #: The file and both texts -> the file with them.
    written: Callable[[bytes, str | None, str | None], bytes]


_FORMATS = {
    PNG: _Format(read=png.read, written=png.written),
    JPEG: _Format(read=jpeg.read, written=jpeg.written),
    WEBP: _Format(read=webp.read, written=webp.written),
}
#: What the damage of a file raises while its structure is followed.
_DAMAGE = (ValueError, IndexError, struct.error, zlib.error)


def read_marks(data: bytes) -> Marks:
    """The texts of a PNG, JPEG or WebP file; none for anything else and for what is damaged."""
    part = _FORMATS.get(media_type_of(data) or "")
    if part is None:
        return Marks()
    try:
        parameters, record = part.read(data, MAX_TEXT)
    except _DAMAGE:
        return Marks()
    return Marks(parameters=parameters, record=record)


def with_marks(data: bytes, marks: Marks) -> bytes:
    """The file with these texts in it; where it has `parameters` already they stay, being its maker's own.

    A file that is damaged, or has no room for a text, comes back without that text; it is never made worse.
    """
    part = _FORMATS.get(media_type_of(data) or "")
    parameters = marks.parameters if read_marks(data).parameters is None else None
    texts = [text if text is not None and len(text) <= MAX_TEXT else None for text in (parameters, marks.record)]
    if part is None or texts == [None, None]:
        return data
    try:
        return part.written(data, *texts)
    except _DAMAGE:
        return data
