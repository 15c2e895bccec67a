"""The deliverer keeps to its limits and outlasts what fails beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contracts.samples import a_job
from imaging_core import deliverer as deliverer_module
from imaging_core.deliverer import Deliverer, DeliveryLimits
from imaging_core.deliveries import DeliveryState, Schedule
from imaging_core.errors import Unavailable
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.outbox import Message, Sent
from imaging_core.webhooks import Webhook


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


async def ended(jobs: MemoryJobRepository, url: str) -> str:
    job = await jobs.add(a_job(await jobs.now(), webhook=Webhook(url=url)))
    await jobs.save(job.cancelled(now=await jobs.now()))
    return job.id


@pytest.fixture
def jobs() -> MemoryJobRepository:
    return MemoryJobRepository(MemoryJobEvents())


@asynccontextmanager
async def delivering(jobs: MemoryJobRepository, sender: Sender, **limits: Any) -> AsyncIterator[None]:
    deliverer = Deliverer(
        jobs=jobs,
        outbox=jobs.outbox,
        sender=sender,
        payload=lambda job, _: job.id.encode(),
        schedule=Schedule(delays_s=(0.01,)),
        limits=DeliveryLimits(**{"poll_s": 0.01, **limits}),
    )
    running = asyncio.create_task(deliverer.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def arrives(jobs: MemoryJobRepository, job_id: str) -> None:
    """Return once the job's message has arrived."""
    async with asyncio.timeout(10):
        while True:
            (delivery,) = await jobs.outbox.of_job(job_id)
            if delivery.state is DeliveryState.DELIVERED:
                return
            await asyncio.sleep(0.005)


async def test_no_more_go_out_at_a_time_than_may(jobs: MemoryJobRepository) -> None:
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


async def test_a_message_dropped_at_a_stop_goes_out_again_under_its_id(jobs: MemoryJobRepository) -> None:
    sender = Sender()
    job_id = await ended(jobs, "https://host.example/")
    async with delivering(jobs, sender, lease_s=0.05):
        await until(lambda: sender.sending)
    assert sender.sending == []

    sender.let_go.set()
    async with delivering(jobs, sender):
        await until(lambda: len(sender.begun) == 2 and not sender.sending)

    assert sender.begun[0].id == sender.begun[1].id
    assert sender.begun[0].body == sender.begun[1].body == job_id.encode()


async def test_an_outbox_that_is_away_for_a_while_stops_nothing_for_good(
    jobs: MemoryJobRepository, monkeypatch: pytest.MonkeyPatch
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


async def test_a_job_deleted_meanwhile_is_no_trouble(jobs: MemoryJobRepository) -> None:
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


async def test_a_message_that_cannot_be_written_is_given_up_in_the_end(jobs: MemoryJobRepository) -> None:
    job_id = await ended(jobs, "https://hooks.example/a")
    sender = Sender()

    def unreadable(*_: object) -> bytes:
        raise KeyError("a field that is not there")

    deliverer = Deliverer(
        jobs=jobs,
        outbox=jobs.outbox,
        sender=sender,
        payload=unreadable,
        schedule=Schedule(delays_s=(0.01, 0.01)),
        limits=DeliveryLimits(poll_s=0.01),
    )
    running = asyncio.create_task(deliverer.run())
    try:
        async with asyncio.timeout(10):
            while True:
                (delivery,) = await jobs.outbox.of_job(job_id)
                if delivery.state is DeliveryState.FAILED:
                    break
                await asyncio.sleep(0.005)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [attempt.error for attempt in delivery.attempts] == ["The message could not be written (KeyError)."] * 3
    assert not sender.begun
