"""Reads multipart bodies the way the API's gateway does, which is stricter than most parsers: part names must be quoted.

May import the standard library and attrs.
"""

from __future__ import annotations

import re

import attrs

#: The gateway's words; only the first is known verbatim, the prefix is common to all.
NAMELESS = "Malformed FormData request. Content-Disposition header in FormData part is missing a name"
_PREFIX = "Malformed FormData request. "

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_NAME = re.compile(rb';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILENAME = re.compile(rb";\s*filename\*?=", re.IGNORECASE)


class MalformedFormError(ValueError):
    """The body cannot be read; the text is the whole plain-text answer."""


@attrs.frozen(kw_only=True)
class Part:
    """One part of the form: a text field, or a file when it came with a filename."""

    name: str
    data: bytes
    is_file: bool
    media_type: str


def parse(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts by name, the last of a name winning; raises MalformedFormError."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise MalformedFormError(_PREFIX + "No boundary in the content type")
    delimiter = b"\r\n--" + (match[1] or match[2]).encode()
    chunks = (b"\r\n" + body).split(delimiter)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        raise MalformedFormError(_PREFIX + "The body does not end with the boundary")
    parts = (_part(chunk) for chunk in chunks[1:-1])
    return {part.name: part for part in parts}


def _part(chunk: bytes) -> Part:
    head, separator, data = chunk.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise MalformedFormError(_PREFIX + "A part has no end of headers")
    headers = dict(_header(line) for line in head.split(b"\r\n"))
    disposition = headers.get(b"content-disposition", b"")
    name = _NAME.search(disposition)
    if name is None:
        raise MalformedFormError(NAMELESS)
    return Part(
        name=name[1].decode("utf-8", "replace"),
        data=data,
        is_file=_FILENAME.search(disposition) is not None,
        media_type=headers.get(b"content-type", b"").decode("latin-1"),
    )


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()
