"""The messages to webhooks in the Redis of the jobs, stored by the script that writes their ends; imports stdlib and the core."""

from collections.abc import Collection, Sequence
from typing import Any

from adapters.redis.clock import from_micros
from adapters.redis.layout import from_json, micros, pairs, to_json
from adapters.redis.link import RedisLink
from imaging_core.deliveries import (
    UNREADABLE_CLAIMS,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    WebhookSecrets,
    attempt_from_record,
    attempt_to_record,
    delivery_id,
    job_id_of,
    unreadable_attempt,
)
from imaging_core.errors import UnreadableDelivery
from imaging_core.outbox import OutboxState
from imaging_core.webhooks import WebhookEvent

#: What decoding fields of another version may raise.
_UNREADABLE = (KeyError, TypeError, ValueError)


class RedisWebhookOutbox:
    """The deliveries that every repository on the same Redis stored."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def claim(self, *, token: str, lease_s: float, busy: Collection[str] = ()) -> Delivery | None:
        """The next delivery that is due, for the caller to send."""
        answer = await self._script("webhook_claim", token, micros(lease_s), *sorted(busy))
        try:
            return _delivery(pairs(answer[0])) if answer else None
        except _UNREADABLE:
            raise await self._unreadable(answer[1].decode(), token, pairs(answer[0])) from None

    async def _unreadable(self, job_id: str, token: str, fields: dict[bytes, bytes]) -> UnreadableDelivery:
        given_up = int(fields.get(b"unread", 0)) + 1 >= UNREADABLE_CLAIMS
        if not given_up:
            await self._script("webhook_back", job_id, token, "unread")
        else:
            attempts = to_json([attempt_to_record(unreadable_attempt(await self._link.clock.now()))])
            await self._script("webhook_settle", job_id, token, DeliveryState.FAILED.value, "", attempts)
        return UnreadableDelivery(delivery_id(job_id), given_up=given_up)

    async def settle(
        self, delivery: Delivery, attempt: DeliveryAttempt, *, again_in_s: float | None = None
    ) -> Delivery | None:
        """Record what came of sending a claimed delivery."""
        if delivery.token is None:
            return None
        # Only whoever holds the token adds an attempt, so the list as it was claimed is the list as it is.
        again_at = None if again_in_s is None else await self._link.clock.now()
        after = delivery.settled(attempt, again_at=again_at)
        again = "" if again_in_s is None or after.state is not DeliveryState.PENDING else micros(again_in_s)
        attempts = to_json([attempt_to_record(kept) for kept in after.attempts])
        arguments = (delivery.job_id, delivery.token, after.state.value, again, attempts)
        return _first(await self._script("webhook_settle", *arguments))

    async def hand_back(self, delivery: Delivery, *, again_in_s: float = 0.0) -> None:
        """Give up a claim, for a sender that stops before it knows what came of it, or sends it later."""
        if delivery.token is not None:
            await self._script("webhook_back", delivery.job_id, delivery.token, micros(again_in_s))

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """The deliveries of a job."""
        flat = await self._link.command("HGETALL", self._link.key("delivery", job_id))
        delivery = _first([flat]) if flat else None
        return [] if delivery is None else [delivery]

    async def resend(self, delivery_id: str) -> Delivery | None:
        """Have a delivery sent again."""
        job_id = job_id_of(delivery_id)
        if not await self.of_job(job_id):
            # Nor one that this version cannot read: it stays as it is.
            return None
        return _first(await self._script("webhook_resend", job_id))

    async def state(self) -> OutboxState:
        """How much waits to be sent."""
        pending, due, oldest = map(int, await self._script("webhook_state"))
        return OutboxState(pending=pending, due=due, oldest_due_s=oldest / 1e6)

    async def secrets(self, owner: str | None, *, fresh: str) -> WebhookSecrets:
        """What an owner's messages are signed with."""
        return _secrets(await self._script("webhook_secret", owner or "", fresh, ""))

    async def rotate(self, owner: str | None, *, fresh: str, keep_s: float) -> WebhookSecrets:
        """Replace an owner's secret."""
        return _secrets(await self._script("webhook_secret", owner or "", fresh, micros(keep_s)))

    async def _script(self, name: str, *arguments: str | bytes | int) -> list[Any]:
        answer: list[Any] = await self._link.script(name, *arguments)
        self._link.clock.heard(int(answer[0]))
        return answer[1:]


def _first(answer: Sequence[Sequence[bytes]]) -> Delivery | None:
    """The delivery in an answer; None when there is none, or none that this version can read."""
    try:
        return _delivery(pairs(answer[0])) if answer else None
    except _UNREADABLE:
        return None


def _delivery(fields: dict[bytes, bytes]) -> Delivery:
    job_id, token = fields[b"job_id"].decode(), fields.get(b"token")
    due = fields.get(b"due")
    return Delivery(
        id=delivery_id(job_id),
        job_id=job_id,
        event=WebhookEvent(fields[b"event"].decode()),
        host=fields[b"host"].decode(),
        created_at=from_micros(int(fields[b"created"])),
        state=DeliveryState(fields[b"state"].decode()),
        due_at=None if due is None else from_micros(int(due)),
        tries=int(fields[b"tries"]),
        lost=int(fields.get(b"lost", 0)),
        attempts=tuple(map(attempt_from_record, from_json(fields[b"attempts"]))),
        token=None if token is None else token.decode(),
    )


def _secrets(answer: Sequence[bytes]) -> WebhookSecrets:
    current, previous, until = answer
    return WebhookSecrets(
        current=current.decode(),
        previous=previous.decode() or None,
        previous_until=from_micros(int(until)) if until else None,
    )
