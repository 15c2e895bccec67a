"""Kind and size of a picture from its header, compared with what Pillow writes."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imaging_core.formats import PictureHeader, header_of, media_type_of

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {}),
    "jpeg": ("JPEG", {}),
    "progressive jpeg": (
        "JPEG",
        {"progressive": True, "exif": b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x00\x00\x00"},
    ),
    "lossy webp": ("WEBP", {"quality": 50}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "extended webp": ("WEBP", {"exif": b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x00\x00\x00"}),
}


def encoded(kind: str, width: int, height: int) -> bytes:
    name, options = KINDS[kind]
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(out, name, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (70, 100), (3, 257)])
def test_kind_and_size_are_those_that_were_written(kind: str, size: tuple[int, int]) -> None:
    data = encoded(kind, *size)

    assert header_of(data) == PictureHeader(media_type=f"image/{KINDS[kind][0].lower()}", width=size[0], height=size[1])
    assert media_type_of(data) == f"image/{KINDS[kind][0].lower()}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_judged_without_an_error(kind: str) -> None:
    data = encoded(kind, 70, 100)
    whole = header_of(data)

    for length in range(min(len(data), 400)):
        assert header_of(data[:length]) in (None, whole)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x04\x00\x00\x00WEBP", b"<svg/>"]
)
def test_what_is_no_picture_has_no_header(data: bytes) -> None:
    assert header_of(data) is None


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBPVP8X"]), st.binary(max_size=200)
)
def test_no_bytes_make_it_raise(start: bytes, rest: bytes) -> None:
    header = header_of(start + rest)

    assert header is None or (header.width > 0 and header.height > 0)
