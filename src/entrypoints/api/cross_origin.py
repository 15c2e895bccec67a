"""Which other pages may use the service from a browser; imports Starlette."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from entrypoints.api.access import Access

_SENT = (
    *("authorization", "x-api-key", "content-type", "idempotency-key", "prefer", "if-none-match", "if-range", "range"),
    *("last-event-id", "x-request-id"),
)
_SHOWN = (
    *("location", "retry-after", "etag", "preference-applied", "content-range", "accept-ranges", "www-authenticate"),
    *("x-job-id", "x-request-id"),
)


def cross_origin(access: Access) -> list[Middleware]:
    """The layer that answers browsers' questions about other origins; none while no origin is allowed.

    Never with credentials: a page sends its key as a header, which no other page can make a browser do.
    """
    if not access.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=access.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
            allow_headers=_SENT,
            expose_headers=_SHOWN,
            max_age=600,
        )
    ]
