"""In which shape a picture is asked for: reads size, format, quality and Accept; imports attrs, the core's values and this package."""

from collections.abc import Mapping

import attrs

from entrypoints.api.query_numbers import whole_number
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.formats import JPEG, PNG, WEBP

#: Shortest, longest and default side of a thumbnail, in px.
SMALLEST, LARGEST, USUAL = 64, 1024, 256
#: Names of formats in a query.
FORMATS: Mapping[str, str] = {"webp": WEBP, "jpeg": JPEG, "jpg": JPEG, "png": PNG}


@attrs.frozen(kw_only=True)
class Conversion:
    """Another format than the stored one, or another quality."""

    media_type: str
    #: 1..100, None for the usual one.
    quality: int | None = None

    @property
    def name(self) -> str:
        """Differs for every conversion."""
        return f"{self.media_type} {self.quality}"


def index_of(query: Mapping[str, str]) -> int:
    """Which picture of a job. Raises InvalidRequest."""
    return whole_number(query, "index", 0, low=0)


def side_of(query: Mapping[str, str]) -> int:
    """The longest side of a thumbnail, in px. Raises InvalidRequest."""
    return whole_number(query, "size", USUAL, low=SMALLEST, high=LARGEST)


def conversion_of(query: Mapping[str, str]) -> Conversion | None:
    """What a query wants instead of the stored file, None for the file itself. Raises InvalidRequest."""
    name = query.get("format")
    if name is not None and name not in FORMATS:
        raise _wrong("format", "must be webp, jpeg or png.")
    media_type = None if name is None else FORMATS[name]
    if "quality" not in query:
        return None if media_type is None else Conversion(media_type=media_type)
    if media_type not in (WEBP, JPEG):
        raise _wrong("quality", "is for format=webp and format=jpeg.")
    quality = whole_number(query, "quality", 0, low=1, high=100)
    return Conversion(media_type=media_type, quality=quality)


def thumbnail_type(accept: str | None) -> str:
    """image/webp, unless the client would rather have image/jpeg."""
    wanted = _weights(accept or "*/*")

    def weight(media_type: str) -> float:
        return next((wanted[range_] for range_ in (media_type, "image/*", "*/*") if range_ in wanted), 0.0)

    return JPEG if weight(JPEG) > weight(WEBP) else WEBP


def _weights(accept: str) -> dict[str, float]:
    weights = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[media_range] = float(weight)
        except ValueError:
            weights[media_range] = 0.0
    return weights


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldProblem(field=field, message=message)])
