"""Where a caller wants to be told of a job's end, and which message that end becomes; imports stdlib, attrs and the errors.

A webhook's URL may hold the caller's secret in its path or query: only its origin is ever shown to others or logged.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import attrs

from imaging_core.errors import FailureCode


class WebhookEvent(StrEnum):
    """The ends that a webhook may be called for."""

    FINISHED = "finished"
    #: Failed for any other reason than a content filter's.
    FAILED = "failed"
    #: Failed because the provider refused the prompt or withheld the picture.
    FILTERED = "filtered"
    CANCELLED = "cancelled"


#: Failures that are a content filter's doing.
FILTERED_CODES = frozenset({FailureCode.CONTENT_FILTERED, FailureCode.CONTENT_MODERATED})


#: Scheme, host and port at a URL's beginning; a user and a password before the host are left out.
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/?#:]*)(:[0-9]*)?", re.ASCII)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: all of it that may be shown to anybody but its owner."""
    match = _ORIGIN.match(url)
    return f"{match[1]}://{match[2]}{match[3] or ''}" if match else ""


def _in_order(events: Sequence[WebhookEvent]) -> tuple[WebhookEvent, ...]:
    return tuple(event for event in WebhookEvent if event in events)


@attrs.frozen(kw_only=True)
class Webhook:
    """A caller's address that is to be told of the job's end, and of which ends."""

    url: str = attrs.field(repr=origin_of)
    events: tuple[WebhookEvent, ...] = attrs.field(default=tuple(WebhookEvent), converter=_in_order)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return origin_of(self.url)

    @property
    def host(self) -> str:
        """The host's name, in lower case."""
        match = _ORIGIN.match(self.url)
        return match[2].strip("[]").lower() if match else ""


def webhook_from_record(record: dict[str, Any]) -> Webhook:
    """The webhook a record stands for. Events that only a newer version knows are not called for."""
    known = {event.value for event in WebhookEvent}
    return Webhook(url=record["url"], events=[WebhookEvent(name) for name in record["events"] if name in known])
