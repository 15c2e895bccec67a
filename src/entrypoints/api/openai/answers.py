"""The pictures of a job as OpenAI's answers hold them; imports Starlette, the service and this package."""

import asyncio
import base64
import time
from typing import Any

import attrs
from starlette.requests import Request

from entrypoints.api.config import ApiConfig
from entrypoints.api.openai.fields import ImageFields
from imaging_core.images import ImageRef
from imaging_core.jobs import Job
from imaging_core.opened import whole
from imaging_core.service import ImagingService

#: Values of `quality` that an answer may repeat, with the old words in the new ones.
_QUALITIES = {
    **{word: word for word in ("low", "medium", "high", "xhigh", "max")},
    "standard": "medium",
    "hd": "high",
}
#: How long an address of a picture is good, in s, as OpenAI's are.
_URL_TTL_S = 3600.0

#: Nobody counts tokens here; clients that add them up find none.
USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "total_tokens": 0,
}


@attrs.frozen(kw_only=True)
class Wanted:
    """In which shape the pictures are asked for."""

    #: None for the file as the backend gave it.
    media_type: str | None
    #: Of a JPEG or a WebP, 1..100; None for the usual one.
    compression: int | None
    #: Addresses instead of bytes.
    urls: bool
    #: As it is repeated; None for none, or one that is unknown.
    quality: str | None
    #: As it was asked for.
    size: str

    @classmethod
    def of(cls, fields: ImageFields) -> "Wanted":
        """What a call's fields want."""
        quality = fields.quality if isinstance(fields.quality, str) else ""
        return cls(
            media_type=fields.media_type,
            compression=fields.compression,
            urls=fields.response_format == "url",
            quality=_QUALITIES.get(quality),
            size=fields.size or "auto",
        )

    def remade(self, media_type: str) -> bool:
        """Whether a file of that type must be made anew."""
        return self.media_type is not None and (self.media_type != media_type or self.compression is not None)

    def format_of(self, media_type: str) -> str:
        """`output_format` of an answer for a file of that type."""
        return (self.media_type or media_type).removeprefix("image/")


class Pictures:
    """Finished pictures as bytes in base64, or as signed addresses."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    async def answer(self, request: Request, job: Job, wanted: Wanted) -> dict[str, Any]:
        """The body of an answer. Raises ImageNotAvailable, Unavailable."""
        data = []
        for ref in job.images:
            if wanted.urls:
                data.append({"url": self._url(request, job, ref, wanted)})
            else:
                data.append({"b64_json": await self.base64_of(ref, wanted)})
        first = job.images[0]
        answer: dict[str, Any] = {
            "created": int((job.finished_at or job.created_at).timestamp()),
            "background": "opaque",
            "data": data,
            "output_format": wanted.format_of(first.media_type),
            "size": f"{first.width}x{first.height}",
            "usage": USAGE,
        }
        return answer if wanted.quality is None else {**answer, "quality": wanted.quality}

    async def completed(self, kind: str, job: Job, ref: ImageRef, wanted: Wanted) -> dict[str, Any]:
        """The data of a stream's last event for a picture. Raises ImageNotAvailable, Unavailable."""
        return {
            "type": f"{kind}.completed",
            "b64_json": await self.base64_of(ref, wanted),
            "background": "opaque",
            "created_at": int((job.finished_at or job.created_at).timestamp()),
            "output_format": wanted.format_of(ref.media_type),
            "quality": wanted.quality or "auto",
            "size": f"{ref.width}x{ref.height}",
            "usage": USAGE,
        }

    async def partial(self, kind: str, data: bytes, media_type: str, index: int, wanted: Wanted) -> dict[str, Any]:
        """The data of a stream's event for a preview. Raises ImageNotAvailable."""
        if wanted.media_type not in (None, media_type):

            async def read() -> bytes:
                return data

            data = await self._config.renderer.converted(read, media_type=wanted.media_type, quality=None)
            media_type = wanted.media_type
        return {
            "type": f"{kind}.partial_image",
            "b64_json": await _encoded(data),
            "background": "opaque",
            "created_at": int(time.time()),
            "output_format": media_type.removeprefix("image/"),
            "partial_image_index": index,
            "quality": wanted.quality or "auto",
            "size": wanted.size,
        }

    async def base64_of(self, ref: ImageRef, wanted: Wanted) -> str:
        """A picture in the shape that is wanted. Raises ImageNotAvailable, Unavailable."""

        async def read() -> bytes:
            return await whole(await self._service.store.open(ref))

        if not wanted.remade(ref.media_type):
            return await _encoded(await read())
        assert wanted.media_type is not None  # noqa: S101  # narrows for the type checker
        made = await self._config.renderer.converted(read, media_type=wanted.media_type, quality=wanted.compression)
        return await _encoded(made)

    def _url(self, request: Request, job: Job, ref: ImageRef, wanted: Wanted) -> str:
        address = self._config.public_url or str(request.base_url).rstrip("/")
        link = self._config.access.signer.sign(job.id, ref.index, _URL_TTL_S)
        if wanted.remade(ref.media_type):
            # The signature is for the picture, whatever shape it is asked for in.
            link += f"&format={wanted.format_of(ref.media_type)}"
            link += "" if wanted.compression is None else f"&quality={wanted.compression}"
        return f"{address}{link}"


#: From this many bytes on, base64 is made in a thread.
_LITTLE = 1 << 18


async def _encoded(data: bytes) -> str:
    encoded = base64.b64encode(data) if len(data) <= _LITTLE else await asyncio.to_thread(base64.b64encode, data)
    return encoded.decode("ascii")
