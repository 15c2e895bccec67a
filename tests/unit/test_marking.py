"""Texts in PNG, JPEG and WebP files: put in without touching a pixel, read back by us and by Pillow."""

import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from imaging_core.formats import header_of
from imaging_core.marking import Marks, png, read_marks, with_marks
from imaging_core.marking.marks import MAX_TEXT

#: Pictures that WebUI 1.8.0 and 1.10.1 made.
WEBUI = Path(__file__).parents[1] / "data" / "sdwebui" / "pictures"

KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("PNG", "RGB", {}),
    "png with transparency": ("PNG", "RGBA", {}),
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg with a profile": ("JPEG", "RGB", {"icc_profile": b"p" * 200, "comment": b"hello"}),
    "lossy webp": ("WEBP", "RGB", {}),
    "lossless webp": ("WEBP", "RGB", {"lossless": True}),
    "lossless webp with transparency": ("WEBP", "RGBA", {"lossless": True}),
    "lossy webp with transparency": ("WEBP", "RGBA", {}),
    "extended webp": ("WEBP", "RGB", {"icc_profile": b"p" * 201}),
}
MARKS = Marks(parameters="a cat\nSteps: 3, Sampler: Euler, Seed: 1", record='{"schema": 1}')
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300)


def encoded(kind: str, **further: Any) -> bytes:
    name, mode, options = KINDS[kind]
    image = Image.linear_gradient("L").resize((37, 41)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((37, 41)))
    out = io.BytesIO()
    image.save(out, name, **options, **further)
    return out.getvalue()


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.mode, image.size, image.tobytes()


def user_comment(data: bytes) -> str:
    """As the WebUI reads it: the EXIF tag, eight bytes that name the encoding, UTF-16 with the high byte first."""
    with Image.open(io.BytesIO(data)) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert isinstance(comment, bytes)
    assert comment[:8] == b"UNICODE\0"
    return comment[8:].decode("utf-16-be")


