"""The promise of `BackendGate` about the instances of a backend: one permit each, and a circuit of their own.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio

import pytest

from contracts.gate_setting import GateSetting
from imaging_core.ports import BackendGate, GateState, Permit, RetryAt


class InstancePromises(GateSetting):
    """Promise 8."""

    BOTH = ("host1:7860", "host2:7860")

    async def on(self, gate: BackendGate, *instances: str) -> Permit:
        """A permit for one of these instances; there must be one."""
        answer = await gate.enter("alpha", instances=instances)
        assert isinstance(answer, Permit), f"an instance must be free, not {answer}"
        return answer

    async def none_of(self, gate: BackendGate, *instances: str) -> RetryAt:
        """Why none of these instances is to be had."""
        answer = await gate.enter("alpha", instances=instances)
        assert isinstance(answer, RetryAt)
        return answer

    async def test_8_an_instance_has_one_permit_at_a_time_over_all_workers(self) -> None:
        one, two = self.gates(self.limits(slots=1), count=2)

        answers = await asyncio.gather(*(gate.enter("alpha", instances=self.BOTH) for gate in (one, two) * 6))

        permits = [answer for answer in answers if isinstance(answer, Permit)]
        assert sorted(permit.instance or "" for permit in permits) == list(self.BOTH)
        refused = await self.none_of(two, *self.BOTH)
        assert refused.reason == "slots"
        assert refused.delay_s > 0
        await one.leave(permits[0])
        assert (await self.on(two, *self.BOTH)).instance == permits[0].instance

    async def test_8_the_first_that_is_free_is_taken(self) -> None:
        gate = self.gate()
        first, second = self.BOTH

        assert (await self.on(gate, second, first)).instance == second
        assert (await self.on(gate, second, first)).instance == first

    async def test_8_a_permit_for_an_instance_is_taken_back_and_renewed_like_any_other(self) -> None:
        gate = self.gate(permit_lease=2)
        first, second = self.BOTH
        late, kept = await self.on(gate, first), await self.on(gate, second)
        await self.ticks(1.5)
        await gate.beat(kept)
        await self.ticks(1)

        successor = await self.on(gate, first)

        assert (await self.none_of(gate, second)).reason == "slots"
        answer = await gate.again(late)
        assert isinstance(answer, RetryAt)
        assert answer.reason == "slots"
        await gate.leave(late, ok=False)
        assert (await self.none_of(gate, first)).reason == "slots"
        await gate.leave(successor)
        assert await gate.again(late) is None
        assert (await self.none_of(gate, first)).reason == "slots"

    async def test_8_an_instance_that_fails_is_out_alone_and_comes_back_by_one_trial(self) -> None:
        one, two = self.gates(self.limits(slots=2, trip_after=2, cool_down=2), count=2)
        first, second = self.BOTH
        for _ in range(2):
            await one.leave(await self.on(one, first), ok=False)

        assert (await self.none_of(two, first)).reason == "circuit"
        busy = await self.on(two, first, second)
        assert busy.instance == second
        assert (await self.none_of(one, first, second)).reason == "slots"
        await two.leave(busy, ok=True)
        await self.ticks(2.5)

        trial = await self.on(two, first)
        assert (await self.none_of(one, first)).reason == "circuit"
        await two.leave(trial, ok=True)

        await one.leave(await self.on(one, first), ok=False)
        await self.on(one, first)

    async def test_8_a_pause_and_the_rate_hold_for_all_instances_together(self) -> None:
        gate = self.gate(calls=2, per=50)
        first, second = self.BOTH
        for instance in self.BOTH:
            await gate.leave(await self.on(gate, instance), ok=True)
        assert (await self.none_of(gate, first, second)).reason == "rate"

        await gate.pause("alpha", seconds=self.tick_s)

        assert (await self.none_of(gate, first, second)).reason == "pause"

    async def test_8_state_tells_of_each_instance(self) -> None:
        gate = self.gate(slots=9, trip_after=1, cool_down=2)
        first, second = self.BOTH
        await gate.leave(await self.on(gate, first), ok=False)
        permit = await self.on(gate, second)

        state = await gate.state("alpha", instances=self.BOTH)

        assert (state.in_use, state.slots, state.closed_for_s, state.reason) == (1, 2, 0.0, None)
        assert state.instances[second] == GateState(in_use=1, slots=1)
        assert (state.instances[first].in_use, state.instances[first].reason) == (0, "circuit")
        assert state.instances[first].closed_for_s == pytest.approx(2 * self.tick_s, abs=self.slack_s)
        await gate.leave(permit, ok=False)
        assert (await gate.state("alpha", instances=self.BOTH)).reason == "circuit"
        assert (await gate.state("alpha")).reason is None
