"""Tells of a PNG that every pixel is there without making a picture of it, in half the time of that; imports stdlib.

A decoder spends the other half on undoing the filters of the rows, which is arithmetic that cannot fail. What can fail is
looked at here: the checksum of each chunk and of all pixels, how many bytes they unpack to, and the kinds of the filters.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from imaging_core.formats import PNG, media_type_of

#: The order of the chunks. What belongs to an animation (acTL, fcTL, fdAT) may make Pillow take other pixels for the picture,
#: also where it is none; what is not private after the pixels is read by decoders, which may stumble over it: both are left
#: to one.
_ORDER = re.compile(
    rb"IHDR(?:(?!acTL|fcTL|fdAT)[a-z][A-Za-z]{3})*(?:IDAT)+(?:(?!acTL|fcTL|fdAT)[a-z]{2}[A-Za-z]{2})*IEND"
)
#: Samples of one px by colour type: grey, RGB, and each with alpha. Indexed colours have more to go wrong.
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
#: Bytes of a sample by its bits; packed ones are left to a decoder.
_SAMPLE = {8: 1, 16: 2}
_LAST_FILTER = 4
#: How much is unpacked at once, in packed bytes: so little that what comes of it stays in the processor's cache.
_AT_ONCE = 64 << 10
#: How many chunks are looked at: real files have dozens, others were made to be slow to read.
_MOST_CHUNKS = 20_000

_Chunk = tuple[bytes, memoryview]


def surely_whole(data: bytes) -> bool:
    """Whether it is a PNG of which every pixel can be decoded. False for other files, and where only a decoder can tell.

    Unpacks no more than its header says there is, so that is to be judged before.
    """
    if media_type_of(data) != PNG:
        return False
    try:
        chunks = list(_chunks(memoryview(data)))
        if _ORDER.fullmatch(b"".join(kind for kind, _ in chunks)) is None:
            return False
        row, rows = _rows(chunks[0][1])
        return row > 0 and rows > 0 and _all_there([content for kind, content in chunks if kind == b"IDAT"], row, rows)
    except (ValueError, struct.error, zlib.error):
        return False


def _chunks(data: memoryview) -> Iterator[_Chunk]:
    """Kind and content of each up to the end, whose checksums are right."""
    at = 8
    for _ in range(_MOST_CHUNKS):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError("a chunk is damaged")
        kind = bytes(data[at + 4 : at + 8])
        yield kind, data[at + 8 : end]
        if kind == b"IEND":
            return
        at = end + 4
    raise ValueError("too many chunks")


def _rows(header: memoryview) -> tuple[int, int]:
    """Length of a row with its filter, in bytes, and how many there are; (0, 0) where only a decoder can tell."""
    width, height, bits, colours, packing, filters, interlacing = struct.unpack(">IIBBBBB", header)
    if bits not in _SAMPLE or colours not in _SAMPLES or packing or filters or interlacing or not width:
        return 0, 0
    return 1 + width * _SAMPLES[colours] * _SAMPLE[bits], height


def _all_there(pieces: list[memoryview], row: int, rows: int) -> bool:
    unpacker = zlib.decompressobj()
    there, wanted = 0, row * rows
    for packed in (piece[at : at + _AT_ONCE] for piece in pieces for at in range(0, len(piece), _AT_ONCE)):
        # At most one byte more than there should be, whatever this would unpack to.
        pixels = unpacker.decompress(packed, wanted - there + 1)
        if max(pixels[-there % row :: row], default=0) > _LAST_FILTER:
            return False
        there += len(pixels)
        if there > wanted:
            return False
    return there == wanted and unpacker.eof and not unpacker.unused_data