def exif_of(**tags: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description that is longer than four bytes"
    for tag, value in tags.items():
        exif.get_ifd(0x8769)[int(tag.removeprefix("t"), 16)] = value
    return exif


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_back_and_no_pixel_changes(kind: str) -> None:
    data = encoded(kind)

    marked = with_marks(data, MARKS)

    assert read_marks(data) == Marks()
    assert read_marks(marked) == MARKS
    assert pixels(marked) == pixels(data)
    assert header_of(marked) == header_of(data)


@pytest.mark.parametrize("kind", KINDS)
def test_pillow_reads_what_was_written(kind: str) -> None:
    marked = with_marks(encoded(kind), Marks(parameters="naïve café 日本 🐈\nSteps: 3", record='{"a": 1}'))

    with Image.open(io.BytesIO(marked)) as image:
        if image.format == "PNG":
            assert isinstance(image, PngImagePlugin.PngImageFile)
            assert image.text == {"parameters": "naïve café 日本 🐈\nSteps: 3", "imaging": '{"a": 1}'}
        else:
            assert user_comment(marked) == "naïve café 日本 🐈\nSteps: 3"
            assert image.getexif().get_ifd(0x8769)[0x927C] == b'imaging\0{"a": 1}'


@given(st.sampled_from(list(KINDS)), TEXTS, TEXTS)
@settings(max_examples=150, deadline=None)
def test_any_text_survives_in_any_format(kind: str, parameters: str, record: str) -> None:
    # In UTF-16 without a mark of its byte order, text that is not mostly ASCII would be a guess.
    marks = Marks(parameters=f"{parameters}\nSteps: 20, Sampler: Euler a" + "." * len(parameters), record=record)

    assert read_marks(with_marks(encoded(kind), marks)) == marks


@pytest.mark.parametrize("kind", ["jpeg", "lossy webp", "extended webp"])
def test_exif_that_was_there_stays(kind: str) -> None:
    data = encoded(kind, exif=exif_of(t9003="2026:01:02 03:04:05"))

    marked = with_marks(data, MARKS)

    assert read_marks(marked) == MARKS
    assert pixels(marked) == pixels(data)
    with Image.open(io.BytesIO(marked)) as image:
        exif = image.getexif()
        assert exif[0x0112] == 6
        assert exif[0x010E] == "a description that is longer than four bytes"
        assert exif.get_ifd(0x8769)[0x9003] == "2026:01:02 03:04:05"
    assert marked.count(b"Exif\0\0" if kind == "jpeg" else b"EXIF") == 1


@pytest.mark.parametrize("kind", ["jpeg", "lossy webp"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_without_a_directory_of_its_own_gets_one(kind: str, order: str) -> None:
    block = {"<": b"II\x2a\0", ">": b"MM\0\x2a"}[order] + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    data = encoded(kind, exif=b"Exif\0\0" + block)

    marked = with_marks(data, MARKS)

    assert read_marks(marked) == MARKS
    with Image.open(io.BytesIO(marked)) as image:
        assert image.getexif()[0x0112] == 6


@pytest.mark.parametrize("kind", ["png", "jpeg", "lossy webp"])
def test_parameters_that_the_maker_wrote_stay_and_our_record_comes_beside_them(kind: str) -> None:
    theirs = "their own\nSteps: 1, Sampler: DDIM, Seed: 9"
    data = with_marks(encoded(kind), Marks(parameters=theirs))

    marked = with_marks(data, MARKS)

    assert read_marks(marked) == Marks(parameters=theirs, record=MARKS.record)


@pytest.mark.parametrize("text", [b"hidden", b"x" * 5000])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iTXt packed", b"tEXt"])
@pytest.mark.parametrize("place", ["before the pixels", "behind them"])
def test_every_kind_of_text_chunk_is_read_wherever_it_is(kind: bytes, text: bytes, place: str) -> None:
    content = {
        b"tEXt": b"parameters\0" + text,
        b"zTXt": b"parameters\0\0" + zlib.compress(text),
        b"iTXt": b"parameters\0\0\0de\0Parameter\0" + text,
        b"iTXt packed": b"parameters\0\x01\0de\0Parameter\0" + zlib.compress(text),
    }[kind]
    data = encoded("png")
    at = 33 if place == "before the pixels" else len(data) - 12
    chunk = struct.pack(">I", len(content)) + kind[:4] + content + struct.pack(">I", zlib.crc32(kind[:4] + content))

    assert read_marks(data[:at] + chunk + data[at:]).parameters == text.decode()


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_that_would_unpack_to_gigabytes_is_not_unpacked(kind: bytes) -> None:
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(40)) + bomb.flush()
    content = b"parameters\0" + (b"\0" if kind == b"zTXt" else b"\x01\0\0\0") + packed
    data = encoded("png")
    chunk = struct.pack(">I", len(content)) + kind + content + bytes(4)

    began = time.perf_counter()
    marks = read_marks(data[:33] + chunk + data[33:])

    assert marks == Marks()
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_neither_an_error_nor_made_worse(kind: str) -> None:
    data = with_marks(encoded(kind), MARKS)

    for length in range(0, len(data), 3):
        cut = data[:length]
        read_marks(cut)
        again = with_marks(cut, Marks(parameters="other", record="{}"))
        assert again == cut or read_marks(again).record == "{}"


@given(st.sampled_from(list(KINDS)), st.integers(0, 600), st.binary(min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_never_raises(kind: str, at: int, damage: bytes) -> None:
    data = with_marks(encoded(kind), MARKS)
    damaged = data[:at] + damage + data[at + len(damage) :]

    read_marks(damaged)
    assert len(with_marks(damaged, MARKS)) >= len(damaged)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_picture_comes_back_as_it_was(data: bytes) -> None:
    assert with_marks(data, MARKS) == data
    assert read_marks(data) == Marks()


def test_a_jpeg_without_room_for_both_keeps_the_parameters_and_without_room_for_them_stays() -> None:
    data = encoded("jpeg")

    crowded = with_marks(data, Marks(parameters="p" * 20_000, record="r" * 30_000))
    too_long = with_marks(data, Marks(parameters="p" * 40_000, record="r"))

    assert read_marks(crowded) == Marks(parameters="p" * 20_000)
    assert too_long == data


def test_exif_comments_of_other_writers_are_read() -> None:
    text = "a cat, 日本\nSteps: 3, Sampler: Euler, Seed: 1"
    for comment in (
        b"UNICODE\0" + text.encode("utf-16-le"),
        b"UNICODE\0" + text.encode("utf-16-be"),
        b"ASCII\0\0\0" + text.encode(),
        bytes(8) + text.encode(),
        text.encode(),
    ):
        data = encoded("jpeg", exif=exif_of(t9286=comment))

        assert read_marks(data).parameters == text


def test_a_webp_keeps_what_its_flags_say() -> None:
    marked = with_marks(encoded("lossless webp with transparency"), MARKS)

    assert marked[12:16] == b"VP8X"
    assert marked[20] == 0x18
    assert int.from_bytes(marked[4:8], "little") == len(marked) - 8


def test_our_record_is_replaced_where_the_format_has_one_place_for_it() -> None:
    for kind in ("jpeg", "lossy webp", "png"):
        twice = with_marks(with_marks(encoded(kind), MARKS), Marks(record='{"second": true}'))

        assert read_marks(twice) == Marks(parameters=MARKS.parameters, record='{"second": true}')


def test_many_chunks_cost_no_time() -> None:
    data = encoded("png")
    chunk = struct.pack(">I", 0) + b"teSt" + bytes(4)

    began = time.perf_counter()
    read_marks(data[:33] + chunk * 1_500_000 + data[33:])

    assert time.perf_counter() - began < 1


def test_of_many_texts_that_are_too_long_one_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []

    def inflated(content: bytes, most: int) -> bytes | None:
        unpacked.append(content)
        return _inflated(content, most)

    _inflated = png._inflated
    monkeypatch.setattr(png, "_inflated", inflated)
    content = b"zTXtparameters\0\0" + zlib.compress(bytes(MAX_TEXT + 1))
    chunk = struct.pack(">I", len(content) - 4) + content + bytes(4)
    data = encoded("png")

    assert read_marks(data[:33] + 50 * chunk + data[33:]) == Marks()
    assert len(unpacked) == 1


@pytest.mark.parametrize("path", sorted(WEBUI.iterdir()), ids=lambda path: path.name)
def test_a_picture_of_the_webui_keeps_its_text_and_gets_our_record(path: Path) -> None:
    data = path.read_bytes()

    marked = with_marks(data, MARKS)

    theirs = read_marks(data).parameters
    assert theirs is not None
    assert "Steps: 3" in theirs
    assert read_marks(marked) == Marks(parameters=theirs, record=MARKS.record)
    assert pixels(marked) == pixels(data)
    if path.suffix != ".png":
        assert user_comment(marked) == theirs


@pytest.mark.parametrize("part", [b"\xff\xfe\x00\x02", b"\xff"], ids=["segments", "filling"])
def test_a_jpeg_made_of_tiny_segments_is_not_followed_to_its_end(part: bytes) -> None:
    data = b"\xff\xd8" + part * ((12 << 20) // len(part))

    began = time.process_time()
    assert read_marks(data) == Marks()
    assert header_of(data) is None

    assert time.process_time() - began < 0.5
