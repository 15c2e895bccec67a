"""Messages about ended jobs on their way to a webhook, and when to try again; imports stdlib, attrs and this package's values.

Changes are pure: they take the time and give a new delivery. Writing it is the outbox's work.
"""

import base64
import random
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import attrs

from imaging_core.jobs import Job, JobStatus
from imaging_core.webhooks import FILTERED_CODES, WebhookEvent

#: How many of a delivery's newest attempts are kept.
KEPT_ATTEMPTS = 50
#: A message that cannot be read is given up at that claim: until then a process of a newer version may get it.
UNREADABLE_CLAIMS = 8
#: A message is given up when so many claims in a row ran out without a word of what came of them.
LOST_CLAIMS = 20


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    #: To be sent, being sent, or to be sent again.
    PENDING = "pending"
    #: The receiver answered 2xx.
    DELIVERED = "delivered"
    #: Given up; it can be sent again by hand.
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class DeliveryAttempt:
    """What came of sending a message once."""

    #: When the sending began.
    at: datetime
    #: The receiver's HTTP status; None when none came.
    status: int | None = None
    #: How long it took, in ms.
    took_ms: int = 0
    #: Why it does not count as delivered, in a sentence without the URL; None when it does.
    error: str | None = None


@attrs.frozen(kw_only=True)
class Delivery:
    """One message about one job's end."""

    #: The same in every attempt, so that a receiver can tell a repetition.
    id: str
    job_id: str
    event: WebhookEvent
    #: Whom it goes to; several deliveries to one host share a limit.
    host: str
    created_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    #: When it is to be sent, or, while it is being sent, when its sender is taken for dead. None unless pending.
    due_at: datetime | None = None
    #: Sendings under the present schedule whose outcome was recorded, and the one that is under way.
    tries: int = 0
    #: Claims since the last recorded attempt that ran out, so that nobody knows whether anything was sent.
    lost: int = 0
    attempts: tuple[DeliveryAttempt, ...] = ()
    #: The fence: whoever sends it now records the attempt under this token.
    token: str | None = attrs.field(default=None, repr=False)

    def claimed(self, *, token: str, until: datetime) -> "Delivery":
        """Being sent, by whoever has the token, until that moment at most; after a claim that ran out it is the same try."""
        ran_out = self.token is not None
        return attrs.evolve(self, token=token, due_at=until, tries=self.tries + (not ran_out), lost=self.lost + ran_out)

    def handed_back(self, due_at: datetime) -> "Delivery":
        """Due at that moment, as if that claim had not been made."""
        return attrs.evolve(self, due_at=due_at, tries=max(0, self.tries - 1), token=None)

    def settled(self, attempt: DeliveryAttempt, *, again_at: datetime | None) -> "Delivery":
        """After an attempt: delivered, due again at a moment, or given up."""
        if attempt.error is None:
            state, again_at = DeliveryState.DELIVERED, None
        else:
            state = DeliveryState.FAILED if again_at is None else DeliveryState.PENDING
        attempts = (*self.attempts, attempt)[-KEPT_ATTEMPTS:]
        return attrs.evolve(self, state=state, due_at=again_at, token=None, attempts=attempts, lost=0)

    def resent(self, now: datetime) -> "Delivery":
        """Due at once, under a schedule from its beginning; as it is while it is being sent."""
        if self.token is not None and self.due_at is not None and self.due_at > now:
            return self
        return attrs.evolve(self, state=DeliveryState.PENDING, due_at=now, tries=0, lost=0, token=None)


def delivery_id(job_id: str) -> str:
    """The id of the message about a job's end: a job ends once."""
    return f"msg_{job_id}"


def job_id_of(delivery: str) -> str:
    """The job that a delivery's id is about; "" for what is no such id."""
    return delivery[4:] if delivery.startswith("msg_") else ""


def end_of(job: Job) -> WebhookEvent | None:
    """Which end a job came to; None while it is open."""
    match job.status:
        case JobStatus.FINISHED:
            return WebhookEvent.FINISHED
        case JobStatus.CANCELLED:
            return WebhookEvent.CANCELLED
        case JobStatus.FAILED:
            filtered = job.failure is not None and job.failure.code in FILTERED_CODES
            return WebhookEvent.FILTERED if filtered else WebhookEvent.FAILED
        case _:
            return None


def delivery_of(job: Job, *, now: datetime) -> Delivery | None:
    """The message that a job's end causes, due at once; None for an open job or an end its webhook does not want."""
    event = end_of(job)
    if job.webhook is None or event is None or event not in job.webhook.events:
        return None
    return Delivery(
        id=delivery_id(job.id), job_id=job.id, event=event, host=job.webhook.host, created_at=now, due_at=now
    )


@attrs.frozen(kw_only=True)
class Schedule:
    """When a message that did not arrive is sent again."""

    #: Waits in s, each after one more failure; after the last wait and one more failure it is given up.
    delays_s: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0)
    #: How far a wait may be off, as a part of it, so that what failed together does not come back together.
    jitter: float = 0.2
    #: Most that a receiver's Retry-After can add up to, in s.
    longest_asked_s: float = 3_600.0

    def next_delay_s(
        self, tries: int, *, asked_s: float | None = None, chance: Callable[[], float] = random.random
    ) -> float | None:
        """The wait after that many tries, in s; None when it is time to give up. `asked_s` is the receiver's wish."""
        if tries > len(self.delays_s):
            return None
        delay = self.delays_s[max(0, tries - 1)] * (1 + self.jitter * (2 * chance() - 1))
        return max(delay, min(asked_s, self.longest_asked_s)) if asked_s is not None else delay


@attrs.frozen(kw_only=True)
class WebhookSecrets:
    """What an owner's messages are signed with: base64 behind `whsec_`, as Standard Webhooks writes it."""

    current: str = attrs.field(repr=False)
    #: The one before, which signs too until a moment after it was replaced.
    previous: str | None = attrs.field(default=None, repr=False)
    previous_until: datetime | None = None

    def valid(self, now: datetime) -> tuple[str, ...]:
        """Those that sign now, the current one first."""
        if self.previous is None or self.previous_until is None or self.previous_until <= now:
            return (self.current,)
        return (self.current, self.previous)

    def rotated(self, fresh: str, *, now: datetime, keep_s: float) -> "WebhookSecrets":
        """With a fresh one, and the current one for a while longer."""
        return WebhookSecrets(current=fresh, previous=self.current, previous_until=now + timedelta(seconds=keep_s))


def fresh_secret() -> str:
    """A new secret: 256 random bits."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def unreadable_attempt(at: datetime) -> DeliveryAttempt:
    """What is recorded of a message that is given up because nobody can read it."""
    return DeliveryAttempt(at=at, error="The message is not stored as this version understands it.")


def attempt_to_record(attempt: DeliveryAttempt) -> dict[str, Any]:
    """Everything about an attempt, JSON-ready."""
    return {**attrs.asdict(attempt), "at": attempt.at.isoformat()}


def attempt_from_record(record: Mapping[str, Any]) -> DeliveryAttempt:
    """The attempt a record stands for."""
    return DeliveryAttempt(**{**record, "at": datetime.fromisoformat(record["at"])})
