"""The promises of `BackendGate`: who may call a backend now, over everybody who shares it.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio

import pytest

from contracts.gate_instances import InstancePromises
from contracts.gate_setting import GateSetting
from imaging_core.policies import GateLimits
from imaging_core.ports import GateState, Permit, RetryAt


class SlotPromises(GateSetting):
    """Promises 1, 2, 6 and 7."""

    async def test_1_no_more_permits_are_out_than_there_are_slots(self) -> None:
        gate = self.gate(slots=2)
        first, second = await self.enter(gate), await self.enter(gate)
        assert first.id != second.id
        await self.refused(gate, "slots")

        await gate.leave(first)

        assert (await self.enter(gate)).id not in (first.id, second.id)
        await self.refused(gate, "slots")

    async def test_1_the_slots_are_shared_by_all_workers(self) -> None:
        one, two = self.gates(self.limits(slots=3), count=2)

        answers = await asyncio.gather(*(gate.enter("alpha") for gate in (one, two) * 8))

        assert sum(isinstance(answer, Permit) for answer in answers) == 3
        assert (await one.state("alpha")).in_use == (await two.state("alpha")).in_use == 3

    async def test_1_state_tells_what_is_in_use(self) -> None:
        gate = self.gate(slots=2)
        assert await gate.state("alpha") == GateState(in_use=0, slots=2)

        permit = await self.enter(gate)
        assert await gate.state("alpha") == GateState(in_use=1, slots=2)
        await gate.leave(permit, ok=True)

        assert await gate.state("alpha") == GateState(in_use=0, slots=2)

    async def test_2_a_permit_that_is_not_renewed_is_taken_back(self) -> None:
        gate = self.gate(permit_lease=2)
        await self.enter(gate)
        await self.ticks(1)
        await self.refused(gate, "slots")
        await self.ticks(1.5)
        assert (await gate.state("alpha")).in_use == 0

        await self.enter(gate)

    async def test_2_a_renewed_permit_is_kept(self) -> None:
        gate = self.gate(permit_lease=2)
        permit = await self.enter(gate)
        await self.ticks(1.5)
        await gate.beat(permit)
        await self.ticks(1)
        await self.refused(gate, "slots")
        await self.ticks(1.5)

        await self.enter(gate)

    async def test_2_a_permit_that_was_taken_back_does_not_share_a_slot_with_its_successor(self) -> None:
        gate = self.gate(permit_lease=2)
        late = await self.enter(gate)
        await self.ticks(2.5)
        successor = await self.enter(gate)

        await gate.beat(late)

        assert (await gate.state("alpha")).in_use == 1
        answer = await gate.again(late)
        assert isinstance(answer, RetryAt)
        assert answer.reason == "slots"
        assert await gate.again(successor) is None

    async def test_6_leaving_twice_does_no_harm(self) -> None:
        gate = self.gate(trip_after=2)
        permit = await self.enter(gate)
        await gate.leave(permit, ok=False)
        await gate.leave(permit, ok=False)
        await gate.leave(permit)
        # One failed call is one, however often it is told: the circuit of two has not opened.
        successor = await self.enter(gate)

        await gate.leave(permit, ok=False)

        assert (await gate.state("alpha")).in_use == 1
        await self.refused(gate, "slots")
        await gate.leave(successor)

    async def test_6_leaving_after_the_permit_was_taken_back_does_no_harm(self) -> None:
        gate = self.gate(permit_lease=2)
        late = await self.enter(gate)
        await self.ticks(2.5)
        await self.enter(gate)

        await gate.leave(late, ok=True)

        await self.refused(gate, "slots")

    async def test_6_a_permit_that_was_never_given_does_no_harm(self) -> None:
        gate = self.gate()
        await self.enter(gate)

        await gate.leave(Permit(backend="alpha", id="forged"), ok=False)
        await gate.beat(Permit(backend="alpha", id="forged"))

        await self.refused(gate, "slots")
        assert (await gate.state("alpha")).in_use == 1

    async def test_7_backends_do_not_affect_each_other(self) -> None:
        gate = self.gate(slots=1, calls=2, per=50, trip_after=1)
        await self.trip(gate, 1)
        await gate.pause("alpha", seconds=self.tick_s)

        for _ in range(2):
            await gate.leave(await self.enter(gate, "beta"), ok=True)

        await self.refused(gate, "rate", "beta")
        assert (await gate.state("alpha")).closed_for_s > 0

    async def test_7_a_backend_without_limits_of_its_own_has_the_usual_ones(self) -> None:
        gate = self.gates({"beta": GateLimits(slots=5)})[0]

        assert await gate.state("alpha") == GateState(in_use=0, slots=GateLimits().slots)
        await self.enter(gate)
        await self.refused(gate, "slots")


class RatePromises(GateSetting):
    """Promises 3 and 4."""

    async def test_3_calls_over_the_rate_are_told_when_to_come_back(self) -> None:
        gate = self.gate(slots=10, calls=3, per=2)
        for _ in range(3):
            await self.enter(gate)

        delay = await self.refused(gate, "rate")

        assert delay <= 2 * self.tick_s
        state = await gate.state("alpha")
        assert state.reason == "rate"
        assert 0 < state.closed_for_s <= 2 * self.tick_s
        await self.advance(delay + self.slack_s)
        await self.enter(gate)

    async def test_3_a_permit_says_for_how_long_its_call_counts_as_one_of_now(self) -> None:
        limits = {
            "alpha": GateLimits(calls=5, per_s=10.5, slack_s=0.5),
            "beta": GateLimits(calls=None, slack_s=0.5),
        }
        (gate,) = self.gates(limits)

        assert (await self.enter(gate)).good_for_s == 0.25
        assert (await self.enter(gate, "beta")).good_for_s is None

    async def test_3_never_more_calls_than_the_rate_fall_into_any_window(self) -> None:
        gate = self.gate(slots=100, calls=2, per=2)
        await self.enter(gate)
        await self.ticks(1.5)
        await self.enter(gate)
        await self.refused(gate, "rate")
        await self.ticks(1)
        # The first call has left the window, the second has not.
        await self.enter(gate)
        await self.refused(gate, "rate")

    async def test_3_one_more_call_under_a_permit_counts_too(self) -> None:
        gate = self.gate(calls=2, per=2)
        permit = await self.enter(gate)
        assert await gate.again(permit) is None

        answer = await gate.again(permit)

        assert isinstance(answer, RetryAt)
        assert answer.reason == "rate"
        await gate.leave(permit, ok=True)
        await self.refused(gate, "rate")
        await self.ticks(2.5)
        await self.enter(gate)

    async def test_3_a_refused_call_is_not_counted(self) -> None:
        gate = self.gate(calls=2, per=2)
        permit = await self.enter(gate)
        for _ in range(5):
            await self.refused(gate, "slots")
        await gate.leave(permit, ok=True)

        await self.enter(gate)

    async def test_3_the_rate_is_shared_by_all_workers(self) -> None:
        one, two = self.gates(self.limits(slots=50, calls=5, per=50), count=2)

        answers = await asyncio.gather(*(gate.enter("alpha") for gate in (one, two) * 10))

        assert sum(isinstance(answer, Permit) for answer in answers) == 5

    async def test_4_a_pause_closes_the_backend_for_everyone_until_its_moment(self) -> None:
        one, two = self.gates(self.limits(slots=3), count=2)
        permit = await self.enter(one)

        await one.pause("alpha", seconds=2 * self.tick_s)

        assert await self.refused(two, "pause") == pytest.approx(2 * self.tick_s, abs=self.slack_s)
        answer = await two.again(permit)
        assert isinstance(answer, RetryAt)
        assert answer.reason == "pause"
        state = await two.state("alpha")
        assert (state.in_use, state.reason) == (1, "pause")
        assert state.closed_for_s == pytest.approx(2 * self.tick_s, abs=self.slack_s)
        await self.ticks(2.5)
        await self.enter(two)
        assert await one.again(permit) is None

    async def test_4_a_longer_pause_is_not_shortened(self) -> None:
        gate = self.gate()
        await gate.pause("alpha", seconds=3 * self.tick_s)

        await gate.pause("alpha", seconds=self.tick_s)

        assert await self.refused(gate, "pause") > 2 * self.tick_s

    async def test_4_a_pause_may_be_prolonged(self) -> None:
        gate = self.gate()
        await gate.pause("alpha", seconds=self.tick_s)

        await gate.pause("alpha", seconds=3 * self.tick_s)

        assert await self.refused(gate, "pause") > 2 * self.tick_s


class CircuitPromises(GateSetting):
    """Promise 5."""

    async def test_5_failures_in_a_row_open_the_circuit(self) -> None:
        gate = self.gate(slots=5, trip_after=3, cool_down=2)
        await self.trip(gate, 2)
        assert (await gate.state("alpha")).reason is None
        permit = await self.enter(gate)
        await gate.leave(await self.enter(gate), ok=False)

        assert await self.refused(gate, "circuit") == pytest.approx(2 * self.tick_s, abs=self.slack_s)

        state = await gate.state("alpha")
        assert state.reason == "circuit"
        assert state.closed_for_s == pytest.approx(2 * self.tick_s, abs=self.slack_s)
        answer = await gate.again(permit)
        assert isinstance(answer, RetryAt)
        assert answer.reason == "circuit"

    async def test_5_a_success_between_failures_keeps_it_closed(self) -> None:
        gate = self.gate(trip_after=3)
        for _ in range(3):
            await self.trip(gate, 2)
            await gate.leave(await self.enter(gate), ok=True)

        await self.enter(gate)

    async def test_5_a_call_that_never_got_through_says_nothing(self) -> None:
        gate = self.gate(trip_after=2)
        await self.trip(gate, 1)
        for _ in range(5):
            await gate.leave(await self.enter(gate), ok=None)

        await self.trip(gate, 1)

        await self.refused(gate, "circuit")

    async def test_5_after_the_cool_down_one_trial_call_closes_it(self) -> None:
        gate = self.gate(slots=5, trip_after=2, cool_down=2)
        await self.trip(gate, 2)
        await self.ticks(2.5)

        trial = await self.enter(gate)
        await self.refused(gate, "circuit")
        assert await gate.again(trial) is None
        await gate.leave(trial, ok=True)

        assert (await gate.state("alpha")).reason is None
        for _ in range(5):
            await self.enter(gate)

    async def test_5_a_trial_call_that_fails_opens_it_again(self) -> None:
        gate = self.gate(slots=5, trip_after=2, cool_down=2)
        await self.trip(gate, 2)
        await self.ticks(2.5)

        await gate.leave(await self.enter(gate), ok=False)

        assert await self.refused(gate, "circuit") > self.tick_s
        await self.ticks(2.5)
        await gate.leave(await self.enter(gate), ok=True)
        await self.enter(gate)

    async def test_5_a_trial_call_that_never_got_through_leaves_the_trial_to_the_next(self) -> None:
        gate = self.gate(slots=5, trip_after=2, cool_down=2)
        await self.trip(gate, 2)
        await self.ticks(2.5)

        await gate.leave(await self.enter(gate), ok=None)

        await self.enter(gate)
        await self.refused(gate, "circuit")

    async def test_5_a_trial_call_whose_worker_died_leaves_the_trial_to_the_next(self) -> None:
        gate = self.gate(slots=5, trip_after=1, cool_down=1, permit_lease=2)
        await self.trip(gate, 1)
        await self.ticks(1.5)
        await self.enter(gate)
        await self.refused(gate, "circuit")
        await self.ticks(2.5)

        await self.enter(gate)
        await self.refused(gate, "circuit")

    async def test_5_the_circuit_is_shared_by_all_workers(self) -> None:
        one, two = self.gates(self.limits(trip_after=2, cool_down=2), count=2)
        await self.trip(one, 1)
        await self.trip(two, 1)

        await self.refused(one, "circuit")
        await self.refused(two, "circuit")


class BackendGateContract(SlotPromises, RatePromises, CircuitPromises, InstancePromises):
    """Every numbered promise of `BackendGate`. Supply what `GateSetting` asks for."""
