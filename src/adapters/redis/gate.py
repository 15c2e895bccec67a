"""Holds all workers together to the limits of each backend, on Redis's clock; imports stdlib and the core."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.redis.layout import micros
from adapters.redis.link import RedisLink
from imaging_core.policies import GateLimits
from imaging_core.ports import GateState, Permit, RetryAt, with_instances

#: Permits whose giving was never learnt of that are handed back with the next request.
_MOST_DOUBTS: Final = 32


class RedisGate:
    """One gate before every backend, shared by all who use the same Redis with the same limits."""

    def __init__(
        self,
        link: RedisLink,
        limits: Mapping[str, GateLimits],
        default: GateLimits = GateLimits(),  # noqa: B008  # frozen
    ) -> None:
        """`limits` by backend name, `default` for those not named."""
        self._link = link
        self._limits = limits
        self._default = default
        self._doubtful: dict[str, tuple[str, ...]] = {}

    async def enter(self, backend: str, *, instances: Sequence[str] = ()) -> Permit | RetryAt:
        """Ask for the right to make a call, on one of these instances if any are named."""
        permit = secrets.token_hex(8)
        doubtful = self._doubtful.get(backend, ())
        try:
            answer = await self._ask(backend, "enter", permit, len(instances), *instances, *doubtful)
        except BaseException:
            # It may have been given, and nobody has it: it must not hold a slot until its lease runs out.
            self._doubtful[backend] = (*self._doubtful.get(backend, ()), permit)[-_MOST_DOUBTS:]
            raise
        self._doubtful[backend] = tuple(name for name in self._doubtful.get(backend, ()) if name not in doubtful)
        refusal = _refusal(answer)
        if refusal is not None:
            return refusal
        instance = answer[1].decode() if instances else None
        return Permit(backend=backend, id=permit, instance=instance, good_for_s=self._limits_of(backend).good_for_s)

    async def again(self, permit: Permit) -> RetryAt | None:
        """Ask for one more call under a permit; one that was taken back needs a free slot anew."""
        return _refusal(await self._about(permit, "again", secrets.token_hex(8)))

    async def beat(self, permit: Permit) -> None:
        """Hold the permit for another lease, unless it was taken back."""
        await self._about(permit, "beat")

    async def leave(self, permit: Permit, *, ok: bool | None = None) -> None:
        """Give the permit back, and say what became of the call."""
        await self._about(permit, "leave", "" if ok is None else "yes" if ok else "no")

    async def pause(self, backend: str, *, seconds: float) -> None:
        """Let nobody in for that long."""
        await self._ask(backend, "pause", "", micros(seconds))

    async def state(self, backend: str, *, instances: Sequence[str] = ()) -> GateState:
        """What the gate lets through now; with instances, closed when each of them is."""
        own, *others = await self._ask(backend, "state", "", *instances)
        return with_instances(
            _state(own, self._limits_of(backend).slots),
            {name: _state(answer, 1) for name, answer in zip(instances, others, strict=True)},
        )

    async def _about(self, permit: Permit, operation: str, *more: str) -> Any:
        return await self._ask(permit.backend, operation, permit.id, permit.instance or "", *more)

    def _limits_of(self, backend: str) -> GateLimits:
        return self._limits.get(backend, self._default)

    async def _ask(self, backend: str, operation: str, permit: str, *more: str | int) -> Any:
        limits = self._limits_of(backend)
        return await self._link.script(
            "gate",
            backend,
            operation,
            permit,
            limits.slots,
            "" if limits.calls is None else limits.calls,
            micros(limits.per_s),
            limits.trip_after,
            micros(limits.cool_down_s),
            micros(limits.permit_lease_s),
            *more,
        )


def _refusal(answer: list[bytes]) -> RetryAt | None:
    if answer[0] == b"ok":
        return None
    return RetryAt(delay_s=int(answer[1]) / 1e6, reason=answer[0].decode())


def _state(answer: Sequence[Any], slots: int) -> GateState:
    in_use, reason, wait = answer
    return GateState(in_use=in_use, slots=slots, closed_for_s=int(wait) / 1e6, reason=reason.decode() or None)
