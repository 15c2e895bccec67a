"""What the promises of `BackendGate` are tried with: gates with few limits, and a clock to let run.

May import pytest and the core; knows no adapter.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imaging_core.policies import GateLimits
from imaging_core.ports import BackendGate, Permit, RetryAt


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
