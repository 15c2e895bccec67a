"""Takes a multipart form apart, of which nothing is believed but its own limits; imports python-multipart and this package.

The body is in memory already, within the limit for bodies, so that no file is left behind by whoever goes away.
"""

from collections.abc import Iterator

import attrs
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from entrypoints.api.problems import Problem

#: Most parts of a form, and longest text field in bytes: a prompt and then some.
MAX_PARTS = 100
MAX_TEXT = 65_536


@attrs.frozen(kw_only=True)
class Part:
    """One part of a form."""

    name: str
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    #: Whether it came with a file name, whatever that was.
    is_file: bool

    @property
    def text(self) -> str:
        """The part as text. Raises Problem (400) for what is none."""
        try:
            text = self.data.decode("utf-8")
        except UnicodeDecodeError:
            raise _malformed("A text field is not valid UTF-8.") from None
        if len(self.data) > MAX_TEXT:
            raise _malformed(f"A text field has more than {MAX_TEXT} bytes.")
        if "\x00" in text:
            raise _malformed("A text field contains NUL.")
        return text


@attrs.frozen(kw_only=True)
class Form:
    """The parts of a form, in order."""

    parts: tuple[Part, ...]

    def named(self, name: str) -> Iterator[Part]:
        """The parts of that name."""
        return (part for part in self.parts if part.name == name)


def parse_form(body: bytes, content_type: str) -> Form:
    """The form that a body of that Content-Type is. Takes CPU time. Raises Problem (400)."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _malformed("The header Content-Type has no boundary. Let your HTTP library set it.")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks)  # type: ignore[arg-type]
        parser.write(body)
    except FormParserError:
        raise _malformed("It cannot be taken apart at its boundary.") from None
    if not reading.ended:
        raise _malformed("It is cut off: its closing boundary is missing.")
    return Form(parts=tuple(reading.parts))


class _Reading:
    """What the parser has found so far."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._data = bytearray()
        self._header, self._value = b"", b""
        self._disposition = b""
        self.callbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_part_data": self._part_data,
            "on_part_end": self._part_ends,
            "on_end": self._ends,
        }

    def _part_begins(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise _malformed(f"It has more than {MAX_PARTS} parts.")
        self._data, self._disposition = bytearray(), b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _part_ends(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name")
        if name is None:
            raise _malformed("A part has no name.")
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            raise _malformed("The name of a part is not valid UTF-8.") from None
        self.parts.append(Part(name=text, data=bytes(self._data), is_file=b"filename" in options))
        self._data = bytearray()

    def _ends(self) -> None:
        self.ended = True


def _malformed(what: str) -> Problem:
    return Problem("bad-request", 400, f"The multipart form is malformed. {what}")
