"""The promises of `BackendGate`: who may call a backend now, over everybody who shares it.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from imaging_core.policies import GateLimits
from imaging_core.ports import BackendGate, GateState, Permit, RetryAt


class GateSetting:
    """A subclass supplies `gates` and `advance`, and sets `tick_s` to fit its clock."""

    #: The unit of time of these promises in s. Where `advance` really waits, half a second is enough.
    tick_s: ClassVar[float] = 10.0
    #: How far a measured time may be off because real time passes meanwhile, in s.
    slack_s: ClassVar[float] = 0.05

    def gates(self, limits: Mapping[str, GateLimits], *, count: int = 1) -> Sequence[BackendGate]:
        """So many workers' handles of one new gate; a gate that lives in one process gives itself."""
        raise NotImplementedError("supply the gate to try")

    async def advance(self, seconds: float) -> None:
        """Let that much time pass on the gate's clock."""
        raise NotImplementedError("supply the passing of time")

    # --- steps -------------------------------------------------------------------------------------------

    def gate(self, **limits: Any) -> BackendGate:
        """One handle of a gate of the backends alpha and beta, with such `limits`."""
        return self.gates(self.limits(**limits))[0]

    def limits(
        self,
        *,
        slots: int = 1,
        calls: int | None = None,
        per: float = 2.0,
        trip_after: int = 100,
        cool_down: float = 2.0,
        permit_lease: float = 100.0,
    ) -> dict[str, GateLimits]:
        """The same limits for alpha and beta, times in ticks."""
        limits = GateLimits(
            slots=slots,
            calls=calls,
            per_s=per * self.tick_s,
            trip_after=trip_after,
            cool_down_s=cool_down * self.tick_s,
            permit_lease_s=permit_lease * self.tick_s,
        )
        return {"alpha": limits, "beta": limits}

    async def ticks(self, count: float) -> None:
        """Let that many ticks pass."""
        await self.advance(count * self.tick_s)

    async def enter(self, gate: BackendGate, backend: str = "alpha") -> Permit:
        """A permit; there must be one."""
        answer = await gate.enter(backend)
        assert isinstance(answer, Permit), f"the gate must be open, not {answer}"
        assert answer.backend == backend
        return answer

    async def refused(self, gate: BackendGate, reason: str, backend: str = "alpha") -> float:
        """For how many s the gate refuses, for that reason."""
        answer = await gate.enter(backend)
        assert isinstance(answer, RetryAt), "the gate must be closed"
        assert answer.reason == reason
        assert answer.delay_s > 0
        return answer.delay_s

    async def trip(self, gate: BackendGate, times: int) -> None:
        """Let so many calls fail in a row."""
        for _ in range(times):
            await gate.leave(await self.enter(gate), ok=False)


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


class BackendGateContract(SlotPromises, RatePromises, CircuitPromises, InstancePromises):
    """Every numbered promise of `BackendGate`. Supply what `GateSetting` asks for."""
