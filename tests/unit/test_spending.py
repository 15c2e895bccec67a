"""A day's credits: set aside at the submit, settled from the record, right whatever crashes in between."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from contracts.samples import a_job
from imaging_core.errors import QueueFull, Unavailable, UnreadableJob
from imaging_core.images import ImageRequest
from imaging_core.jobs import CallState, Job
from imaging_core.key_ports import Reservation
from imaging_core.keys import KeyLimits
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.ports import Idempotency, QueueLimits
from imaging_core.spending import Budget, CreditLimitReached, Settling, cost_of

PRICE = 3.0


class Setting:
    """A repository, a book and a clock that all share."""

    def __init__(self, *, mine: float | None = None, total: float | None = None, max_queued: int | None = None) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.jobs = MemoryJobRepository(MemoryJobEvents(), lambda: self.now)
        self.book = self.jobs.spending
        self.settling = Settling(self.jobs, self.book)
        self.limits = KeyLimits(credits_per_day=mine, max_queued=max_queued)
        self.price = PRICE
        self.budget = Budget(
            self.jobs,
            self.book,
            self.settling,
            limits_of=self._limits_of,
            price_of=self._price_of,
            credits_per_day=total,
        )

    async def _limits_of(self, owner: str | None) -> KeyLimits:
        return self.limits if owner == "alice" else KeyLimits()

    async def _price_of(self, job: Job) -> float:
        return self.price * job.request.count

    def job(self, *, owner: str | None = "alice", count: int = 1) -> Job:
        return attrs.evolve(a_job(self.now), owner=owner, request=ImageRequest(prompt="x", seed=1, count=count))

    async def spent(self, owner: str | None = "alice") -> float:
        return await self.book.spent(self.now.date(), owner=owner)

    async def ended(self, job: Job, *states: tuple[CallState, float | None]) -> None:
        """The job runs and ends, its calls having come to these."""
        job = job.claimed(worker="w", token="t", now=self.now, lease_s=60)
        for index, (state, cost) in enumerate(states):
            job = job.intending(index, f"task-{index}").with_call(f"task-{index}", state, credits=cost)
        await self.jobs.save(job.cancelled(now=self.now))


async def test_jobs_are_taken_up_to_the_limit_and_then_refused_with_when_it_begins_anew() -> None:
    setting = Setting(mine=7.0)
    for _ in range(2):
        await setting.budget.add(setting.job())
    with pytest.raises(CreditLimitReached) as caught:
        await setting.budget.add(setting.job())

    assert caught.value.limit == "key"
    assert caught.value.resets_at == datetime(2026, 5, 2, tzinfo=UTC)
    assert "7 credits a day" in str(caught.value)
    assert "6 are used" in str(caught.value)
    assert await setting.spent() == 6.0
    # Another day, other credits.
    setting.now += timedelta(hours=12)
    await setting.budget.add(setting.job())


async def test_the_limit_of_all_counts_for_everybody() -> None:
    setting = Setting(total=7.0)
    await setting.budget.add(setting.job(owner="bob"))
    await setting.budget.add(setting.job(owner=None))
    with pytest.raises(CreditLimitReached) as caught:
        await setting.budget.add(setting.job())

    assert caught.value.limit == "service"


async def test_what_costs_nothing_is_never_refused() -> None:
    setting = Setting(mine=1.0)
    setting.price = 0.0
    for _ in range(5):
        await setting.budget.add(setting.job())

    assert await setting.book.open(older_s=0) == []


async def test_a_job_that_cost_nothing_makes_room_at_once() -> None:
    setting = Setting(mine=PRICE)
    job = await setting.budget.add(setting.job())
    await setting.ended(job, (CallState.FAILED, None))

    await setting.budget.add(setting.job())
    assert await setting.spent() == PRICE


@pytest.mark.parametrize(
    ("states", "cost"),
    [
        ([], 0.0),
        ([(CallState.ANSWERED, 2.5), (CallState.ANSWERED, 2.5)], 5.0),
        ([(CallState.ANSWERED, 0.5), (CallState.FAILED, None)], 0.5),
        ([(CallState.REFUSED, None)], 0.0),
        # Nobody knows whether it was charged: better to count it.
        ([(CallState.IN_DOUBT, None), (CallState.ANSWERED, 1.0)], 4.0),
        ([(CallState.INTENDED, None)], 3.0),
    ],
)
async def test_the_record_tells_the_true_cost(states: list[tuple[CallState, float | None]], cost: float) -> None:
    setting = Setting()
    job = await setting.budget.add(setting.job(count=2))
    assert await setting.spent() == 6.0
    await setting.settling.settle()
    assert await setting.spent() == 6.0, "still open"

    await setting.ended(job, *states)
    for _ in range(2):
        await setting.settling.settle()
    assert await setting.spent() == cost
    assert cost_of(await setting.jobs.get(job.id), 6.0) == cost


async def test_a_submit_of_an_earlier_version_that_died_before_storing_gives_back_after_a_minute() -> None:
    setting = Setting(mine=PRICE)
    job = setting.job()
    setting.book.set_aside(Reservation(job_id=job.id, owner=job.owner, day=setting.now.date(), credits=PRICE))
    # Another process may still be about to store it.
    with pytest.raises(CreditLimitReached):
        await setting.budget.add(setting.job())

    setting.now += timedelta(seconds=61)
    await setting.settling.settle()
    assert await setting.spent() == 0.0
    await setting.budget.add(setting.job())


async def test_a_submit_whose_answer_was_lost_stays_counted_once() -> None:
    setting = Setting(mine=PRICE)
    real = setting.jobs.add_all

    async def add_all(jobs: Sequence[Job], **kwargs: object) -> tuple[Job, ...]:
        await real(jobs, **kwargs)  # type: ignore[arg-type]
        raise Unavailable("the answer was lost")

    setting.jobs.add_all = add_all  # type: ignore[method-assign]
    job = setting.job()
    with pytest.raises(Unavailable):
        await setting.budget.add(job)
    setting.now += timedelta(seconds=61)
    await setting.settling.settle()
    assert await setting.spent() == PRICE

    await setting.ended(await setting.jobs.get(job.id), (CallState.ANSWERED, 1.0))
    await setting.settling.settle()
    assert await setting.spent() == 1.0


async def test_a_refused_job_takes_nothing() -> None:
    setting = Setting(max_queued=1)
    await setting.budget.add(setting.job())
    with pytest.raises(QueueFull) as caught:
        await setting.budget.add(setting.job(), limits=QueueLimits(max_queued=100, max_queued_per_owner=50))

    assert caught.value.mine
    assert await setting.spent() == PRICE
    # The share is the key's, not everybody's.
    await setting.budget.add(setting.job(owner="bob"))


async def test_of_several_jobs_all_are_paid_for_or_none() -> None:
    setting = Setting(mine=7.0)
    with pytest.raises(CreditLimitReached):
        await setting.budget.add_all([setting.job() for _ in range(3)])
    assert await setting.spent() == 0.0

    assert len(await setting.budget.add_all([setting.job() for _ in range(2)])) == 2
    assert await setting.spent() == 6.0


async def test_a_repeated_submit_gets_its_first_job_and_costs_nothing_more_even_over_the_limit() -> None:
    setting = Setting(mine=4.0)
    promise = Idempotency(key="alice:k", fingerprint="f")
    first = await setting.budget.add(setting.job(), idempotency=promise)
    assert (await setting.budget.add(setting.job(), idempotency=promise)).id == first.id

    setting.limits = KeyLimits(credits_per_day=100.0)
    assert (await setting.budget.add(setting.job(), idempotency=promise)).id == first.id
    assert await setting.spent() == PRICE


async def test_who_asks_beforehand_is_told_what_a_submit_would_be_told_and_nothing_is_set_aside() -> None:
    setting = Setting(mine=7.0, total=10.0)
    await setting.budget.check_credits("alice", 7.0, now=setting.now)
    first = await setting.budget.add(setting.job())
    await setting.budget.add(setting.job())

    with pytest.raises(CreditLimitReached) as refused:
        await setting.budget.check_credits("alice", 3.0, now=setting.now)
    assert (refused.value.limit, await setting.spent()) == ("key", 6.0)
    with pytest.raises(CreditLimitReached) as refused:
        await setting.budget.check_credits("bob", 4.5, now=setting.now)
    assert refused.value.limit == "service"
    await setting.budget.check_credits("bob", 4.0, now=setting.now)
    await setting.budget.check_credits("alice", 0.0, now=setting.now)

    # What has ended in the meantime and cost nothing counts no more.
    setting.now += timedelta(seconds=5)
    await setting.settling.hurry()
    await setting.ended(first)
    await setting.settling.settle()
    await setting.budget.check_credits("alice", 4.0, now=setting.now)


async def test_a_keys_own_share_of_the_queue_counts_instead_of_the_general_one() -> None:
    setting = Setting(max_queued=3)
    general = QueueLimits(max_queued=50, max_queued_per_owner=10)

    assert await setting.budget.share("alice", general) == QueueLimits(max_queued=50, max_queued_per_owner=3)
    assert await setting.budget.share("alice", None) == QueueLimits(max_queued_per_owner=3)
    assert await setting.budget.share("bob", general) == general
    assert await setting.budget.share(None, None) is None


async def test_what_a_newer_version_wrote_stays_set_aside_until_that_settles_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting()
    job = await setting.budget.add(setting.job())

    async def newer(job_id: str) -> Job:
        raise UnreadableJob(f"Job {job_id} was written with schema 99.")

    with monkeypatch.context() as patch:
        patch.setattr(setting.jobs, "get", newer)
        setting.now += timedelta(hours=1)
        await setting.settling.settle()
    assert [one.job_id for one in await setting.book.open(older_s=0)] == [job.id]
    await setting.ended(job)
    await setting.settling.settle()

    assert await setting.spent() == 0.0
