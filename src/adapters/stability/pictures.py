"""The pictures of a call as parts of its form, within what the API takes.

May import the core and Pillow.
"""

import io

from PIL import Image

from imaging_core.errors import CallRejected
from imaging_core.formats import JPEG, media_type_of
from imaging_core.images import Operation
from imaging_core.ports import GenerationCall

#: The API takes 10 MiB in all; what is not the picture is small.
_MOST_BYTES = 9 << 20
_QUALITY = 95

#: A file name, the bytes and their type, as the HTTP library wants them.
FilePart = tuple[str, bytes, str]


def pictures_of(call: GenerationCall) -> dict[str, FilePart]:
    """The file parts of a call. Takes CPU time for large pictures. Raises CallRejected for one that is missing."""
    if call.request.operation is Operation.GENERATE:
        return {}
    if call.init_image is None:
        raise CallRejected("The call begins with a picture, and there is none.")
    parts = {"image": _part("image", _within(call.init_image))}
    if call.mask is not None:
        parts["mask"] = _part("mask", call.mask)
    return parts


def _part(name: str, data: bytes) -> FilePart:
    media_type = media_type_of(data) or "application/octet-stream"
    return f"{name}.{media_type.rpartition('/')[2]}", data, media_type


def _within(data: bytes) -> bytes:
    """The picture, as JPEG if it were too large otherwise."""
    if len(data) <= _MOST_BYTES or media_type_of(data) == JPEG:
        return data
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    except (OSError, SyntaxError, ValueError) as error:
        raise CallRejected("The picture that the call begins with cannot be decoded.") from error
    return buffer.getvalue()
