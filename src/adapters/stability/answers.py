"""Reads an answer no further than its limit and takes nothing in it on trust: type, magic bytes, size, every pixel.

May import the core, httpcore and Pillow.
"""

import asyncio
import base64
import contextlib
import io
import json
import logging
import zlib
from collections.abc import Callable, Mapping
from functools import partial

import attrs
import httpcore
from PIL import Image

from adapters.stability.failures import BROKEN, bad_answer
from imaging_core.errors import Charged
from imaging_core.formats import PictureHeader, header_of, media_type_of
from imaging_core.images import MAX_SEED, GeneratedImage
from imaging_core.whole_png import surely_whole

log = logging.getLogger("imaging.stability")

_JSON = "application/json"
_SUCCESS = "SUCCESS"
_FILTERED = "CONTENT_FILTERED"
#: Longest side of a picture in px; no route of the API gives more.
_MAX_SIDE = 16_384
#: How much of an error is read, in bytes and s.
_ERROR_BODY = 64 * 1024
_ERROR_BODY_S = 5.0


@attrs.frozen(kw_only=True)
class Answer:
    """A whole answer, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def read_answer(response: httpcore.Response, *, limit: int) -> Answer:
    """The answer with its body, which must not exceed `limit` bytes packed or unpacked.

    Raises BadAnswer for a larger one and httpcore's errors for a broken one.
    """
    headers = _headers(response)
    unpack = _unpacker(headers.get("content-encoding", "identity").strip().lower())
    body = bytearray()
    received = 0
    async for chunk in response.aiter_stream():
        received += len(chunk)
        body += chunk if unpack is None else _unpacked(unpack, chunk, limit - len(body))
        if max(received, len(body)) > limit:
            raise bad_answer(f"with more than {limit >> 20} MB", charged=Charged.UNKNOWN)
    if unpack is not None and not unpack.eof:
        raise bad_answer("with a compressed body that ends too early", charged=Charged.UNKNOWN)
    return Answer(status=response.status, headers=headers, body=bytes(body))


async def read_error(response: httpcore.Response) -> Answer:
    """The beginning of an answer other than 200: its status says enough, so a slow or broken body is cut short."""
    body = bytearray()
    with contextlib.suppress(*BROKEN, httpcore.TimeoutException, TimeoutError):
        async with asyncio.timeout(_ERROR_BODY_S):
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) >= _ERROR_BODY:
                    break
    return Answer(status=response.status, headers=_headers(response), body=bytes(body))


def _headers(response: httpcore.Response) -> Mapping[str, str]:
    """By names in lower case; of two with one name the last counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def is_quick(answer: Answer) -> bool:
    """Whether `picture_in` takes no time worth a thread."""
    return _media_type(answer) != _JSON


def picture_in(answer: Answer, *, asked_seed: int, max_pixels: int) -> tuple[GeneratedImage, Callable[[], None]]:
    """The picture of a 200 as its header has it, and its proof, which decodes it in a thread. Both raise BadAnswer."""
    media_type = _media_type(answer)
    if media_type == _JSON:
        data, reason, seed = _from_json(answer.body)
    elif media_type.startswith("image/"):
        data, reason, seed = answer.body, answer.headers.get("finish-reason"), answer.headers.get("seed")
    else:
        raise bad_answer("with something that is no picture; check the base URL", charged=Charged.UNKNOWN)
    if reason not in (_SUCCESS, _FILTERED):
        what = "without saying that it succeeded" if reason is None else "with a finish reason that is not known"
        raise bad_answer(what, charged=Charged.UNKNOWN)
    header = _header_in(data, max_pixels)
    if media_type.startswith("image/") and header.media_type != media_type:
        log.warning("Stability AI labelled a picture %s, but it is %s.", media_type[:40], header.media_type)
    image = GeneratedImage(
        data=data,
        media_type=header.media_type,
        width=header.width,
        height=header.height,
        seed=_seed(seed, asked_seed),
        filtered=reason == _FILTERED,
    )
    return image, partial(_prove, data, header)


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unpacker(encoding: str) -> "zlib._Decompress | None":
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)
    # We ask for identity, so any other encoding is something that we did not ask for and cannot bound.
    raise bad_answer("in an encoding that was not asked for", charged=Charged.UNKNOWN)


def _unpacked(unpack: "zlib._Decompress", chunk: bytes, room: int) -> bytes:
    # zlib gives at most one byte more than there is room for, however much the chunk would unpack to.
    try:
        return unpack.decompress(chunk, max(room, 0) + 1)
    except zlib.error as error:
        raise bad_answer("with a compressed body that is broken", charged=Charged.UNKNOWN) from error


def _from_json(body: bytes) -> tuple[bytes, object, object]:
    try:
        parsed = json.loads(body)
        # The document calls it `image`; on the routes that are polled, live answers call it `result`.
        encoded = parsed["image"] if "image" in parsed else parsed["result"]
        return base64.b64decode(encoded, validate=True), parsed.get("finish_reason"), parsed.get("seed")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise bad_answer("with JSON that holds no picture", charged=Charged.UNKNOWN) from error


def _header_in(data: bytes, max_pixels: int) -> PictureHeader:
    """What the file says it is, if that can be true."""
    if media_type_of(data) is None:
        raise bad_answer("with nothing" if not data else "with a file that is neither PNG, JPEG nor WebP")
    header = header_of(data)
    if header is None:
        raise bad_answer("with a picture that cannot be decoded")
    width, height = header.width, header.height
    # A 20 KB file can ask for gigabytes of pixels.
    if max(width, height) > _MAX_SIDE or width * height > max_pixels:
        raise bad_answer(f"with a picture of {width} x {height} px, which is too large to be true")
    return header


def _prove(data: bytes, header: PictureHeader) -> None:
    """Look at every pixel of a picture whose header has been judged."""
    try:
        with Image.open(io.BytesIO(data), formats=[header.media_type.removeprefix("image/")]) as picture:
            as_told = picture.size == (header.width, header.height)
            if as_told and not surely_whole(data):
                picture.load()
    except Exception as error:  # over damaged data a decoder raises whatever its arithmetic runs into
        raise bad_answer("with a picture that cannot be decoded") from error
    if not as_told:
        raise bad_answer("with a picture that has two sizes")


def _seed(told: object, asked: int) -> int:
    """The seed used; the one asked for when the answer names none that can be true."""
    text = str(told)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_SEED else asked
