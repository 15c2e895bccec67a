"""What was spent, in Redis: each step one script, so that a limit holds over all processes; imports stdlib and the core."""

from collections.abc import Sequence
from datetime import date, timedelta

from adapters.redis.link import RedisLink
from imaging_core.key_ports import CreditClaim, Reservation

_MICRO = 1_000_000


class RedisSpendBook:
    """The sums of a whole installation."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def settle(self, job_id: str, *, credits: float) -> None:  # noqa: A002  # the unit's name
        """Put the true cost in."""
        await self._link.script("spend", "settle", job_id, round(credits * _MICRO))

    async def open(self, *, older_s: float, limit: int = 100) -> Sequence[Reservation]:
        """What is not settled yet."""
        until = await self._link.clock.now() - timedelta(seconds=older_s)
        rows = await self._link.script("spend", "open", str(round(until.timestamp() * 1e6)), limit)
        return [
            Reservation(
                job_id=job_id.decode(),
                day=date.fromisoformat(day.decode()),
                owner=owner.decode() or None,
                credits=int(wanted) / _MICRO,
            )
            for job_id, day, owner, wanted in rows
        ]

    async def spent(self, day: date, *, owner: str | None = None) -> float:
        """Credits of that day."""
        field = "all" if owner is None else f"o:{owner}"
        found = await self._link.command("HGET", self._link.key("spent", day.isoformat()), field)
        return int(found or 0) / _MICRO


def claim_in_row(claim: CreditClaim | None) -> tuple[str | int, ...]:
    """A claim as scripts take it; as many empty arguments for none."""
    if claim is None:
        return ("",) * 6
    one = claim.reservation
    limits = ("" if limit is None else round(limit * _MICRO) for limit in (claim.owner_limit, claim.total_limit))
    return one.job_id, one.day.isoformat(), one.owner or "", round(one.credits * _MICRO), *limits
