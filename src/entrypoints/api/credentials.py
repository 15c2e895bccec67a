"""Where a request may carry a key: never in its address, which ends up in logs and histories; imports stdlib and Starlette."""

import base64
import binascii

import attrs
from starlette.datastructures import Headers

#: Below these a key may come as the password of Basic, with any user: A1111's clients know nothing else, and a browser that
#: opens the documentation asks its user for that. Elsewhere not, since browsers send it along unasked.
BASIC_PATHS = ("/sdapi/", "/internal/", "/docs", "/openapi.json")


@attrs.frozen(kw_only=True)
class Credentials:
    """A key as it was sent."""

    token: str = attrs.field(repr=False)
    #: Whether a browser may have sent it by itself, for any page that made it ask.
    ambient: bool = False


def takes_basic(path: str) -> bool:
    """Whether a key may come by Basic there."""
    return path.startswith(BASIC_PATHS)


def credentials_of(headers: Headers, path: str) -> Credentials | None:
    """The key a request brings, None when it brings none; an empty one is none."""
    for value in headers.getlist("authorization"):
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "bearer" and rest.strip():
            return Credentials(token=rest.strip())
        if scheme.lower() == "basic" and takes_basic(path) and (password := _password(rest.strip())):
            return Credentials(token=password, ambient=True)
    if key := headers.get("x-api-key", "").strip():
        return Credentials(token=key)
    return None


def _password(encoded: str) -> str:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2].strip()
