"""The Redis gate keeps every promise of its port, for any number of workers."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import ClassVar

import pytest

from adapters.redis import RedisGate, RedisLink
from contracts.gate import BackendGateContract
from imaging_core.errors import Unavailable
from imaging_core.policies import GateLimits
from imaging_core.ports import BackendGate, Permit, RetryAt
from redis_server import RedisServer, shared_server
from redis_setting import dead_link

__all__ = ["dead_link"]


class TestRedisGate(BackendGateContract):
    """Every promise of BackendGate."""

    tick_s: ClassVar[float] = 0.3
    slack_s: ClassVar[float] = 0.25

    @pytest.fixture(autouse=True)
    async def links(self, request: pytest.FixtureRequest) -> AsyncIterator[None]:
        url, prefix = shared_server(request.config).url, f"test-{secrets.token_hex(4)}:"
        self.made = [RedisLink(url, prefix=prefix) for _ in range(2)]
        yield
        for link in self.made:
            await link.aclose()

    def gates(self, limits: Mapping[str, GateLimits], *, count: int = 1) -> Sequence[BackendGate]:
        return [RedisGate(link, limits) for link in self.made[:count]]

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
async def link(request: pytest.FixtureRequest) -> AsyncIterator[RedisLink]:
    link = RedisLink(shared_server(request.config).url, prefix=f"test-{secrets.token_hex(4)}:")
    yield link
    await link.aclose()


async def test_a_permit_whose_answer_was_lost_holds_no_slot(link: RedisLink, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = RedisGate(link, {"alpha": GateLimits(slots=1, trip_after=1, cool_down_s=0.001)})
    permit = await gate.enter("alpha")
    assert isinstance(permit, Permit)
    await gate.leave(permit, ok=False)
    await asyncio.sleep(0.01)
    script = link.script

    async def forgetful(name: str, *args: str | bytes | float) -> object:
        await script(name, *args)
        raise Unavailable("The answer was lost.")

    monkeypatch.setattr(link, "script", forgetful)
    with pytest.raises(Unavailable):
        await gate.enter("alpha")
    monkeypatch.undo()
    assert (await gate.state("alpha")).in_use == 1

    # The slot and the circuit's one trial are free again for the next.
    assert isinstance(await gate.enter("alpha"), Permit)
    assert isinstance(await gate.enter("alpha"), RetryAt)


async def test_said_twice_a_call_gets_one_instance_whatever_was_free_in_between(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the answer is lost, and the question repeated over another connection."""
    gate = RedisGate(link, {"alpha": GateLimits(slots=9)})
    first = await gate.enter("alpha", instances=("one", "two"))
    assert isinstance(first, Permit)
    script = link.script

    async def twice(name: str, *args: str | bytes | float) -> object:
        await script(name, *args)
        monkeypatch.undo()
        await gate.leave(first)
        return await script(name, *args)

    monkeypatch.setattr(link, "script", twice)
    permit = await gate.enter("alpha", instances=("one", "two"))

    assert isinstance(permit, Permit)
    assert permit.instance == "two"
    state = await gate.state("alpha", instances=("one", "two"))
    assert (state.instances["one"].in_use, state.instances["two"].in_use) == (0, 1)


async def test_the_rate_holds_exactly_under_a_rush(link: RedisLink) -> None:
    gate = RedisGate(link, {"alpha": GateLimits(slots=500, calls=150, per_s=10.0)})

    answers = await asyncio.gather(*(gate.enter("alpha") for _ in range(400)))

    assert sum(isinstance(answer, Permit) for answer in answers) == 150
    refused = [answer for answer in answers if isinstance(answer, RetryAt)]
    assert {answer.reason for answer in refused} == {"rate"}
    assert all(0 < answer.delay_s <= 10.0 for answer in refused)


async def test_calls_go_on_when_memory_is_full() -> None:
    with RedisServer() as server:
        link = RedisLink(server.url)
        gate = RedisGate(link, {"alpha": GateLimits(slots=2, calls=10)})
        server.fill_memory()

        permit = await gate.enter("alpha")

        assert isinstance(permit, Permit)
        assert await gate.again(permit) is None
        await gate.beat(permit)
        await gate.pause("alpha", seconds=5)
        await gate.leave(permit, ok=False)
        assert (await gate.state("alpha")).reason == "pause"
        await link.aclose()


async def test_a_gate_that_is_cut_off_says_so(dead_link: RedisLink) -> None:
    gate = RedisGate(dead_link, {})
    permit = Permit(backend="alpha", id="p")
    calls: list[Awaitable[object]] = [gate.enter("alpha"), gate.again(permit), gate.beat(permit), gate.leave(permit)]
    calls += [gate.pause("alpha", seconds=1), gate.state("alpha")]

    for call in calls:
        with pytest.raises(Unavailable):
            await call
