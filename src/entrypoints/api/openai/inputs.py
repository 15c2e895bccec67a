"""The pictures of an edit, from a form or from JSON in any of the shapes clients send; imports this API's uploads."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

from entrypoints.api.forms import Form, Part
from entrypoints.api.uploads import Inputs, Uploads, decoded
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.formats import media_type_of

_IMAGE = re.compile(r"image(\[[0-9]{0,4}\])?", re.ASCII)
#: Without a mask, this model took the picture's own transparent part for one.
_MASK_IN_PICTURE = "dall-e-2"


@attrs.frozen(kw_only=True)
class Brought:
    """A body, sorted: its texts, and its files as they came."""

    fields: Mapping[str, Any]
    image: bytes | None = attrs.field(default=None, repr=False)
    mask: bytes | None = attrs.field(default=None, repr=False)


def brought_by_form(form: Form) -> Brought:
    """Parts in any order; of several pictures the first counts, and of several fields of one name."""
    texts: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in form.parts:
        name = "image" if _IMAGE.fullmatch(part.name) else part.name
        if name in ("image", "mask"):
            if name not in files:
                files[name] = _file(part, name)
        elif not part.is_file:
            texts.setdefault(name, part.text)
    return Brought(fields=texts, image=files.get("image"), mask=files.get("mask"))


def brought_by_json(body: object) -> Brought:
    """`images` or `image`, alone or in a list, as {image_url: ...} or as text. Raises InvalidRequest."""
    if not isinstance(body, dict):
        raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object or a form.")])
    given = body.get("images") or body.get("image")
    first = given[0] if isinstance(given, list) and given else given
    mask = body.get("mask")
    return Brought(
        fields={name: value for name, value in body.items() if name not in ("images", "image", "mask")},
        image=_picture(first, "images" if body.get("images") else "image") if first else None,
        mask=_picture(mask, "mask") if mask else None,
    )


async def inputs_of(brought: Brought, uploads: Uploads, *, model: str | None) -> Inputs:
    """The pictures cleaned, the mask in the core's convention. Raises InvalidRequest that names the field."""
    if brought.image is None:
        raise InvalidRequest([FieldProblem(field="image", message="is required.")])
    inputs = await uploads.cleaned(brought.image, brought.mask, transparent_repaints=True)
    if brought.mask is None and model == _MASK_IN_PICTURE:
        inputs = attrs.evolve(inputs, mask=await uploads.mask_in(brought.image))
    return inputs


def _file(part: Part, name: str) -> bytes:
    """The bytes of a part, whatever its name and type claim."""
    if part.is_file or media_type_of(part.data) is not None:
        return part.data
    return decoded(part.text, name)


def _picture(value: object, field: str) -> bytes:
    if isinstance(value, dict):
        if value.get("file_id"):
            raise _wrong(field, "must be sent along: this service keeps no files. Use image_url with a data: URL.")
        value = value.get("image_url") or value.get("b64_json")
    if isinstance(value, dict):
        value = value.get("url")
    if isinstance(value, str) and value[:5].lower() in ("http:", "https"):
        raise _wrong(field, "must be a data: URL: this service fetches nothing from other addresses.")
    return decoded(value, field)


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldProblem(field=field, message=message)])
