"""What a caller may ask about webhooks: the log of deliveries, a repetition, the signing secret; imports this package."""

from collections.abc import Sequence

from imaging_core.deliveries import Delivery, WebhookSecrets, delivery_id, fresh_secret
from imaging_core.errors import DeliveryNotFound
from imaging_core.jobs import Job
from imaging_core.outbox import OutboxState, WebhookOutbox, WebhookSender
from imaging_core.webhooks import Webhook

#: How long a replaced secret signs beside the new one, in s.
OLD_SECRET_S = 86_400.0


class WebhookDesk:
    """The use cases around webhooks. Whoever asks has read the job before, and may see it."""

    def __init__(self, outbox: WebhookOutbox, sender: WebhookSender) -> None:
        self._outbox = outbox
        self._sender = sender

    async def check(self, webhook: Webhook) -> None:
        """Whether messages may go there. Raises InvalidRequest that names the field."""
        await self._sender.check(webhook.url)

    async def deliveries(self, job: Job) -> Sequence[Delivery]:
        """The messages about a job's end, with the newest attempts to deliver each."""
        return await self._outbox.of_job(job.id)

    async def resend(self, job: Job, delivery: str) -> Delivery:
        """Have a message sent again, at once. Raises DeliveryNotFound for one that is not of this job."""
        resent = await self._outbox.resend(delivery) if delivery == delivery_id(job.id) else None
        if resent is None:
            raise DeliveryNotFound
        return resent

    async def state(self) -> OutboxState:
        """How much waits to be sent, to anybody. Raises Unavailable."""
        return await self._outbox.state()

    async def secrets(self, owner: str | None) -> WebhookSecrets:
        """What an owner's messages are signed with, made at the first question; None is everybody without a key."""
        return await self._outbox.secrets(owner, fresh=fresh_secret())

    async def rotate(self, owner: str | None) -> WebhookSecrets:
        """A new secret; the one before signs too for a day, so that receivers can change over."""
        return await self._outbox.rotate(owner, fresh=fresh_secret(), keep_s=OLD_SECRET_S)
