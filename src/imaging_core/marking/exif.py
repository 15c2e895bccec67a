"""Two texts in an EXIF block: UserComment, as AUTOMATIC1111's WebUI writes it, and MakerNote for our record; imports stdlib.

A block is TIFF: directories of 12-byte entries, whose larger values lie anywhere in the block at an offset from its beginning. So a
block is added to without moving anything: a new directory goes to its end, and one pointer is changed.
"""

import struct

import attrs

_EXIF_POINTER, _VERSION, _MAKER_NOTE, _USER_COMMENT = 0x8769, 0x9000, 0x927C, 0x9286
_LONG, _UNDEFINED = 4, 7
#: Bytes of one value, by the type's number.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
#: Most entries of a directory: no camera writes more than about a hundred.
_MOST_ENTRIES = 1000
#: What begins a comment, by its encoding.
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"
_OURS = b"imaging\0"
#: A block without any entry, in the byte order of piexif, which the WebUI uses.
_EMPTY = b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\0"


@attrs.frozen
class _Directory:
    """One directory as it is in the block."""

    #: Tag -> the 12 bytes of its entry.
    entries: dict[int, bytes]
    #: Tag -> where its entry is.
    places: dict[int, int]
    #: Offset of the directory after it, as it stands there.
    after: bytes


def read(block: bytes, most: int) -> tuple[str | None, str | None]:
    """UserComment and our record, None for those that are missing or longer than `most` bytes.

    Raises ValueError and struct.error for a damaged block.
    """
    order = _order(block)
    directory = _exif_directory(block, order)
    if directory is None:
        return None, None
    comment = _value(block, order, directory.entries.get(_USER_COMMENT), most)
    note = _value(block, order, directory.entries.get(_MAKER_NOTE), most)
    record = note.removeprefix(_OURS).decode("utf-8", "replace") if note and note.startswith(_OURS) else None
    return (_comment_text(comment) if comment else None) or None, record


def written(block: bytes | None, comment: str | None, record: str | None) -> bytes:
    """The block with these texts, a new block if there is none.

    Raises ValueError and struct.error for a damaged block.
    """
    block = block or _EMPTY
    order = _order(block)
    values = {}
    if comment is not None:
        values[_USER_COMMENT] = _UNICODE + comment.encode("utf-16-be", "replace")
    if record is not None:
        values[_MAKER_NOTE] = _OURS + record.encode("utf-8", "replace")
    directory = _exif_directory(block, order)
    if directory is None:
        entries = {_VERSION: struct.pack(order + "HHI", _VERSION, _UNDEFINED, 4) + b"0232"}
        directory = _Directory(entries, {}, bytes(4))
    block += bytes(len(block) % 2)
    block = _pointed_at(block, order, len(block))
    return block + _directory_bytes(directory, order, len(block), values)


def _order(block: bytes) -> str:
    order = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}.get(block[:4])
    if order is None:
        raise ValueError("no TIFF")
    return order


def _directory(block: bytes, order: str, at: int) -> _Directory:
    (count,) = struct.unpack_from(order + "H", block, at)
    end = at + 2 + 12 * count
    if count > _MOST_ENTRIES or end > len(block):
        raise ValueError("a directory that is too long")
    places = {struct.unpack_from(order + "H", block, place)[0]: place for place in range(at + 2, end, 12)}
    entries = {tag: block[place : place + 12] for tag, place in places.items()}
    # Some writers leave the last four bytes out.
    return _Directory(entries, places, block[end : end + 4].ljust(4, b"\0"))


def _first(block: bytes, order: str) -> _Directory:
    return _directory(block, order, struct.unpack_from(order + "I", block, 4)[0])


def _exif_directory(block: bytes, order: str) -> _Directory | None:
    pointer = _first(block, order).entries.get(_EXIF_POINTER)
    return None if pointer is None else _directory(block, order, struct.unpack(order + "I", pointer[8:])[0])


def _value(block: bytes, order: str, entry: bytes | None, most: int) -> bytes | None:
    if entry is None:
        return None
    kind, count = struct.unpack_from(order + "HI", entry, 2)
    size = _SIZES.get(kind, 0) * count
    if size <= 4:
        return entry[8 : 8 + size]
    (at,) = struct.unpack_from(order + "I", entry, 8)
    return block[at : at + size] if size <= most and at + size <= len(block) else None


def _comment_text(comment: bytes) -> str:
    encoding, text = comment[:8], comment[8:]
    if encoding == _UNICODE:
        # UTF-16 without saying which: most of these texts is ASCII, where the high byte is zero.
        high_first = text[::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if high_first else "utf-16-le", "replace").removeprefix("\ufeff").rstrip("\0")
    if encoding != _ASCII and encoding.strip(b"\0"):
        # Written without the eight bytes that the standard asks for.
        text = comment
    try:
        return text.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        return text.decode("latin-1").rstrip("\0")


def _pointed_at(block: bytes, order: str, target: int) -> bytes:
    """The block with its EXIF pointer at `target`; where it has none, its first directory is written anew after that."""
    first = _first(block, order)
    place = first.places.get(_EXIF_POINTER)
    where = struct.pack(order + "I", target)
    if place is not None:
        return block[: place + 8] + where + block[place + 12 :]
    # The new first directory comes right here, and the EXIF directory after it.
    length = 2 + 12 * (len(first.entries) + 1) + 4
    pointer = struct.pack(order + "HHII", _EXIF_POINTER, _LONG, 1, target + length)
    entries = {**first.entries, _EXIF_POINTER: pointer}
    return block[:4] + where + block[8:] + _directory_bytes(_Directory(entries, {}, first.after), order, target, {})


def _directory_bytes(directory: _Directory, order: str, at: int, values: dict[int, bytes]) -> bytes:
    """A directory that lies at `at`, with these values (longer than 4 bytes) behind it."""
    entries = dict(directory.entries)
    behind = at + 2 + 12 * len(entries.keys() | values.keys()) + 4
    tail = b""
    for tag, value in values.items():
        entries[tag] = struct.pack(order + "HHII", tag, _UNDEFINED, len(value), behind + len(tail))
        tail += value + bytes(len(value) % 2)
    count = struct.pack(order + "H", len(entries))
    return count + b"".join(entries[tag] for tag in sorted(entries)) + directory.after + tail
