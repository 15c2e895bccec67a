"""Makes true, decodable pictures once per size and hands out stamped copies, so that the fake is faster than its caller.

May import the standard library, attrs and Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache

import attrs
from PIL import Image, ImageFilter, ImageOps

#: Pillow's names.
_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_JPEG_COMMENT_MAX = 65533


@attrs.frozen(kw_only=True)
class Template:
    """A picture cut open where a small stamp goes, so that no two answers have the same bytes."""

    kind: str
    head: bytes
    tail: bytes

    def stamped(self, text: str) -> bytes:
        """The whole picture with `text` in a comment that decoders skip."""
        stamp = _comment(self.kind, text.encode())
        if self.kind != "webp":
            return self.head + stamp + self.tail
        body = self.head[8:] + stamp + self.tail
        return b"RIFF" + struct.pack("<I", len(body)) + body


@lru_cache(maxsize=64)
def template(*, width: int, height: int, kind: str, filtered: bool = False, target: int = 0) -> Template:
    """A picture of `width` x `height` px in png, jpeg or webp, padded to about `target` bytes, blurred when filtered."""
    return cut_open(_draw(width, height, filtered=filtered), kind, target=target)


def cut_open(picture: Image.Image, kind: str, *, target: int = 0) -> Template:
    """That picture in png, jpeg or webp, padded to about `target` bytes."""
    raw = _encode(picture, kind)
    padding = _padding(kind, target - len(raw))
    if kind == "png":  # before IEND, which has 12 bytes
        return Template(kind=kind, head=raw[:-12] + padding, tail=raw[-12:])
    if kind == "jpeg":  # after SOI, which has 2
        return Template(kind=kind, head=raw[:2], tail=padding + raw[2:])
    return Template(kind=kind, head=raw, tail=padding)


def pixel_bomb(side: int = 20000) -> bytes:
    """A small PNG whose header promises `side` x `side` px."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


@lru_cache(maxsize=2)
def gzip_bomb(megabytes: int) -> bytes:
    """One gzip member that unpacks to that many MiB of zeros and is about a thousandth of it."""
    block = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A full flush resets the window, so the same compressed block may be repeated.
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(block, checksum)
    trailer = struct.pack("<II", checksum, (megabytes << 20) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed * megabytes + packer.flush(zlib.Z_FINISH) + trailer


def _draw(width: int, height: int, *, filtered: bool) -> Image.Image:
    size = (width, height)
    across = Image.linear_gradient("L")
    bands = (across.resize(size), Image.radial_gradient("L").resize(size), across.rotate(90).resize(size))
    picture = Image.merge("RGB", bands)
    return ImageOps.invert(picture).filter(ImageFilter.BoxBlur(24)) if filtered else picture


def _encode(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    options = {"compress_level": 1} if kind == "png" else {"quality": 80}
    picture.save(buffer, _FORMATS[kind], **options)
    return buffer.getvalue()


def _padding(kind: str, size: int) -> bytes:
    if size <= 16:
        return b""
    if kind == "jpeg":
        whole, rest = divmod(size, _JPEG_COMMENT_MAX + 4)
        return _comment(kind, bytes(_JPEG_COMMENT_MAX)) * whole + _comment(kind, bytes(max(rest - 4, 0)))
    return _comment(kind, bytes(size - 12))


def _comment(kind: str, data: bytes) -> bytes:
    if kind == "png":  # lower case first and last: ancillary and safe to copy; second: private
        return _chunk(b"paDd", data)
    if kind == "jpeg":
        return b"\xff\xfe" + struct.pack(">H", len(data) + 2) + data
    return b"PADD" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
