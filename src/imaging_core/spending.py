"""Keeps keys and the whole service within their credits of a day; imports stdlib, attrs and this package.

Credits are set aside by list price in the very step that adds a job, anew in that which moves it, and settled from the job's
own record once it has ended: what it did not use is given back, whatever crashes in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.errors import ImagingError, JobDeleted, JobNotFound, UnreadableJob
from imaging_core.events import JobEvent
from imaging_core.faults import log_fault
from imaging_core.images import plan_calls
from imaging_core.jobs import Job
from imaging_core.key_ports import CreditClaim, CreditsRefused, Reservation, SpendBook
from imaging_core.keys import KeyLimits
from imaging_core.ports import Idempotency, QueueLimits
from imaging_core.repository import JobRepository

log = logging.getLogger("imaging.spending")

T = TypeVar("T")

#: Age at which a reservation without a job is one of an earlier version, which set aside before it stored, whose submit died,
#: in s; far longer than any submit takes.
LOST_AFTER_S = 60.0
#: Time between two looks at what has ended, in s.
SETTLE_EVERY_S = 15.0
#: Least time between two looks because somebody was refused, in s.
_HURRY_S = 1.0
#: Most reservations that are looked at together: more jobs than a queue holds.
_MOST_OPEN = 20_000


class CreditLimitReached(ImagingError):
    """The job could cost more than is left of the day."""

    def __init__(self, *, limit: str, credits_per_day: float, spent: float, price: float, resets_at: datetime) -> None:
        """`limit` is `key` or `service`."""
        self.limit = limit
        self.resets_at = resets_at
        whose = "This key" if limit == "key" else "This service"
        #: Whether it would be too much for any day.
        self.for_good = price > credits_per_day
        #: The same without what changes from moment to moment, as half a sentence that follows a backend's name.
        self.in_short = f"costs more than is left of the {credits_per_day:g} credits that {whose.lower()} may use a day"
        super().__init__(
            f"{whose} may use {credits_per_day:g} credits a day. {spent:g} are used or set aside, and this would take up to "
            f"{price:g}. It begins anew at {resets_at:%Y-%m-%d %H:%M} UTC."
        )


class Allowances(Protocol):
    """What a caller may still do, as far as that can be told before a job is added."""

    async def share(self, owner: str | None, limits: QueueLimits | None) -> QueueLimits | None:
        """The limits that hold for an owner's jobs where `limits` hold for everybody. Raises Unavailable."""
        ...

    async def check_credits(self, owner: str | None, price: float, *, now: datetime) -> None:
        """Raises CreditLimitReached for a price beyond what is left of the day, in credits, and Unavailable."""
        ...


