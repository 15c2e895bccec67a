"""What was spent, in memory; imports stdlib, attrs and this package."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import attrs

from imaging_core.key_ports import CreditClaim, Reservation

#: Days after which a settled entry counts for nothing any more.
_KEPT_DAYS = 3


@attrs.frozen(kw_only=True)
class _Entry:
    reservation: Reservation
    made_at: datetime
    settled: bool = False


class MemorySpendBook:
    """The sums of one process, forgotten with it."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def refusal(self, claim: CreditClaim) -> str | None:
        """Which sum of the day a claim would make too large, in the place of what is set aside for its job."""
        wanted = claim.reservation
        day, owner, before = wanted.day, wanted.owner, self._entries.get(wanted.job_id)
        own = before.reservation.credits if before is not None and before.reservation.day == day else 0.0
        more = wanted.credits - own
        if more <= 0:
            return None
        if claim.owner_limit is not None and self._sum(day, owner) + more > claim.owner_limit + 1e-9:
            return "owner"
        if claim.total_limit is not None and self._sum(day, None) + more > claim.total_limit + 1e-9:
            return "total"
        return None

    def set_aside(self, reservation: Reservation) -> None:
        """Put that in the place of what the book has for the job; called by the repository in the same step as an add or a move."""
        before = self._entries.get(reservation.job_id)
        if before is None and reservation.credits <= 0:
            return
        oldest = reservation.day - timedelta(days=_KEPT_DAYS)
        for job_id in [i for i, e in self._entries.items() if e.settled and e.reservation.day < oldest]:
            del self._entries[job_id]
        made_at = self._clock() if before is None else before.made_at
        self._entries[reservation.job_id] = _Entry(reservation=reservation, made_at=made_at)

    async def settle(self, job_id: str, *, credits: float) -> None:  # noqa: A002  # the unit's name
        """Put the true cost in."""
        entry = self._entries.get(job_id)
        if entry is not None and not entry.settled:
            told = attrs.evolve(entry.reservation, credits=credits)
            self._entries[job_id] = attrs.evolve(entry, reservation=told, settled=True)

    async def open(self, *, older_s: float, limit: int = 100) -> Sequence[Reservation]:
        """What is not settled yet."""
        until = self._clock() - timedelta(seconds=older_s)
        entries = [e for e in self._entries.values() if not e.settled and e.made_at <= until]
        return [e.reservation for e in sorted(entries, key=lambda e: e.made_at)[:limit]]

    async def spent(self, day: date, *, owner: str | None = None) -> float:
        """Credits of that day."""
        return self._sum(day, owner)

    def _sum(self, day: date, owner: str | None) -> float:
        told = (e.reservation for e in self._entries.values())
        return sum(r.credits for r in told if r.day == day and owner in (None, r.owner))
