"""Keeps messages to webhooks in memory, beside the jobs of the same process; imports stdlib and this package's values."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from imaging_core.deliveries import Delivery, DeliveryAttempt, WebhookSecrets, delivery_of
from imaging_core.jobs import Job
from imaging_core.outbox import OutboxState


class MemoryWebhookOutbox:
    """The deliveries of one `MemoryJobRepository`, which makes it and tells it of ends and deletions."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._deliveries: dict[str, Delivery] = {}
        self._secrets: dict[str | None, WebhookSecrets] = {}

    def owe(self, job: Job, now: datetime) -> None:
        """Store the message that a job's end causes; called by the repository in the same step as its write."""
        if (delivery := delivery_of(job, now=now)) is not None:
            self._deliveries[delivery.id] = delivery

    def forget(self, job_id: str) -> None:
        """Drop a deleted job's deliveries."""
        for delivery in [d for d in self._deliveries.values() if d.job_id == job_id]:
            del self._deliveries[delivery.id]

    async def claim(self, *, token: str, lease_s: float, busy: Collection[str] = ()) -> Delivery | None:
        """The next delivery that is due, for the caller to send."""
        now = self._now()
        due = [
            (delivery.due_at, delivery.job_id, delivery)
            for delivery in self._deliveries.values()
            if delivery.due_at is not None and delivery.due_at <= now and delivery.host not in busy
        ]
        if not due:
            return None
        _, _, first = min(due, key=lambda found: found[:2])
        return self._put(first.claimed(token=token, until=now + timedelta(seconds=lease_s)))

    async def settle(
        self, delivery: Delivery, attempt: DeliveryAttempt, *, again_in_s: float | None = None
    ) -> Delivery | None:
        """Record what came of sending a claimed delivery."""
        stored = self._deliveries.get(delivery.id)
        if stored is None or stored.token is None or stored.token != delivery.token:
            return None
        again_at = None if again_in_s is None else self._now() + timedelta(seconds=again_in_s)
        return self._put(stored.settled(attempt, again_at=again_at))

    async def hand_back(self, delivery: Delivery, *, again_in_s: float = 0.0) -> None:
        """Give up a claim, for a sender that stops before it knows what came of it, or sends it later."""
        stored = self._deliveries.get(delivery.id)
        if stored is not None and stored.token is not None and stored.token == delivery.token:
            self._put(stored.handed_back(self._now() + timedelta(seconds=again_in_s)))

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """The deliveries of a job."""
        return [delivery for delivery in self._deliveries.values() if delivery.job_id == job_id]

    async def resend(self, delivery_id: str) -> Delivery | None:
        """Have a delivery sent again."""
        stored = self._deliveries.get(delivery_id)
        return None if stored is None else self._put(stored.resent(self._now()))

    async def state(self) -> OutboxState:
        """How much waits to be sent."""
        now = self._now()
        ends = [delivery.due_at for delivery in self._deliveries.values() if delivery.due_at is not None]
        due = [end for end in ends if end <= now]
        oldest_s = (now - min(due)).total_seconds() if due else 0.0
        return OutboxState(pending=len(ends), due=len(due), oldest_due_s=oldest_s)

    async def secrets(self, owner: str | None, *, fresh: str) -> WebhookSecrets:
        """What an owner's messages are signed with."""
        return self._secrets.setdefault(owner, WebhookSecrets(current=fresh))

    async def rotate(self, owner: str | None, *, fresh: str, keep_s: float) -> WebhookSecrets:
        """Replace an owner's secret."""
        before = self._secrets.get(owner)
        now = self._now()
        after = WebhookSecrets(current=fresh) if before is None else before.rotated(fresh, now=now, keep_s=keep_s)
        self._secrets[owner] = after
        return after

    def _put(self, delivery: Delivery) -> Delivery:
        self._deliveries[delivery.id] = delivery
        return delivery
