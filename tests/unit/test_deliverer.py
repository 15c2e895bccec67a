"""The deliverer keeps to its limits and outlasts what fails beside it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contracts.samples import a_job
from imaging_core import deliverer as deliverer_module
from imaging_core.deliverer import Deliverer, DeliveryLimits
from imaging_core.deliveries import LOST_CLAIMS, Delivery, DeliveryState, Schedule
from imaging_core.errors import Unavailable, UnreadableDelivery
from imaging_core.events import EventKind, event_of
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.memory.webhook_outbox import MemoryWebhookOutbox
from imaging_core.outbox import Message, Sent
from imaging_core.webhooks import Webhook


class Jobs(MemoryJobRepository):
    """Those in memory, with their events at hand."""

    def __init__(self) -> None:
        self.events = MemoryJobEvents()
        super().__init__(self.events)


class Sender:
    """Holds every message until it is let go, then says it arrived."""

    def __init__(self) -> None:
        self.sending: list[Message] = []
        self.begun: list[Message] = []
        self.most: dict[str, int] = {}
        self.let_go = asyncio.Event()

    async def send(self, message: Message) -> Sent:
        self.begun.append(message)
        self.sending.append(message)
        for url in {"all", message.url}:
            count = sum(1 for each in self.sending if url in ("all", each.url))
            self.most[url] = max(self.most.get(url, 0), count)
        try:
            await self.let_go.wait()
        finally:
            self.sending.remove(message)
        return Sent(status=204)

    async def check(self, url: str) -> None:
        raise NotImplementedError


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


async def ended(jobs: Jobs, url: str | None, *, owner: str | None = None) -> str:
    now = await jobs.now()
    job = await jobs.add(a_job(now, owner=owner, webhook=None if url is None else Webhook(url=url)))
    job = job.cancelled(now=now)
    await jobs.save(job, events=[event_of(job, EventKind.CANCELLED, at=now)])
    return job.id


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@asynccontextmanager
async def delivering(jobs: Jobs, sender: Sender, **limits: Any) -> AsyncIterator[None]:
    deliverer = Deliverer(
        jobs=jobs,
        events=jobs.events,
        outbox=jobs.outbox,
        sender=sender,
        payload=lambda job, _: job.id.encode(),
        schedule=Schedule(delays_s=(0.01,)),
        limits=DeliveryLimits(**{"poll_s": 0.01, "gather_s": 0.01, **limits}),
    )
    running = asyncio.create_task(deliverer.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def arrives(jobs: Jobs, job_id: str) -> None:
    """Return once the job's message has arrived."""
    await comes_to(jobs, job_id, DeliveryState.DELIVERED)


async def comes_to(jobs: Jobs, job_id: str, state: DeliveryState) -> None:
    async with asyncio.timeout(10):
        while True:
            (delivery,) = await jobs.outbox.of_job(job_id)
            if delivery.state is state:
                return
            await asyncio.sleep(0.005)


async def test_no_more_go_out_at_a_time_than_may(jobs: Jobs) -> None:
    sender = Sender()
    for number in range(12):
        await ended(jobs, f"https://host{number % 3}.example/")
    async with delivering(jobs, sender, at_once=4, per_host=2):
        await until(lambda: len(sender.sending) == 4)
        sender.let_go.set()
        await until(lambda: len(sender.begun) == 12 and not sender.sending)

    assert sender.most.pop("all") == 4
    assert max(sender.most.values()) <= 2
    assert len({message.id for message in sender.begun}) == 12


async def test_whoever_has_many_hosts_that_hang_delays_no_other_owner(jobs: Jobs) -> None:
    sender = Sender()
    for number in range(30):
        await ended(jobs, f"https://host{number}.example/", owner="many")
    async with delivering(jobs, sender, at_once=6, per_owner=4):
        await until(lambda: len(sender.sending) == 4)

        await ended(jobs, "https://one.example/", owner="few")
        await until(lambda: [message.url for message in sender.sending][4:] == ["https://one.example/"])

        assert len(sender.begun) == 5
        sender.let_go.set()
        await until(lambda: len(sender.begun) == 31 and not sender.sending)
    assert (sender.most["all"], len({message.id for message in sender.begun})) == (5, 31)
    assert (await jobs.outbox.state()).pending == 0


