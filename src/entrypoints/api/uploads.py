"""Pictures that come with a request: as files, as base64, or as an earlier picture of the caller's; imports Starlette and this package.

Nothing that was sent reaches the core before it was judged, decoded and written anew by the app's intake.
"""

import asyncio
import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
from starlette.requests import Request

from entrypoints.api.bodies import parsed, read_body
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.forms import Form, parse_form
from entrypoints.api.problems import Problem
from imaging_core.errors import (
    FieldProblem,
    ImageNotAvailable,
    ImageNotReady,
    InvalidRequest,
    JobDeleted,
    JobNotFound,
)
from imaging_core.opened import whole
from imaging_core.service import ImagingService

FORM, JSON = "multipart/form-data", "application/json"

#: Bytes of all uploads that may be in memory at a time, before further ones are asked to come back.
ROOM_BYTES = 256 << 20
#: What a body of some bytes takes while it is read, decoded from base64 and cleaned.
_COPIES = 3
#: Characters of base64 that are decoded at a time: each piece but the last stands for whole bytes without padding.
_PIECE = 1 << 20


@attrs.frozen(kw_only=True)
class Inputs:
    """Clean pictures for a submit."""

    init_image: bytes
    mask: bytes | None = None
    #: Size of the picture in px.
    width: int
    height: int


class Uploads:
    """Reads bodies that bring pictures, and cleans what they bring."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config
        self._taken = 0

    @contextmanager
    def room(self) -> Iterator["Share"]:
        """Room for one request's body and pictures, given back on leaving."""
        share = Share(self)
        try:
            yield share
        finally:
            self._taken -= share.taken

    def take(self, size: int) -> None:
        """Raises Problem (503) when there is no room for so many more bytes."""
        if self._taken + size > ROOM_BYTES:
            detail = "Too many pictures are being uploaded. Try again in 2 s."
            raise Problem("unavailable", 503, detail, headers={"retry-after": "2"})
        self._taken += size

    async def read(self, request: Request, share: "Share") -> Form | object:
        """The form, or the JSON value. Raises Problem (400, 408, 413, 415, 503), and ClientDisconnect."""
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in (FORM, JSON):
            accepted = {"accept-post": f"{FORM}, {JSON}"}
            raise Problem("unsupported-media-type", 415, f"Send {FORM} or {JSON}.", headers=accepted)
        body = await read_body(
            request,
            limit=self._config.max_picture_bytes,
            deadline_s=self._config.upload_deadline_s,
            arrived=share.take_copies,
        )
        if kind == FORM:
            return await asyncio.to_thread(parse_form, body, content_type)
        return await asyncio.to_thread(parsed, body)

    async def cleaned(
        self,
        image: bytes,
        mask: bytes | None = None,
        *,
        transparent_repaints: bool = False,
        names: tuple[str, str] = ("image", "mask"),
    ) -> Inputs:
        """The pictures, fit for `ImagingService.submit`; a mask's white part is painted anew, or its transparent one.

        Raises InvalidRequest that names the field.
        """
        with _refusals(names[0]):
            picture = await self._config.intake.picture(image)
        made = None
        if mask is not None:
            with _refusals(names[1]):
                made = await self._config.intake.mask(
                    mask, transparent_repaints=transparent_repaints, size=(picture.width, picture.height)
                )
        return Inputs(
            init_image=picture.data,
            mask=None if made is None else made.data,
            width=picture.width,
            height=picture.height,
        )

    async def mask_in(self, image: bytes, *, name: str = "image") -> bytes | None:
        """The mask that a picture's own transparent part stands for. Raises InvalidRequest that names the field."""
        with _refusals(name):
            mask = await self._config.intake.mask_in(image)
        return None if mask is None else mask.data

    async def earlier(self, request: Request, image_id: str, index: int) -> bytes:
        """A finished picture that the caller may see. Raises InvalidRequest that names the field."""
        try:
            _, opened = await self._service.read_image(image_id, index, owner=caller_of(request).sees)
            return await whole(opened)
        except (JobNotFound, JobDeleted, ImageNotReady, ImageNotAvailable) as error:
            raise InvalidRequest([FieldProblem(field="image_id", message=str(error))]) from None


class Share:
    """What one request takes of the room for uploads, in bytes."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.taken = 0

    def take(self, size: int) -> None:
        """Raises Problem (503) when there is no room for so many more."""
        self._uploads.take(size)
        self.taken += size

    def take_copies(self, size: int) -> None:
        """The same for so many bytes of a body, which are copied on their way."""
        self.take(size * _COPIES)


def decoded(value: object, field: str) -> bytes:
    """The bytes that a text stands for: base64, or a data: URL with base64. Raises InvalidRequest.

    To be called in a thread: 20 MB take 60 ms. It is done in pieces, since the decoder lets no other thread run meanwhile.
    """
    message = "must be the file in base64, or a data: URL."
    if not isinstance(value, str):
        raise InvalidRequest([FieldProblem(field=field, message=message)])
    text = value
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise InvalidRequest([FieldProblem(field=field, message=message)])
    wrong = InvalidRequest([FieldProblem(field=field, message="is no valid base64.")])
    bare = text.rstrip("=")
    if len(bare) % 4 == 0:
        # Needless padding, which decoders let pass, might else begin a piece.
        text = bare
    try:
        pieces = [base64.b64decode(text[at : at + _PIECE], validate=True) for at in range(0, len(text), _PIECE)]
    except (binascii.Error, ValueError):
        raise wrong from None
    if any(len(piece) < _PIECE // 4 * 3 for piece in pieces[:-1]):
        # Padded before the end.
        raise wrong
    return b"".join(pieces)


@contextmanager
def _refusals(field: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidRequest([FieldProblem(field=field, message=str(error))]) from None


def texts_of(form: Form, files: frozenset[str]) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """A form's text fields (a list where one comes more than once) and its files. Raises InvalidRequest."""
    texts: dict[str, Any] = {}
    found: dict[str, bytes] = {}
    for part in form.parts:
        if part.name in files:
            if part.name in found:
                raise InvalidRequest([FieldProblem(field=part.name, message="must come once.")])
            found[part.name] = part.data
        elif part.is_file:
            message = f"A file came under a name that is not known here. Files are: {', '.join(sorted(files))}."
            raise InvalidRequest([FieldProblem(field="", message=message)])
        elif part.name in texts:
            earlier = texts[part.name]
            texts[part.name] = [*(earlier if isinstance(earlier, list) else [earlier]), part.text]
        else:
            texts[part.name] = part.text
    return texts, found
