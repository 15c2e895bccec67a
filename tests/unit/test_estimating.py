"""What is told before a submit is what the submit would be told: the caller's own share and credits included."""

import attrs
import pytest

from imaging_core.errors import InvalidRequest
from imaging_core.estimating import Estimate, estimate
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job
from imaging_core.keys import KeyLimits
from imaging_core.ports import QueueLimits
from imaging_core.routing import AUTO, AutoPolicy
from imaging_core.spending import Budget, CreditLimitReached, Settling, listed_price
from scripted import ScriptedGenerator, World
from virtual_time import in_virtual_time

REQUEST = ImageRequest(prompt="a lighthouse")


class Shared:
    """A service whose callers have shares and credits of their own."""

    def __init__(self, limits: QueueLimits | None = None, **own: dict[str, float]) -> None:
        generator = ScriptedGenerator(credits=2.0)
        generator.can = attrs.evolve(generator.can, credits={"": 2.0})
        self.world = World(generator, queue_limits=limits)
        self.service = self.world.service
        self._own = own
        book = self.world.jobs.spending
        self.budget = Budget(
            self.world.jobs,
            book,
            Settling(self.world.jobs, book),
            limits_of=self._limits_of,
            price_of=self._price_of,
        )
        self.service.allowances = self.service._adding = self.budget

    async def _limits_of(self, owner: str | None) -> KeyLimits:
        return KeyLimits(**self._own.get(owner or "", {}))  # type: ignore[arg-type]

    async def _price_of(self, job: Job) -> float:
        return await listed_price(self.service.capabilities)(job)

    async def taken(self, owner: str) -> None:
        """One more of theirs waits."""
        job = await self.service.submit(REQUEST, backend="alpha", owner=owner)
        assert job.owner == owner

    async def told(self, owner: str | None) -> Estimate:
        return await estimate(self.service, REQUEST, backend="alpha", owner=owner)


def _codes(found: Estimate) -> list[str]:
    return [obstacle.code for obstacle in found.obstacles]


@in_virtual_time
async def test_an_owner_whose_share_is_used_up_is_told_so_and_others_are_not() -> None:
    shared = Shared(QueueLimits(max_queued=50, max_queued_per_owner=3), alice={"max_queued": 2})
    for owner in ("alice", "alice", "bob", "bob"):
        assert (await shared.told(owner)).accepted
        await shared.taken(owner)

    assert _codes(await shared.told("alice")) == ["queue_full"]
    assert not (await shared.told("alice")).accepted
    assert _codes(await shared.told("bob")) == []
    # Without keys there are no callers to share between.
    assert _codes(await shared.told(None)) == []
    await shared.taken("bob")
    assert _codes(await shared.told("bob")) == ["queue_full"]


@in_virtual_time
async def test_a_batch_beyond_ones_own_share_could_never_be_taken_and_is_told_so() -> None:
    shared = Shared(QueueLimits(max_queued=4, max_queued_per_owner=2), alice={"max_queued": 5}, bob={"max_queued": 1})
    items = [(REQUEST, "alpha")] * 2

    with pytest.raises(InvalidRequest, match="at most 1 of yours may wait"):
        await shared.service.submit_all(items, owner="bob")
    with pytest.raises(InvalidRequest, match="at most 2 of yours may wait"):
        await shared.service.submit_all([*items, *items], owner="carol")
    # Where both are too small, the caller's own comes first.
    with pytest.raises(InvalidRequest, match="at most 5 of yours may wait"):
        await shared.service.submit_all(items * 3, owner="alice")
    # The key's own share is larger than the general one.
    assert len(await shared.service.submit_all([*items, *items], owner="alice")) == 4


@in_virtual_time
async def test_credits_that_are_used_up_are_told_and_none_are_set_aside() -> None:
    shared = Shared(alice={"credits_per_day": 5.0})
    for _ in range(2):
        for _ in range(3):
            assert (await shared.told("alice")).accepted
        await shared.taken("alice")

    found = await shared.told("alice")
    assert (_codes(found), found.accepted, found.credits) == (["credit_limit"], False, 2.0)
    assert "5 credits a day. 4 are used or set aside" in found.obstacles[0].message
    assert _codes(await shared.told("bob")) == []
    with pytest.raises(CreditLimitReached):
        await shared.taken("alice")


@in_virtual_time
async def test_the_credits_of_the_day_keep_a_job_from_the_paid_backend() -> None:
    shared = Shared(alice={"credits_per_day": 3.0})
    shared.service.auto = AutoPolicy(order=("alpha",))

    await shared.service.submit(REQUEST, backend=AUTO, owner="alice")
    with pytest.raises(InvalidRequest, match="'alpha' is too dear"):
        await shared.service.submit(REQUEST, backend=AUTO, owner="alice")
