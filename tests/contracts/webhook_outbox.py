"""The contract of `WebhookOutbox`: its numbered promises, each tried over the repository that it shares its place with.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from typing import Any

import pytest

from contracts.job_setting import FIRST
from contracts.samples import NOON, a_failure
from contracts.webhook_secrets import WebhookSecretsContract
from imaging_core.deliveries import (
    KEPT_ATTEMPTS,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    delivery_id,
)
from imaging_core.errors import FailureCode, LeaseLost, StaleJob
from imaging_core.jobs import Job, JobStatus
from imaging_core.outbox import OutboxState, WebhookOutbox
from imaging_core.ports import JobRepository
from imaging_core.webhooks import Webhook, WebhookEvent

#: The token of whoever sends.
SENDER = "sender"
ARRIVED = DeliveryAttempt(at=NOON, status=204, took_ms=12)
REFUSED = DeliveryAttempt(at=NOON, status=500, took_ms=34, error="The receiver answered 500.")


def a_hook(host: str = "hooks.example", *events: WebhookEvent) -> Webhook:
    """A webhook for these ends, for all when none is named."""
    return Webhook(url=f"https://{host}/a/secret?path=1", events=events or tuple(WebhookEvent))


class WebhookOutboxContract(WebhookSecretsContract):
    """Supply `outbox` beside what `RepositorySetting` asks for; the promises about secrets are among these."""

    async def ended(self, repository: JobRepository, **changes: Any) -> Job:
        """A finished job with a webhook."""
        return await self.finished(repository, **{"webhook": a_hook(), **changes})

    async def take(self, outbox: WebhookOutbox, token: str = SENDER, *, ticks: float = 2.0, **busy: Any) -> Delivery:
        """The next delivery that is due; there must be one."""
        delivery = await outbox.claim(token=token, lease_s=ticks * self.tick_s, **busy)
        assert delivery is not None, "there must be a delivery that is due"
        return delivery

    async def nothing_due(self, outbox: WebhookOutbox) -> bool:
        return await outbox.claim(token="idle", lease_s=self.tick_s) is None

    # --- 1: stored with the end --------------------------------------------------------------------------

    @pytest.mark.parametrize("event", WebhookEvent)
    async def test_1_an_end_stores_the_message_about_it(
        self, repository: JobRepository, outbox: WebhookOutbox, event: WebhookEvent
    ) -> None:
        job, now = await self.start(repository, webhook=a_hook()), await repository.now()
        filtered = a_failure(now, code=FailureCode.CONTENT_FILTERED)
        ended = {
            WebhookEvent.FINISHED: lambda: job.succeeded([], now=now),
            WebhookEvent.FAILED: lambda: job.failed(a_failure(now), now=now),
            WebhookEvent.FILTERED: lambda: job.failed(filtered, now=now),
            WebhookEvent.CANCELLED: lambda: job.cancelled(now=now),
        }[event]()

        await repository.save(ended, token=FIRST)

        (delivery,) = await outbox.of_job(job.id)
        assert (delivery.id, delivery.job_id, delivery.event) == (delivery_id(job.id), job.id, event)
        assert (delivery.host, delivery.state, delivery.tries) == ("hooks.example", DeliveryState.PENDING, 0)
        assert delivery.attempts == ()

    async def test_1_the_job_brings_its_webhook_back(self, repository: JobRepository) -> None:
        hook = a_hook("hooks.example", WebhookEvent.FAILED, WebhookEvent.FINISHED)

        job = await self.submit(repository, webhook=hook)

        assert (await (await self.reopened(repository)).get(job.id)).webhook == hook

    async def test_1_an_open_job_owes_nothing(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        job = await self.start(repository, webhook=a_hook())
        await self.park(repository, job)

        assert await outbox.of_job(job.id) == []
        assert await self.nothing_due(outbox)

    async def test_1_an_end_that_nobody_wants_to_hear_of_owes_nothing(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        quiet = await self.finished(repository)
        other = await self.ended(repository, webhook=a_hook("hooks.example", WebhookEvent.FAILED))

        assert await outbox.of_job(quiet.id) == []
        assert await outbox.of_job(other.id) == []
        assert await self.nothing_due(outbox)

    async def test_1_an_end_that_was_refused_owes_nothing(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.start(repository, webhook=a_hook())
        ended = job.succeeded([], now=await repository.now())
        await repository.save(job.intending(0, "task"), token=FIRST)

        with pytest.raises(StaleJob):
            await repository.save(ended, token=FIRST)
        with pytest.raises(LeaseLost):
            await repository.save(ended, token="forged")

        assert await self.nothing_due(outbox)

    async def test_9_a_message_outlives_the_process_that_stored_it(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        await outbox.settle(await self.take(outbox), REFUSED, again_in_s=self.tick_s)

        assert (await (await self.reopened(repository)).get(job.id)).status is JobStatus.FINISHED

    # --- 2, 3: claims ------------------------------------------------------------------------------------

    async def test_2_a_due_message_is_given_to_one_sender(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)

        claims = await asyncio.gather(*(outbox.claim(token=f"t{n}", lease_s=9 * self.tick_s) for n in range(5)))

        (delivery,) = (claim for claim in claims if claim is not None)
        assert (delivery.job_id, delivery.tries) == (job.id, 1)
        assert delivery.token in {f"t{n}" for n in range(5)}

    async def test_2_the_longest_due_goes_first(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        jobs = []
        for _ in range(3):
            jobs.append(await self.ended(repository))
            await self.ticks(0.1)

        assert [(await self.take(outbox)).job_id for _ in jobs] == [job.id for job in jobs]

    async def test_2_a_sender_that_died_is_followed_by_another_after_its_lease(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        await self.ended(repository)
        first = await self.take(outbox, "dead", ticks=2)
        assert await self.nothing_due(outbox)

        await self.ticks(2.2)
        second = await self.take(outbox, "next")

        # The same try: perhaps nothing was sent at all.
        assert (second.id, second.tries, second.lost, second.attempts) == (first.id, 1, 1, ())
        settled = await outbox.settle(second, REFUSED, again_in_s=0)
        assert settled is not None
        assert (settled.tries, settled.lost) == (1, 0)
        third = await self.take(outbox, "third", ticks=1)
        assert (third.tries, third.lost) == (2, 0)

    async def test_3_busy_hosts_are_passed_over(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        for _ in range(3):
            await self.ended(repository, webhook=a_hook("slow.example"))
            await self.ticks(0.1)
        quick = await self.ended(repository, webhook=a_hook("quick.example"))

        delivery = await self.take(outbox, busy=["slow.example"])

        assert delivery.job_id == quick.id
        assert await outbox.claim(token="x", lease_s=1, busy=["slow.example", "quick.example"]) is None
        assert (await self.take(outbox, busy=["other.example"])).host == "slow.example"

    # --- 4: settling -------------------------------------------------------------------------------------

    async def test_4_what_arrived_is_never_due_again(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        job = await self.ended(repository)

        settled = await outbox.settle(await self.take(outbox), ARRIVED)

        assert settled is not None
        assert (settled.state, settled.due_at, settled.attempts) == (DeliveryState.DELIVERED, None, (ARRIVED,))
        await self.ticks(3)
        assert await self.nothing_due(outbox)
        assert list(await outbox.of_job(job.id)) == [settled]

    async def test_4_what_did_not_arrive_is_due_again_in_its_time(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        await self.ended(repository)

        settled = await outbox.settle(await self.take(outbox), REFUSED, again_in_s=2 * self.tick_s)

        assert settled is not None
        assert (settled.state, settled.attempts) == (DeliveryState.PENDING, (REFUSED,))
        assert await self.nothing_due(outbox)
        await self.ticks(2.2)
        again = await self.take(outbox)
        assert (again.id, again.tries, again.attempts) == (settled.id, 2, (REFUSED,))

    async def test_4_what_is_given_up_is_failed(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        await self.ended(repository)

        settled = await outbox.settle(await self.take(outbox), REFUSED)

        assert settled is not None
        assert (settled.state, settled.due_at) == (DeliveryState.FAILED, None)
        await self.ticks(3)
        assert await self.nothing_due(outbox)

    async def test_4_only_the_present_sender_settles(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        job = await self.ended(repository)
        late = await self.take(outbox, "late", ticks=1)
        await self.ticks(1.2)
        present = await self.take(outbox, "present", ticks=9)

        assert await outbox.settle(late, REFUSED) is None
        (stored,) = await outbox.of_job(job.id)
        assert (stored.state, stored.attempts) == (DeliveryState.PENDING, ())
        settled = await outbox.settle(present, ARRIVED)
        assert settled is not None
        await outbox.settle(present, ARRIVED)
        (stored,) = await outbox.of_job(job.id)
        assert stored.attempts == (ARRIVED,)

    async def test_5_the_newest_attempts_are_kept_in_order(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        count = KEPT_ATTEMPTS + 3
        for number in range(count):
            delivery = await self.take(outbox, f"t{number}")
            attempt = DeliveryAttempt(at=NOON, status=500, took_ms=number, error="The receiver answered 500.")
            await outbox.settle(delivery, attempt, again_in_s=0)

        (stored,) = await outbox.of_job(job.id)

        assert [attempt.took_ms for attempt in stored.attempts] == list(range(3, count))
        assert stored.tries == count

    # --- 6: by hand --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("attempt", [ARRIVED, REFUSED])
    async def test_6_a_message_can_be_sent_again_by_hand(
        self, repository: JobRepository, outbox: WebhookOutbox, attempt: DeliveryAttempt
    ) -> None:
        await self.ended(repository)
        settled = await outbox.settle(await self.take(outbox), attempt)
        assert settled is not None

        resent = await outbox.resend(settled.id)

        assert resent is not None
        assert (resent.id, resent.state, resent.tries) == (settled.id, DeliveryState.PENDING, 0)
        again = await self.take(outbox)
        assert (again.id, again.tries, again.attempts) == (settled.id, 1, (attempt,))

    async def test_6_a_message_that_is_being_sent_is_left_alone(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        await self.ended(repository)
        sending = await self.take(outbox, ticks=9)

        resent = await outbox.resend(sending.id)

        assert resent == sending
        assert await self.nothing_due(outbox)
        assert await outbox.settle(sending, ARRIVED) is not None

    @pytest.mark.parametrize("unknown", ["", "msg_", "msg_" + "f" * 32, "msg_*", "\x00", "x" * 10_000])
    async def test_6_an_unknown_message_is_told_as_such(self, outbox: WebhookOutbox, unknown: str) -> None:
        assert await outbox.resend(unknown) is None

    # --- 7: deletion -------------------------------------------------------------------------------------

    async def test_7_a_deleted_job_takes_its_messages_along(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        kept, deleted = await self.ended(repository), await self.ended(repository)

        await repository.delete(deleted)

        assert await outbox.of_job(deleted.id) == []
        assert await outbox.resend(delivery_id(deleted.id)) is None
        assert (await self.take(outbox)).job_id == kept.id
        assert await self.nothing_due(outbox)

    async def test_7_the_sender_of_a_deleted_message_learns_of_it(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        sending = await self.take(outbox)
        await repository.delete(job)

        assert await outbox.settle(sending, REFUSED, again_in_s=0) is None
        assert await self.nothing_due(outbox)

    # --- 10: how much waits ------------------------------------------------------------------------------

    async def test_10_what_is_due_and_what_is_pending_is_counted(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        assert await outbox.state() == OutboxState()
        for host in ("one.example", "one.example", "two.example", "two.example"):
            await self.ended(repository, webhook=a_hook(host))
        await self.ticks(1)

        before = await outbox.state()
        await outbox.settle(await self.take(outbox), ARRIVED)
        await outbox.settle(await self.take(outbox), REFUSED)
        await outbox.settle(await self.take(outbox, ticks=9), REFUSED, again_in_s=9 * self.tick_s)
        after = await outbox.state()
        await self.take(outbox, ticks=9)

        assert (before.pending, before.due) == (4, 4)
        assert before.oldest_due_s >= 0.9 * self.tick_s
        assert (after.pending, after.due) == (2, 1)
        assert await outbox.state() == OutboxState(pending=2)

    # --- 11: handing back --------------------------------------------------------------------------------

    async def test_11_what_is_handed_back_is_due_at_once_as_if_it_had_not_been_claimed(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        await self.take(outbox, "dead", ticks=1)
        await self.ticks(1.2)

        await outbox.hand_back(await self.take(outbox, "stopped", ticks=9))

        (stored,) = await outbox.of_job(job.id)
        assert (stored.state, stored.tries, stored.lost) == (DeliveryState.PENDING, 0, 1)
        assert (await outbox.state()).due == 1
        again = await self.take(outbox, "next", ticks=9)
        assert (again.tries, again.lost, again.attempts) == (1, 1, ())

    async def test_11_what_is_handed_back_for_later_is_due_then(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)

        await outbox.hand_back(await self.take(outbox, ticks=99), again_in_s=2 * self.tick_s)

        assert await outbox.state() == OutboxState(pending=1)
        assert await self.nothing_due(outbox)
        await self.ticks(2.2)
        again = await self.take(outbox)
        assert (again.job_id, again.tries, again.lost) == (job.id, 1, 0)

    async def test_11_only_the_present_sender_hands_back(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        late = await self.take(outbox, "late", ticks=1)
        await self.ticks(1.2)
        present = await self.take(outbox, "present", ticks=9)

        await outbox.hand_back(late)

        assert list(await outbox.of_job(job.id)) == [present]
        await outbox.settle(present, ARRIVED)
        await outbox.hand_back(present)
        await repository.delete(job)
        await outbox.hand_back(present)
        assert await self.nothing_due(outbox)
