"""Every outbox keeps every promise of its port, and the durable ones through a restart."""

import time
from datetime import datetime, timedelta

import pytest

from adapters.redis import RedisLink, RedisWebhookOutbox
from adapters.sqlite import SqliteDatabase, SqliteJobRepository, SqliteWebhookOutbox
from contracts.job_setting import FIRST, RepositorySetting
from contracts.samples import NOON
from contracts.webhook_outbox import ARRIVED, REFUSED, WebhookOutboxContract, a_hook
from imaging_core.deliveries import UNREADABLE_CLAIMS, DeliveryState, delivery_id
from imaging_core.errors import LeaseLost, UnreadableDelivery
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.outbox import OutboxState, WebhookOutbox
from imaging_core.ports import JobEvents, JobRepository
from integration.test_sqlite_promises import SqliteSetting
from redis_setting import OnRedis


class TestMemoryWebhookOutbox(WebhookOutboxContract):
    time: datetime = NOON

    @pytest.fixture
    def events(self) -> JobEvents:
        return MemoryJobEvents()

    @pytest.fixture
    def repository(self, events: MemoryJobEvents) -> JobRepository:
        return MemoryJobRepository(events, lambda: self.time)

    @pytest.fixture
    def outbox(self, repository: MemoryJobRepository) -> WebhookOutbox:
        return repository.outbox

    async def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class UnreadableMessages(RepositorySetting):
    """What becomes of a message that this version does not understand; for outboxes that outlive a version."""

    async def spoil(self, job_id: str, outbox: WebhookOutbox, event: str = "enlarged") -> None:
        """Make the message about that job one of a version to come, or with "finished" one of this version again."""
        raise NotImplementedError

    async def test_claims_of_a_version_that_cannot_read_a_message_are_no_tries_of_the_one_that_can(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.finished(repository, webhook=a_hook())
        await self.spoil(job.id, outbox)
        for claim in range(UNREADABLE_CLAIMS - 1):
            with pytest.raises(UnreadableDelivery):
                await outbox.claim(token=f"old{claim}", lease_s=0)

        await self.spoil(job.id, outbox, "finished")

        claimed = await outbox.claim(token="new", lease_s=0)
        assert claimed is not None
        assert (claimed.tries, claimed.lost, claimed.attempts) == (1, 0, ())

    async def test_a_message_that_cannot_be_read_hides_no_other_and_is_given_up_in_the_end(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        spoilt = await self.finished(repository, webhook=a_hook())
        await self.spoil(spoilt.id, outbox)
        await self.ticks(0.1)
        other = await self.finished(repository, webhook=a_hook())

        await self.ticks(0.1)

        outcomes = []
        for claim in range(UNREADABLE_CLAIMS):
            with pytest.raises(UnreadableDelivery) as error:
                await outbox.claim(token=f"t{claim}", lease_s=0)
            outcomes.append((error.value.delivery_id, error.value.given_up))
            if claim == 0:
                sent = await outbox.claim(token="other", lease_s=self.tick_s)
                assert sent is not None
                assert sent.job_id == other.id
                await outbox.settle(sent, ARRIVED)

        assert set(outcomes[:-1]) == {(delivery_id(spoilt.id), False)}
        assert outcomes[-1] == (delivery_id(spoilt.id), True)
        assert await outbox.claim(token="next", lease_s=0) is None
        assert await outbox.of_job(spoilt.id) == []
        assert await outbox.resend(delivery_id(spoilt.id)) is None
        assert await outbox.state() == OutboxState()
        assert await outbox.claim(token="resent", lease_s=0) is None


class TestSqliteWebhookOutbox(SqliteSetting, WebhookOutboxContract, UnreadableMessages):
    async def spoil(
        self, job_id: str, outbox: WebhookOutbox, event: str = "enlarged"
    ) -> None:  # the file is the database's
        change = "UPDATE deliveries SET event = ? WHERE job_id = ?"
        await self.opened[-1].write(lambda transaction: transaction.connection.execute(change, (event, job_id)))

    @pytest.fixture
    def outbox(self, database: SqliteDatabase) -> WebhookOutbox:
        return SqliteWebhookOutbox(database)

    async def test_messages_and_secrets_outlive_a_restart(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        job = await self.ended(repository)
        secrets = await outbox.secrets(None, fresh="whsec_b2xk")
        settled = await outbox.settle(await self.take(outbox), REFUSED, again_in_s=0)
        await self.reopened(repository)

        after = SqliteWebhookOutbox(self.opened[-1])

        assert list(await after.of_job(job.id)) == [settled]
        assert await after.secrets(None, fresh="whsec_bmV3") == secrets
        assert (await self.take(after)).attempts == (REFUSED,)

    async def test_after_a_crash_nobody_waits_for_the_dead_sender(
        self, repository: SqliteJobRepository, outbox: WebhookOutbox
    ) -> None:
        await self.ended(repository)
        dead = await self.take(outbox, "dead", ticks=99)
        assert await self.nothing_due(outbox)

        await repository.release_leases()

        assert (await self.take(outbox, "next")).id == dead.id
        assert await outbox.settle(dead, ARRIVED) is None


class TestRedisWebhookOutbox(OnRedis, WebhookOutboxContract, UnreadableMessages):
    async def spoil(self, job_id: str, outbox: WebhookOutbox, event: str = "enlarged") -> None:
        assert isinstance(outbox, RedisWebhookOutbox)
        link = outbox._link
        await link.command("HSET", link.key("delivery", job_id), "event", event)

    async def test_a_message_that_is_gone_is_due_no_more(
        self, repository: JobRepository, outbox: WebhookOutbox, link: RedisLink
    ) -> None:
        gone = [await self.ended(repository) for _ in range(3)]
        await self.ticks(0.1)
        job = await self.ended(repository)
        for each in gone:
            await link.command("DEL", link.key("delivery", each.id))

        # In one look: the next may be a while off.
        sending = await self.take(outbox)
        assert sending.job_id == job.id
        await outbox.settle(sending, ARRIVED)
        assert await self.nothing_due(outbox)
        assert await outbox.state() == OutboxState()

    @pytest.fixture
    def outbox(self, link: RedisLink) -> WebhookOutbox:
        return RedisWebhookOutbox(link)

    async def test_a_settlement_said_twice_counts_once(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        job = await self.ended(repository)
        sending = await self.take(outbox)

        first = await outbox.settle(sending, ARRIVED)
        second = await outbox.settle(sending, ARRIVED)

        assert first == second
        (stored,) = await outbox.of_job(job.id)
        assert (stored.state, stored.attempts) == (DeliveryState.DELIVERED, (ARRIVED,))

    async def test_an_end_said_twice_owes_one_message(self, repository: JobRepository, outbox: WebhookOutbox) -> None:
        job = await self.start(repository, webhook=a_hook())
        done = job.succeeded([], now=await repository.now())
        await repository.save(done, token=FIRST)
        await outbox.settle(await self.take(outbox), ARRIVED)

        with pytest.raises(LeaseLost):
            await repository.save(done, token=FIRST)

        assert await self.nothing_due(outbox)

    async def test_thousands_of_messages_to_a_busy_host_hide_no_other(
        self, repository: JobRepository, outbox: WebhookOutbox, link: RedisLink
    ) -> None:
        quick = await self.ended(repository, webhook=a_hook("quick.example"))
        flood: list[str | float] = []
        for number in range(50_000):
            flood += [number, f"{number:032x}"]
        await link.command("ZADD", link.key("deliveries", "slow.example"), *flood)
        await link.command("ZADD", link.key("deliveries"), 0, "slow.example")

        # Redis does nothing else meanwhile, and is asked twice a second.
        assert min([await self.timed_look(outbox) for _ in range(5)]) < 0.05
        delivery = await self.take(outbox, busy=["slow.example"])

        assert delivery.job_id == quick.id

    async def timed_look(self, outbox: WebhookOutbox) -> float:
        began = time.perf_counter()
        assert await outbox.claim(token="t", lease_s=1.0, busy=["slow.example", "quick.example"]) is None
        return time.perf_counter() - began
