"""From a caller's URL to the addresses that may be connected to, or a sentence why not; imports stdlib only.

No sentence repeats the URL, and one sentence stands for "no such name" and "not public": a caller must not learn which
names there are in the network that the service runs in.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from adapters.webhooks.addresses import Address, Allowed, is_public
from adapters.webhooks.resolver import NameUnknown, Resolver

#: Longest URL, in characters.
LONGEST_URL: Final = 2_000
_TEXT: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)

_BRACKETED: Final = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]*)?", re.ASCII)

_FORM: Final = "must be a URL such as https://example.org/hooks/imaging, in ASCII and of at most 2000 characters."
_NOT_PUBLIC: Final = (
    "must lead to public addresses, and by https. Who runs this service can permit other hosts with "
    "IMAGING_WEBHOOK_ALLOW."
)


class Unfit(Exception):
    """Messages may not go there; `str()` is a sentence that begins with a verb and does not hold the URL."""


class Target:
    """A well-formed URL, in its parts."""

    def __init__(self, url: str) -> None:
        """Raises Unfit."""
        parts = _split(url)
        self.secure = parts.scheme == "https"
        self.host = (parts.hostname or "").lower()
        self.port = parts.port or (443 if self.secure else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST_URL or not _TEXT.fullmatch(url) or "\\" in url:
        raise Unfit(_FORM)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        if ":" in host:
            ip_address(host)
            # urlsplit overlooks what stands behind the bracket, and a zone names an interface of ours.
            if not _BRACKETED.fullmatch(parts.netloc.rpartition("@")[2]):
                raise Unfit(_FORM)
    except ValueError:
        raise Unfit(_FORM) from None
    if parts.scheme not in ("http", "https") or not (":" in host or _HOST.fullmatch(host)) or port == 0:
        raise Unfit(_FORM)
    if "@" in parts.netloc:
        raise Unfit("must not hold a user or a password: check the signature of the messages instead.")
    if parts.fragment:
        raise Unfit("must not have a fragment (#...): it would not be sent.")
    return parts


async def addresses_of(target: Target, resolve: Resolver, allowed: Allowed) -> Sequence[Address]:
    """The addresses to connect to. Raises Unfit when a single one may not be, and NameServerSilent."""
    try:
        found = await resolve(target.host)
    except NameUnknown:
        raise Unfit(_NOT_PUBLIC) from None
    if not found or not (allowed.name(target.host) or all(map(allowed.address, found))):
        if not found or not target.secure or not all(is_public(a) or allowed.address(a) for a in found):
            raise Unfit(_NOT_PUBLIC)
        if target.port != 443 and target.port < 1024:
            raise Unfit("must use port 443 or one from 1024 on.")
    return found
