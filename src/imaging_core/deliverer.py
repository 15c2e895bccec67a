"""Sends the messages that wait in the outbox, a few at a time, and never beside the work on pictures; imports this package.

Any number of processes may each run one: a message is claimed under a lease, so that one of them sends it and another
follows when that one dies. A message may arrive twice, with the same id, but never not at all while tries are left.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import attrs

from imaging_core.deliveries import LOST_CLAIMS, Delivery, DeliveryAttempt, DeliveryState, Schedule, fresh_secret
from imaging_core.errors import ImagingError, JobDeleted, JobNotFound, Unavailable, UnreadableDelivery
from imaging_core.events import JobEvent
from imaging_core.faults import log_fault
from imaging_core.hearing import hear
from imaging_core.ids import new_token
from imaging_core.jobs import Job
from imaging_core.outbox import Message, Sent, WebhookOutbox, WebhookSender
from imaging_core.ports import JobEvents, JobRepository
from imaging_core.shares import Shares

log = logging.getLogger("imaging.webhooks")

#: Wait before a result that could not be recorded is recorded again, in s, and how often that is tried.
_RECORD_AGAIN_S = 1.0
_RECORD_TRIES = 5
#: How long a stop waits for messages to be handed back, in s; what is not goes out once its lease has run out.
_HAND_BACK_S = 2.0


@attrs.frozen(kw_only=True)
class DeliveryLimits:
    """How much one process sends at a time; times in s."""

    #: Messages at a time.
    at_once: int = 16
    #: Of those, of one owner's jobs: whoever has many hosts that hang must leave room for others.
    per_owner: int = 8
    #: And to one host.
    per_host: int = 2
    #: How long a claim holds: longer than the sender's time-out and the recording.
    lease_s: float = 45.0
    #: Time between two looks into an empty outbox while no job ends.
    poll_s: float = 2.0
    #: Jobs that end within that time are one look: most have no webhook.
    gather_s: float = 0.5


class Deliverer:
    """Tells webhooks of the ends of their jobs."""

    def __init__(
        self,
        *,
        jobs: JobRepository,
        events: JobEvents,
        outbox: WebhookOutbox,
        sender: WebhookSender,
        payload: Callable[[Job, Delivery], bytes],
        schedule: Schedule | None = None,
        limits: DeliveryLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`payload` gives a message's body, the same in each attempt; `now` is the time that messages are signed with."""
        self._jobs = jobs
        self._events = events
        self._outbox = outbox
        self._sender = sender
        self._payload = payload
        self._schedule = schedule or Schedule()
        self._limits = limits or DeliveryLimits()
        self._now = now
        self._under_way: dict[asyncio.Task[None], Delivery] = {}
        #: The claim whose answer is on its way.
        self._claiming: asyncio.Future[Delivery | None] | None = None
        #: What went wrong in the looks since the last that went well: told once.
        self._troubles: set[type[Exception]] = set()
        self._hosts: Counter[str] = Counter()
        self._shares = Shares(self._limits.per_owner)
        #: What came of the messages that this process sent or gave up, for monitoring; pending ones are sent again.
        self.outcomes: Counter[DeliveryState] = Counter()
        self._freed = asyncio.Event()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled; what is being sent then is dropped, and due at once for another."""
        trouble = "Webhooks are told a little later for now."
        hearing = asyncio.create_task(hear(self._events, self._told, log=log, trouble=trouble))
        try:
            while True:
                self._freed.clear()
                self._woken.clear()
                await self._look()
                await self._pause()
        finally:
            await self._abandon(hearing)

    def _told(self, event: JobEvent) -> None:
        if event.terminal:
            self._woken.set()

    async def _look(self) -> None:
        try:
            await self._take()
        except ImagingError as error:
            if self._is_news(error):
                log.warning("Webhooks are not told for now: %s", error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the next look may find it gone
            if self._is_news(error):
                log_fault(log, "Taking a message for a webhook failed.", error, {})
        else:
            if self._troubles:
                log.info("Webhooks are told again.")
            self._troubles.clear()

    def _is_news(self, error: Exception) -> bool:
        news = type(error) not in self._troubles
        self._troubles.add(type(error))
        return news

    async def _take(self) -> None:
        while len(self._under_way) < self._limits.at_once:
            busy = [host for host, count in self._hosts.items() if count >= self._limits.per_host]
            claim = self._outbox.claim(token=new_token(), lease_s=self._limits.lease_s, busy=busy)
            self._claiming = asyncio.ensure_future(claim)
            try:
                # Shielded: a stop must learn what it gave, to hand that back.
                delivery = await asyncio.shield(self._claiming)
            except UnreadableDelivery as error:
                self._tell_unreadable(error)
                continue
            self._claiming = None
            if delivery is None:
                return
            self._begin(delivery)

    def _tell_unreadable(self, error: UnreadableDelivery) -> None:
        facts = {"delivery": error.delivery_id}
        if error.given_up:
            self.outcomes[DeliveryState.FAILED] += 1
            log.error("A webhook was given up: its message is not stored as this version understands it.", extra=facts)
        else:
            log.warning("A message to a webhook is left to a newer version: this one cannot read it.", extra=facts)

    def _begin(self, delivery: Delivery) -> None:
        self._hosts[delivery.host] += 1
        task = asyncio.create_task(self._guarded(delivery))
        self._under_way[task] = delivery

        def ended(task: asyncio.Task[None]) -> None:
            self._under_way.pop(task, None)
            self._hosts[delivery.host] -= 1
            if not self._hosts[delivery.host]:
                del self._hosts[delivery.host]
            self._freed.set()
            self._woken.set()

        task.add_done_callback(ended)

    async def _pause(self) -> None:
        for sign, most_s in ((self._freed, self._limits.gather_s), (self._woken, self._limits.poll_s)):
            with suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await sign.wait()

    async def _abandon(self, hearing: asyncio.Task[None]) -> None:
        under_way = dict(self._under_way)
        for task in (hearing, *under_way):
            task.cancel()
        await asyncio.gather(hearing, *under_way, return_exceptions=True)
        dropped = [delivery for task, delivery in under_way.items() if task.cancelled()]
        with suppress(TimeoutError):
            async with asyncio.timeout(_HAND_BACK_S):
                await asyncio.gather(self._hand_back_claimed(), *map(self._hand_back, dropped))

    async def _hand_back_claimed(self) -> None:
        """Hand back what a claim gives that was under way at the stop."""
        if self._claiming is not None:
            (claimed,) = await asyncio.gather(self._claiming, return_exceptions=True)
            if isinstance(claimed, Delivery):
                await self._hand_back(claimed)

    async def _hand_back(self, delivery: Delivery) -> None:
        facts: dict[str, object] = {"job_id": delivery.job_id, "delivery": delivery.id}
        try:
            await self._outbox.hand_back(delivery)
        except ImagingError as error:
            log.warning("A message to a webhook waits for its lease to run out: %s", error, extra=facts)
        except Exception as error:  # noqa: BLE001  # a stop goes on whatever it is
            log_fault(log, "Handing back a message to a webhook failed.", error, facts)

    # --- one message -------------------------------------------------------------------------------------

    async def _guarded(self, delivery: Delivery) -> None:
        facts: dict[str, object] = {"job_id": delivery.job_id, "delivery": delivery.id}
        try:
            await self._deliver(delivery, facts)
        except (JobNotFound, JobDeleted):
            # Its deliveries went with it.
            return
        except ImagingError as error:
            log.warning("A message to a webhook waits for its lease to run out: %s", error, extra=facts)
        except Exception as error:  # noqa: BLE001  # nobody awaits it, and after its lease it is tried again
            log_fault(log, "Telling a webhook failed.", error, facts)

    async def _deliver(self, delivery: Delivery, facts: dict[str, object]) -> None:
        at = self._now()
        if delivery.lost >= LOST_CLAIMS:
            attempt = DeliveryAttempt(at=at, error="What came of the last tries could not be recorded.")
            await self._conclude(delivery, attempt, None, facts)
            return
        try:
            job = await self._jobs.get(delivery.job_id)
            message = await self._message(job, delivery, at)
        except (JobNotFound, JobDeleted, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is not tried for ever
            log_fault(log, "A message to a webhook cannot be written.", error, facts)
            attempt = DeliveryAttempt(at=at, error=f"The message could not be written ({type(error).__name__}).")
            await self._conclude(delivery, attempt, self._schedule.next_delay_s(delivery.tries), facts)
            return
        with self._shares.held(job.owner) as later_s:
            if later_s is not None:
                await self._outbox.hand_back(delivery, again_in_s=later_s)
                return
            sent = await self._sender.send(message)
        attempt = DeliveryAttempt(at=at, status=sent.status, took_ms=sent.took_ms, error=sent.error)
        await self._conclude(delivery, attempt, self._again_in_s(delivery, sent), facts)

    async def _message(self, job: Job, delivery: Delivery, at: datetime) -> Message:
        if job.webhook is None:
            raise ImagingError("The job has no webhook any more.")
        secrets = await self._outbox.secrets(job.owner, fresh=fresh_secret())
        return Message(
            url=job.webhook.url,
            id=delivery.id,
            at=at,
            body=self._payload(job, delivery),
            secrets=secrets.valid(at),
        )

    def _again_in_s(self, delivery: Delivery, sent: Sent) -> float | None:
        if sent.error is None or sent.gone:
            return None
        return self._schedule.next_delay_s(delivery.tries, asked_s=sent.retry_after_s)

    async def _conclude(
        self, delivery: Delivery, attempt: DeliveryAttempt, again_in_s: float | None, facts: dict[str, object]
    ) -> None:
        settled = await self._record(delivery, attempt, again_in_s)
        if settled is None:
            log.info("A message was sent, but its record is another sender's or gone.", extra=facts)
            return
        self.outcomes[settled.state] += 1
        if settled.state is DeliveryState.FAILED:
            log.warning("A webhook was given up after %s tries: %s", settled.tries, attempt.error, extra=facts)

    async def _record(self, delivery: Delivery, attempt: DeliveryAttempt, again_in_s: float | None) -> Delivery | None:
        """Record an attempt, patiently: what is not recorded is sent again."""
        for _ in range(_RECORD_TRIES - 1):
            try:
                return await self._outbox.settle(delivery, attempt, again_in_s=again_in_s)
            except Unavailable:
                await asyncio.sleep(_RECORD_AGAIN_S)
        return await self._outbox.settle(delivery, attempt, again_in_s=again_in_s)
