"""Text chunks of PNG files; imports stdlib."""

import struct
import zlib
from collections.abc import Iterator

_PARAMETERS, _RECORD = b"parameters", b"imaging"
#: Where the first chunk after IHDR begins.
_AFTER_HEADER = 33
#: How many chunks are looked at: a file of 20 MB has a few thousand, or it was made to be slow to read.
_MOST_CHUNKS = 20_000


def read(data: bytes, most: int) -> tuple[str | None, str | None]:
    """`parameters` and our record, each from its first chunk alone; None for those longer than `most` bytes."""
    found: dict[bytes, str | None] = {}
    for kind, content in _texts(data):
        keyword, _, rest = content.partition(b"\0")
        if keyword in (_PARAMETERS, _RECORD) and keyword not in found:
            # Also where it gives nothing: to unpack thousands that are too long takes minutes.
            found[keyword] = _text(kind, rest, most)
    return found.get(_PARAMETERS), found.get(_RECORD)


def written(data: bytes, parameters: str | None, record: str | None) -> bytes:
    """The file with these texts in chunks before its pixels. Raises ValueError for a file without a sound beginning."""
    header = data[8:_AFTER_HEADER]
    if header[:8] != b"\0\0\0\rIHDR" or zlib.crc32(header[4:21]) != int.from_bytes(header[21:], "big"):
        raise ValueError("no sound IHDR")
    chunks = [_chunk(word, text) for word, text in ((_PARAMETERS, parameters), (_RECORD, record)) if text is not None]
    return b"".join((data[:_AFTER_HEADER], *chunks, data[_AFTER_HEADER:]))


def _texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if kind == b"IEND" or at + 12 + length > len(data):
            return
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _text(kind: bytes, rest: bytes, most: int) -> str | None:
    if kind == b"tEXt":
        return rest.decode("latin-1") if len(rest) <= most else None
    if kind == b"zTXt":
        content = _inflated(rest[1:], most) if rest[:1] == b"\0" else None
        return None if content is None else content.decode("latin-1")
    packed, method = rest[:1] == b"\x01", rest[1:2]
    _, _, rest = rest[2:].partition(b"\0")
    _, _, content = rest.partition(b"\0")
    if packed:
        unpacked = _inflated(content, most) if method == b"\0" else None
        if unpacked is None:
            return None
        content = unpacked
    return content.decode("utf-8", "replace") if len(content) <= most else None


def _inflated(content: bytes, most: int) -> bytes | None:
    """What unpacks to at most that many bytes; never more than one byte beyond is unpacked."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content, most + 1)
    except zlib.error:
        return None
    return unpacked if unpacker.eof and len(unpacked) <= most else None


def _chunk(keyword: bytes, text: str) -> bytes:
    # NUL ends a field and has no place in a text.
    text = text.replace("\0", "")
    try:
        kind, content = b"tEXt", keyword + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        # Neither compressed, nor in a language, nor with a translated keyword: five zero bytes in all.
        kind, content = b"iTXt", keyword + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