class Settling:
    """Puts true costs in the place of what was set aside, from the jobs' own records."""

    def __init__(self, jobs: JobRepository, book: SpendBook) -> None:
        self._jobs = jobs
        self._book = book
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()

    async def settle(self) -> None:
        """Look at everything that is set aside. Raises Unavailable."""
        async with self._looking:
            missing = []
            for one in await self._book.open(older_s=0.0, limit=_MOST_OPEN):
                cost = await self._cost(one)
                if cost is None:
                    missing.append(one.job_id)
                elif cost >= 0:
                    await self._book.settle(one.job_id, credits=cost)
            # A job that is not there may be about to be stored, unless it has been about to for long.
            old = await self._book.open(older_s=LOST_AFTER_S, limit=_MOST_OPEN) if missing else ()
            for lost in {one.job_id for one in old}.intersection(missing):
                await self._book.settle(lost, credits=0.0)
            self._looked_at = asyncio.get_running_loop().time()

    async def hurry(self) -> None:
        """Settle now, unless that was done a moment ago."""
        now = asyncio.get_running_loop().time()
        if self._looked_at is None or now - self._looked_at >= _HURRY_S:
            await self.settle()

    async def run(self, *, every_s: float = SETTLE_EVERY_S) -> None:
        """Settle now and then, until cancelled."""
        while True:
            try:
                await self.settle()
            except ImagingError as error:
                log.warning("What jobs cost could not be settled; it will be: %s", error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task, and credits would stay set aside
                log_fault(log, "Settling what jobs cost failed.", error, {})
            await asyncio.sleep(every_s)

    async def _cost(self, reserved: Reservation) -> float | None:
        """What a job cost; below 0 while it is open, None when there is no such job."""
        try:
            job = await self._jobs.get(reserved.job_id)
        except JobNotFound:
            return None
        except UnreadableJob:
            # A newer version wrote it, and will settle it: it may well be open.
            return -1.0
        except JobDeleted:
            # Nobody can tell any more; what was set aside is the best guess, and never too little.
            return reserved.credits
        return cost_of(job, reserved.credits) if job.status.terminal else -1.0


def cost_of(job: Job, listed: float) -> float:
    """What an ended job cost, in credits: what its calls told, and for one whose answer was lost its list price.

    `listed` is the whole job's where it was submitted; one that was moved knows its own.
    """
    listed = job.moves[-1].credits if job.moves else listed
    per_call = listed / max(1, len(plan_calls(job.request)))
    return sum((call.credits if call.credits is not None else per_call) for call in job.calls if call.may_have_cost)


class Budget:
    """Takes new jobs into a repository as far as credits and the caller's own share go."""

    def __init__(
        self,
        jobs: JobRepository,
        book: SpendBook,
        settling: Settling,
        *,
        limits_of: Callable[[str | None], Awaitable[KeyLimits]],
        price_of: Callable[[Job], Awaitable[float]],
        credits_per_day: float | None = None,
    ) -> None:
        """`limits_of` gives a key's limits by its id, `price_of` a job's list price; `credits_per_day` is for all together."""
        self._jobs = jobs
        self._book = book
        self._settling = settling
        self._limits_of, self._price_of = limits_of, price_of
        self._credits_per_day = credits_per_day

    async def add(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
    ) -> Job:
        """Store a job and set its credits aside, in one step. Raises CreditLimitReached and what the repository raises."""
        kept = await self.add_all([job], events=events, idempotency=idempotency, limits=limits)
        return kept[0]

    async def add_all(
        self,
        jobs: Sequence[Job],
        *,
        events: Sequence[JobEvent] = (),
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
    ) -> tuple[Job, ...]:
        """The same for several, all or none."""
        own = await self._limits_of(jobs[0].owner) if jobs else KeyLimits()
        limits = _narrowed(limits, own)
        claims = [
            self._claim(job, price, own, job.created_at) for job in jobs if (price := await self._price_of(job)) > 0
        ]

        async def add() -> tuple[Job, ...]:
            return await self._jobs.add_all(jobs, events=events, idempotency=idempotency, limits=limits, claims=claims)

        return await self._within_limits(add, claims, own)

    async def move(self, job: Job, *, events: Sequence[JobEvent] = (), limits: QueueLimits | None = None) -> Job:
        """Write a job that goes to another backend and set aside what it may cost there, in one step.

        Raises CreditLimitReached and what the repository raises, with nothing changed.
        """
        own, move = await self._limits_of(job.owner), job.moves[-1]
        claim, limits = self._claim(job, move.credits, own, move.at), _narrowed(limits, own)
        return await self._within_limits(
            lambda: self._jobs.move(job, events=events, limits=limits, claim=claim), [claim], own
        )

    def _claim(self, job: Job, price: float, own: KeyLimits, at: datetime) -> CreditClaim:
        """The price, for the day of that moment."""
        return CreditClaim(
            reservation=Reservation(job_id=job.id, owner=job.owner, day=at.astimezone(UTC).date(), credits=price),
            owner_limit=own.credits_per_day,
            total_limit=self._credits_per_day,
        )

    async def _within_limits(
        self, write: Callable[[], Awaitable[T]], claims: Sequence[CreditClaim], own: KeyLimits
    ) -> T:
        """What a write gives that sets these credits aside; CreditLimitReached if they are too many."""
        try:
            return await write()
        except CreditsRefused:
            # What has ended since the last look may have left enough.
            await self._settling.hurry()
        try:
            return await write()
        except CreditsRefused as refused:
            one, price = claims[0].reservation, sum(claim.reservation.credits for claim in claims)
            raise await self._refusal(refused.whose, one.owner, own, price=price, day=one.day) from None

    async def share(self, owner: str | None, limits: QueueLimits | None) -> QueueLimits | None:
        """The limits with the owner's own share of the queue. Raises Unavailable."""
        return _narrowed(limits, await self._limits_of(owner))

    async def check_credits(self, owner: str | None, price: float, *, now: datetime) -> None:
        """Raises CreditLimitReached where a job of that price would, though nothing is set aside; Unavailable."""
        if price <= 0:
            return
        own, day = await self._limits_of(owner), now.astimezone(UTC).date()
        who = await self._over(owner, own, price=price, day=day)
        if who is not None:
            await self._settling.hurry()
            who = await self._over(owner, own, price=price, day=day)
        if who is not None:
            raise await self._refusal(who, owner, own, price=price, day=day)

    async def _over(self, owner: str | None, own: KeyLimits, *, price: float, day: date) -> str | None:
        """Whose limit the price would break, in the words of the book."""
        if own.credits_per_day is not None and await self._book.spent(day, owner=owner) + price > own.credits_per_day:
            return "owner"
        total = self._credits_per_day
        return "total" if total is not None and await self._book.spent(day) + price > total else None

    async def _refusal(
        self, who: str, owner: str | None, own: KeyLimits, *, price: float, day: date
    ) -> CreditLimitReached:
        mine = who == "owner"
        limit = own.credits_per_day if mine else self._credits_per_day
        return CreditLimitReached(
            limit="key" if mine else "service",
            credits_per_day=limit or 0.0,
            spent=await self._book.spent(day, owner=owner if mine else None),
            price=price,
            resets_at=datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1),
        )


def _narrowed(limits: QueueLimits | None, own: KeyLimits) -> QueueLimits | None:
    """The limits with the key's own share of the queue, which counts instead of the general one."""
    if own.max_queued is None:
        return limits
    return attrs.evolve(limits or QueueLimits(), max_queued_per_owner=own.max_queued)


def listed_price(capabilities: Callable[[str], Awaitable[Capabilities]]) -> Callable[[Job], Awaitable[float]]:
    """What a job costs at most if nothing goes wrong, by its backend's list, in credits."""

    async def price_of(job: Job) -> float:
        return (await capabilities(job.backend)).price(job.request)

    return price_of
