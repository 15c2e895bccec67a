"""What the adapter must be told, checked once at the start, so that a typing error in a key is found before a job is paid.

May import the standard library, attrs and idna.
"""

from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

import attrs
import idna

DEFAULT_BASE_URL = "https://api.stability.ai"
#: The usual port of each scheme.
PORTS = {"http": 80, "https": 443}


def ascii_host(host: str) -> bytes:
    """A host's name as name servers know it. Raises ValueError for one that cannot be."""
    # The codec of the standard library is IDNA 2003, to which straße.example is strasse.example, somebody else's. To
    # idna, in turn, a name with an underscore is none.
    return host.encode("idna") if host.isascii() else idna.encode(host)


def _stripped(text: str) -> str:
    return text.strip()


def _without_slash(url: str) -> str:
    return url.strip().rstrip("/")


def _visible_ascii(_: object, __: "attrs.Attribute[str]", value: str) -> None:
    # A key pasted with a line break or a typographic quote would otherwise fail inside the HTTP library, which may
    # repeat it in its error.
    if not value or not all("!" <= character <= "~" for character in value):
        raise ValueError("The Stability API key must be visible ASCII characters without spaces; it begins with 'sk-'.")


@attrs.frozen(repr=False)
class StabilityKey:
    """An API key that shows itself to nobody who prints it."""

    reveal: str = attrs.field(converter=_stripped, validator=_visible_ascii)

    def __repr__(self) -> str:
        return "StabilityKey(...)"

    __str__ = __repr__


class AnswerForm(StrEnum):
    """How a picture travels."""

    #: The picture as the body, its facts in headers: a quarter less to carry.
    BYTES = "bytes"
    #: Base64 in JSON, for proxies that drop headers they do not know.
    JSON = "json"


def _can_be_asked(parts: SplitResult) -> bool:
    """Whether there is a host, of a length that names can have, and a port that can be."""
    try:
        return bool(parts.hostname and ascii_host(parts.hostname)) and parts.port != 0
    except ValueError:
        return False


def _plain_base_url(_: object, __: "attrs.Attribute[str]", value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not _can_be_asked(parts) or parts.query or parts.fragment:
        raise ValueError(f"The Stability base URL must look like {DEFAULT_BASE_URL}, with http or https and a host.")
    if parts.username or parts.password:
        raise ValueError("The Stability base URL must not hold a user name or password.")


@attrs.frozen(kw_only=True)
class StabilitySettings:
    """Address, key and limits; times in s, sizes in bytes."""

    key: StabilityKey
    base_url: str = attrs.field(default=DEFAULT_BASE_URL, converter=_without_slash, validator=_plain_base_url)
    answer_form: AnswerForm = AnswerForm.BYTES
    #: The model of requests that name none.
    default_model: str = "core"
    #: Most pictures of one job; each is a paid call.
    max_count: int = 10
    #: Time to connect. Nothing is sent, hence nothing billed, before that.
    connect_timeout_s: float = 10.0
    #: Time from the start of a call to the last byte of its answer. The API sends no byte before a picture is done and
    #: has been seen to need more than 30 s, so less than 180 would abandon pictures that are paid for.
    total_timeout_s: float = 180.0
    #: Time a question about the account may take.
    probe_timeout_s: float = 10.0
    #: How long the answer to such a question is good for.
    probe_ttl_s: float = 10.0
    #: Largest answer that is read, also after unpacking.
    max_answer_bytes: int = 32 * 1024 * 1024
    #: Largest picture that is decoded, in px.
    max_pixels: int = 16 * 1024 * 1024
