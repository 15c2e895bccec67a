"""The two ports that telling webhooks stands on, with numbered promises; imports stdlib, attrs and this package's values."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from imaging_core.deliveries import Delivery, DeliveryAttempt, WebhookSecrets


class WebhookOutbox(Protocol):
    """Keeps the messages that ends of jobs cause until they have arrived, in the same place as the jobs.

    1. The `save` that ends a job whose webhook wants that end stores one delivery, due at once, in the same step; no other
       write stores one.
    2. `claim` gives each due delivery to one caller, the longest due first, with one more try, under the caller's token.
       Until `lease_s` are over by the repository's clock nobody else gets it; then, if it was not settled, it is due again,
       with one more lost claim in place of one more try. None when nothing is due.
    3. `claim` passes over the hosts named busy.
    4. `settle` records an attempt under the token of the claim and leaves the delivery delivered, due again after
       `again_in_s`, or given up; under another token, or none, it changes nothing and gives None. Said twice, it counts once.
    5. `of_job` gives a job's deliveries with their newest attempts in order.
    6. `resend` makes a delivery due at once under a fresh schedule, unless it is being sent; None for an unknown one.
    7. The deliveries of a deleted job are gone.
    8. `secrets` gives an owner's secrets, storing the fresh one if there are none; of concurrent first calls all get the
       same. `rotate` makes the fresh one current and keeps the one before for `keep_s`. Owners share nothing; None is one.
    9. What is stored is durable when the call returns.
    10. `state` counts the deliveries that are pending and those that are due, which those being sent are not.
    11. `hand_back` makes a claimed delivery due at once, or after `again_in_s`, without the try; under another token, or
       none, it changes nothing.
    """

    async def claim(self, *, token: str, lease_s: float, busy: Collection[str] = ()) -> Delivery | None:
        """The next delivery that is due, for the caller to send.

        Raises UnreadableDelivery for one that this version cannot read: it is claimed all the same, and given up at the
        `UNREADABLE_CLAIMS`th time, so that it neither hides the others nor comes back for ever. For the version that can
        read it these claims are neither tries nor lost.
        """
        ...

    async def settle(
        self, delivery: Delivery, attempt: DeliveryAttempt, *, again_in_s: float | None = None
    ) -> Delivery | None:
        """Record what came of sending a claimed delivery."""
        ...

    async def hand_back(self, delivery: Delivery, *, again_in_s: float = 0.0) -> None:
        """Give up a claim, for a sender that stops before it knows what came of it, or sends it later."""
        ...

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """The deliveries of a job."""
        ...

    async def resend(self, delivery_id: str) -> Delivery | None:
        """Have a delivery sent again."""
        ...

    async def state(self) -> "OutboxState":
        """How much waits to be sent."""
        ...

    async def secrets(self, owner: str | None, *, fresh: str) -> WebhookSecrets:
        """What an owner's messages are signed with."""
        ...

    async def rotate(self, owner: str | None, *, fresh: str, keep_s: float) -> WebhookSecrets:
        """Replace an owner's secret."""
        ...


@attrs.frozen(kw_only=True)
class OutboxState:
    """How much waits to be sent."""

    #: Neither delivered nor given up: due, being sent, or to be sent again later.
    pending: int = 0
    #: Of those, whose moment has come and which nobody is sending.
    due: int = 0
    #: How long the first of these has been due, in s.
    oldest_due_s: float = 0.0


@attrs.frozen(kw_only=True)
class Message:
    """One message to a webhook."""

    url: str = attrs.field(repr=False)
    #: The same in every attempt.
    id: str
    #: When this attempt is made.
    at: datetime
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    #: What to sign with, at least one.
    secrets: tuple[str, ...] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Sent:
    """What came of sending a message."""

    #: The receiver's HTTP status; None when none came.
    status: int | None = None
    took_ms: int = 0
    #: Why it did not arrive, in a sentence without the URL; None when it did.
    error: str | None = None
    #: How long the receiver asked us to wait, in s.
    retry_after_s: float | None = None
    #: Whether the receiver wants no message ever again.
    gone: bool = False


class WebhookSender(Protocol):
    """Sends messages to addresses that callers chose.

    1. `send` makes one signed POST and raises nothing foreign: whatever goes wrong is told in `Sent`.
    2. Only a 2xx counts as arrived; redirects are not followed.
    3. It connects to no address but public ones and those that the operator allowed, whatever a name resolves to.
    4. It ends within its time-out, and reads no more of an answer than its cap.
    5. `check` raises InvalidRequest for field `webhook` when `send` would refuse the URL as things are now.
    """

    async def send(self, message: Message) -> Sent:
        """Send a message once."""
        ...

    async def check(self, url: str) -> None:
        """Whether messages may go to that URL."""
        ...
