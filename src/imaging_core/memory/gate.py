"""Holds callers of one process to the limits of each backend; imports stdlib, attrs and this package's values."""

import math
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

import attrs

from imaging_core.policies import GateLimits
from imaging_core.ports import GateState, Permit, RetryAt, with_instances

#: Longest advice to wait for a slot, in s: nobody knows when a call will end.
_SLOT_WAIT_S = 1.0
#: The same for the end of a trial call, in s.
_TRIAL_WAIT_S = 5.0


@attrs.define
class _Circuit:
    """What is known of the health of a backend, or of one of its instances."""

    #: Failed calls in a row.
    failures: int = 0
    #: When a trial call may be made, while the circuit is open; None while it is closed.
    trial_from: float | None = None
    #: The permit of the trial call, while one is out.
    trial: str | None = None


@attrs.define
class _Backend:
    """What one backend's gate remembers; times are of the gate's clock."""

    limits: GateLimits
    #: When each permit that is out will be taken back.
    permits: dict[str, float] = attrs.Factory(dict)
    #: The permit that is out for an instance.
    taken: dict[str, str] = attrs.Factory(dict)
    #: When the calls of the last `per_s` were let in, the oldest first.
    calls: deque[float] = attrs.Factory(deque)
    paused_until: float = -math.inf
    #: By instance; None has what was called without naming one.
    circuits: dict[str | None, _Circuit] = attrs.Factory(lambda: defaultdict(_Circuit))

    def settle(self, now: float) -> None:
        """Take back what ran out."""
        for permit in [permit for permit, until in self.permits.items() if until <= now]:
            self.drop(permit)
        while self.calls and self.calls[0] <= now - self.limits.per_s:
            self.calls.popleft()

    def drop(self, permit: str) -> None:
        del self.permits[permit]
        self.taken = {instance: holder for instance, holder in self.taken.items() if holder != permit}
        for circuit in self.circuits.values():
            if circuit.trial == permit:
                circuit.trial = None

    def closed(self, now: float, instance: str | None, permit: str | None = None) -> RetryAt | None:
        """Why nothing is let in now; the circuit's trial call is let through its own circuit."""
        if self.paused_until > now:
            return RetryAt(delay_s=self.paused_until - now, reason="pause")
        circuit = self.circuits[instance]
        if circuit.trial_from is not None and circuit.trial_from > now:
            return RetryAt(delay_s=circuit.trial_from - now, reason="circuit")
        if circuit.trial is not None and circuit.trial != permit:
            # Nobody knows when the trial call will end; a new trial is possible once its permit has run out.
            return RetryAt(delay_s=min(_TRIAL_WAIT_S, self.permits[circuit.trial] - now), reason="circuit")
        if self.limits.calls is not None and len(self.calls) >= self.limits.calls:
            oldest = self.calls[0] if self.calls else now
            return RetryAt(delay_s=oldest + self.limits.per_s - now, reason="rate")
        return None

    def crowded(self, now: float, instance: str | None) -> RetryAt | None:
        """Whether the instance, or without one every slot, is taken."""
        if instance is not None:
            holder = self.taken.get(instance)
            return None if holder is None else _slot_free(self.permits[holder], now)
        if len(self.permits) < self.limits.slots:
            return None
        # Without slots there is no permit to wait for.
        return _slot_free(min(self.permits.values(), default=now + _SLOT_WAIT_S), now)

    def let_in(self, permit: Permit, now: float) -> None:
        self.permits[permit.id] = now + self.limits.permit_lease_s
        if permit.instance is not None:
            self.taken[permit.instance] = permit.id
        if self.limits.calls is not None:
            self.calls.append(now)
        circuit = self.circuits[permit.instance]
        if circuit.trial_from is not None:
            circuit.trial = permit.id

    def judge(self, ok: bool, now: float, instance: str | None, *, trial: bool) -> None:
        """Learn from a call's end."""
        if ok:
            self.circuits[instance] = _Circuit()
            return
        circuit = self.circuits[instance]
        circuit.failures += 1
        if trial or (circuit.trial_from is None and circuit.failures >= self.limits.trip_after):
            circuit.trial_from = now + self.limits.cool_down_s

    def state(self, now: float, instance: str | None) -> GateState:
        closed = self.closed(now, instance)
        return GateState(
            in_use=len(self.permits) if instance is None else int(instance in self.taken),
            slots=self.limits.slots if instance is None else 1,
            closed_for_s=0.0 if closed is None else closed.delay_s,
            reason=None if closed is None else closed.reason,
        )


def _slot_free(ends: float, now: float) -> RetryAt:
    return RetryAt(delay_s=min(_SLOT_WAIT_S, ends - now), reason="slots")


class MemoryGate:
    """One process's gate before every backend; `limits` by backend name, `default` for those not named."""

    def __init__(
        self,
        limits: Mapping[str, GateLimits],
        default: GateLimits = GateLimits(),  # noqa: B008  # frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._default = default
        self._clock = clock
        self._backends: dict[str, _Backend] = {}

    async def enter(self, backend: str, *, instances: Sequence[str] = ()) -> Permit | RetryAt:
        """Ask for the right to make a call, on one of these instances if any are named."""
        now, state = self._settled(backend)
        refusals: list[RetryAt] = []
        for instance in instances or (None,):
            refusal = state.closed(now, instance) or state.crowded(now, instance)
            if refusal is None:
                permit = Permit(
                    backend=backend, id=secrets.token_hex(8), instance=instance, good_for_s=state.limits.good_for_s
                )
                state.let_in(permit, now)
                return permit
            refusals.append(refusal)
        # A busy instance is a live one, and sooner free.
        return min(refusals, key=lambda refusal: (refusal.reason != "slots", refusal.delay_s))

    async def again(self, permit: Permit) -> RetryAt | None:
        """Ask for one more call under a permit; one that was taken back needs a free slot anew."""
        now, state = self._settled(permit.backend)
        refusal = state.closed(now, permit.instance, permit.id)
        if refusal is None and permit.id not in state.permits:
            refusal = state.crowded(now, permit.instance)
        if refusal is None:
            state.let_in(permit, now)
        return refusal

    async def beat(self, permit: Permit) -> None:
        """Hold the permit for another lease, unless it was taken back."""
        now, state = self._settled(permit.backend)
        if permit.id in state.permits:
            state.permits[permit.id] = now + state.limits.permit_lease_s

    async def leave(self, permit: Permit, *, ok: bool | None = None) -> None:
        """Give the permit back, and say what became of the call."""
        now, state = self._settled(permit.backend)
        if permit.id not in state.permits:
            return
        trial = state.circuits[permit.instance].trial == permit.id
        state.drop(permit.id)
        if ok is not None:
            state.judge(ok, now, permit.instance, trial=trial)

    async def pause(self, backend: str, *, seconds: float) -> None:
        """Let nobody in for that long."""
        now, state = self._settled(backend)
        state.paused_until = max(state.paused_until, now + seconds)

    async def state(self, backend: str, *, instances: Sequence[str] = ()) -> GateState:
        """What the gate lets through now; with instances, closed when each of them is."""
        now, state = self._settled(backend)
        return with_instances(state.state(now, None), {name: state.state(now, name) for name in instances})

    def _settled(self, backend: str) -> tuple[float, _Backend]:
        now = self._clock()
        if backend not in self._backends:
            self._backends[backend] = _Backend(self._limits.get(backend, self._default))
        state = self._backends[backend]
        state.settle(now)
        return now, state