async def test_a_message_dropped_at_a_stop_goes_out_again_under_its_id(jobs: Jobs) -> None:
    sender = Sender()
    job_id = await ended(jobs, "https://host.example/")
    for _ in range(4):
        async with delivering(jobs, sender, lease_s=3_600.0):
            await until(lambda: sender.sending)
        assert sender.sending == []

    sender.let_go.set()
    async with delivering(jobs, sender):
        await arrives(jobs, job_id)

    assert len(sender.begun) == 5
    assert {(message.id, message.body) for message in sender.begun} == {(f"msg_{job_id}", job_id.encode())}


async def test_a_message_whose_claim_was_under_way_at_a_stop_is_handed_back(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, claimed, answered = jobs.outbox.claim, asyncio.Event(), asyncio.Event()

    async def slow(**asked: Any) -> Delivery | None:
        delivery = await claim(**asked)
        claimed.set()
        await answered.wait()
        return delivery

    monkeypatch.setattr(jobs.outbox, "claim", slow)
    job_id = await ended(jobs, "https://host.example/")
    async with delivering(jobs, Sender(), lease_s=3_600.0):
        await claimed.wait()
        asyncio.get_running_loop().call_later(0.01, answered.set)

    (delivery,) = await jobs.outbox.of_job(job_id)
    assert (delivery.tries, delivery.token, (await jobs.outbox.state()).due) == (0, None, 1)


async def test_a_stop_waits_for_no_claim_that_hangs(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer_module, "_HAND_BACK_S", 0.05)
    asked = asyncio.Event()

    async def hang(**_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(jobs.outbox, "claim", hang)
    async with asyncio.timeout(5), delivering(jobs, Sender()):
        await asked.wait()


async def test_an_outage_of_the_outbox_is_told_once_and_so_is_its_end(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "imaging.webhooks")
    claim, looks = jobs.outbox.claim, 0

    async def shaky(**asked: Any) -> Delivery | None:
        nonlocal looks
        looks += 1
        if looks % 20:
            raise Unavailable("The database is away.")
        return await claim(**asked)

    monkeypatch.setattr(jobs.outbox, "claim", shaky)
    async with delivering(jobs, Sender()):
        await until(lambda: looks == 45)

    told = [record.getMessage() for record in caplog.records if record.name == "imaging.webhooks"]
    away, back = "Webhooks are not told for now: The database is away.", "Webhooks are told again."
    assert told == [away, back, away, back, away]


async def test_a_stop_waits_for_no_outbox_that_hangs_or_is_away(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sender, handed_back = Sender(), iter([Unavailable("The database is away."), None, ValueError("odd")])
    monkeypatch.setattr(deliverer_module, "_HAND_BACK_S", 0.05)

    async def hand_back(delivery: Delivery) -> None:
        if (error := next(handed_back)) is not None:
            raise error
        await asyncio.Event().wait()

    monkeypatch.setattr(jobs.outbox, "hand_back", hand_back)
    for number in range(3):
        await ended(jobs, f"https://host{number}.example/")
    async with asyncio.timeout(5), delivering(jobs, sender):
        await until(lambda: len(sender.sending) == 3)

    assert next(handed_back, "all were tried") == "all were tried"
    assert "waits for its lease to run out: The database is away." in caplog.text
    assert "Handing back a message to a webhook failed." in caplog.text


async def test_an_outbox_that_is_away_for_a_while_stops_nothing_for_good(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, claim, settle = Sender(), jobs.outbox.claim, jobs.outbox.settle
    failing = {"claim": 3, "settle": 3}
    monkeypatch.setattr(deliverer_module, "_RECORD_AGAIN_S", 0.001)

    def shaky(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if failing[name]:
                failing[name] -= 1
                raise Unavailable("The database is away.") if name == "settle" or failing[name] else ValueError("odd")
            return await whole(*args, **kwargs)

        return call

    monkeypatch.setattr(jobs.outbox, "claim", shaky("claim", claim))
    monkeypatch.setattr(jobs.outbox, "settle", shaky("settle", settle))
    sender.let_go.set()
    job_id = await ended(jobs, "https://host.example/")

    async with delivering(jobs, sender):
        await arrives(jobs, job_id)

    assert failing == {"claim": 0, "settle": 0}
    assert len(sender.begun) == 1


async def test_a_job_deleted_meanwhile_is_no_trouble(jobs: Jobs) -> None:
    sender = Sender()
    first = await ended(jobs, "https://host.example/")
    async with delivering(jobs, sender):
        await until(lambda: sender.sending)
        await jobs.delete(await jobs.get(first))
        sender.let_go.set()
        second = await ended(jobs, "https://host.example/")
        await until(lambda: len(sender.begun) == 2 and not sender.sending)
        await arrives(jobs, second)

    assert await jobs.outbox.of_job(first) == []


async def test_a_message_that_cannot_be_written_is_given_up_in_the_end(jobs: Jobs) -> None:
    job_id = await ended(jobs, "https://hooks.example/a")
    sender = Sender()

    def unreadable(*_: object) -> bytes:
        raise KeyError("a field that is not there")

    deliverer = Deliverer(
        jobs=jobs,
        events=jobs.events,
        outbox=jobs.outbox,
        sender=sender,
        payload=unreadable,
        schedule=Schedule(delays_s=(0.01, 0.01)),
        limits=DeliveryLimits(poll_s=0.01, gather_s=0.01),
    )
    running = asyncio.create_task(deliverer.run())
    try:
        await comes_to(jobs, job_id, DeliveryState.FAILED)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    (delivery,) = await jobs.outbox.of_job(job_id)
    assert [attempt.error for attempt in delivery.attempts] == ["The message could not be written (KeyError)."] * 3
    assert not sender.begun
    assert deliverer.outcomes == {DeliveryState.PENDING: 2, DeliveryState.FAILED: 1}


async def test_the_end_of_a_job_is_told_without_waiting_for_the_next_look(jobs: Jobs) -> None:
    sender = Sender()
    sender.let_go.set()
    async with delivering(jobs, sender, poll_s=3_600.0):
        # The first look and the first listening are over once this one has arrived.
        await arrives(jobs, await ended(jobs, "https://host.example/"))

        await arrives(jobs, await ended(jobs, "https://host.example/"))


async def test_ends_of_a_moment_are_one_look(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    claim = jobs.outbox.claim

    async def counted(**asked: Any) -> Any:
        nonlocal looks
        looks += 1
        return await claim(**asked)

    monkeypatch.setattr(jobs.outbox, "claim", counted)
    async with delivering(jobs, Sender(), poll_s=3_600.0, gather_s=3_600.0):
        await until(lambda: looks == 1)
        for _ in range(50):
            await ended(jobs, None)
            await asyncio.sleep(0)

    assert looks == 1


class Unreadable(MemoryWebhookOutbox):
    """Gives what it has, after one message that it cannot read."""

    given_up: bool | None

    async def claim(self, **how: Any) -> Delivery | None:
        if self.given_up is not None:
            given_up, self.given_up = self.given_up, None
            raise UnreadableDelivery("msg_1", given_up=given_up)
        return await super().claim(**how)


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_message_that_cannot_be_read_holds_up_no_other(
    jobs: Jobs, given_up: bool, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await ended(jobs, "https://hooks.example/a")
    outbox = Unreadable(jobs.outbox._now)
    outbox.given_up = given_up
    outbox._deliveries = jobs.outbox._deliveries
    sender = Sender()
    sender.let_go.set()
    deliverer = Deliverer(
        jobs=jobs,
        events=jobs.events,
        outbox=outbox,
        sender=sender,
        payload=lambda *_: b"",
        limits=DeliveryLimits(poll_s=60, gather_s=60),
    )
    running = asyncio.create_task(deliverer.run())
    try:
        await arrives(jobs, job_id)
    finally:
        running.cancel()
    assert deliverer.outcomes == {DeliveryState.DELIVERED: 1, **({DeliveryState.FAILED: 1} if given_up else {})}
    assert ("A webhook was given up" in caplog.text) is given_up


async def test_a_message_whose_outcomes_were_all_lost_is_given_up_unsent(jobs: Jobs) -> None:
    job_id = await ended(jobs, "https://hooks.example/a")
    for lost in range(LOST_CLAIMS):
        assert await jobs.outbox.claim(token=f"lost{lost}", lease_s=0) is not None
    sender = Sender()
    async with delivering(jobs, sender):
        await comes_to(jobs, job_id, DeliveryState.FAILED)

    assert sender.begun == []


async def test_a_message_whose_claims_were_lost_is_sent_all_the_same(jobs: Jobs) -> None:
    job_id = await ended(jobs, "https://hooks.example/a")
    for lost in range(LOST_CLAIMS - 1):
        assert await jobs.outbox.claim(token=f"lost{lost}", lease_s=0) is not None
    sender = Sender()
    sender.let_go.set()
    async with delivering(jobs, sender):
        await arrives(jobs, job_id)

    assert len(sender.begun) == 1
