"""Where a caller wants to be told of a job's end, and which message that end becomes; imports stdlib, attrs and the errors.

A webhook's URL may hold the caller's secret in its path or query: only its origin is ever shown to others or logged.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

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


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: all of it that may be shown to anybody but its owner."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


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
        return urlsplit(self.url).hostname or ""


def webhook_from_record(record: dict[str, Any]) -> Webhook:
    """The webhook a record stands for. Events that only a newer version knows are not called for."""
    known = {event.value for event in WebhookEvent}
    return Webhook(url=record["url"], events=[WebhookEvent(name) for name in record["events"] if name in known])
