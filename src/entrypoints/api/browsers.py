"""What a page of somebody else's must not make its visitor's browser do; imports Starlette, the rule for names and this package."""

from collections.abc import Collection

from starlette.datastructures import Headers

from entrypoints.api.problems import Problem
from entrypoints.host_names import host_name, is_ours

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_host(headers: Headers, allowed: Collection[str]) -> None:
    """Raises Problem 421 for a Host that is not ours.

    Without this, a page could have its own name resolve to 127.0.0.1 and then read from us as if we were its own server.
    """
    name = host_name(headers.get("host", ""))
    if allowed and not is_ours(name, allowed):
        detail = (
            "This service is not known under that name. If it is right, add it to IMAGING_ALLOWED_HOSTS, for instance "
            "IMAGING_ALLOWED_HOSTS=images.example.org."
        )
        raise Problem("wrong-host", 421, detail)


def check_origin(method: str, headers: Headers, friends: Collection[str]) -> None:
    """Raises Problem 403 for a change that a page from elsewhere asks for, where no key of its own proves that it may.

    Browsers say where a request comes from; programs say nothing and pass.
    """
    if method in SAFE:
        return
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in friends:
        return
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        ours = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""
    if not ours:
        detail = (
            "A page from elsewhere may not do that without a key. Send a key as Authorization: Bearer, or add the page's "
            "origin to IMAGING_CORS_ORIGINS."
        )
        raise Problem("cross-site", 403, detail)
