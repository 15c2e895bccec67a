"""What keys ask of the world: where they are kept, who counts requests, who counts credits; imports stdlib and this package.

Every method may raise `Unavailable` when the part behind it does not answer; nothing else foreign may leave an adapter.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

import attrs

from imaging_core.errors import ImagingError
from imaging_core.keys import ApiKey, AuditEntry


class KeyRepository(Protocol):
    """Keeps the keys, the service's own secrets, and the record of what was done to keys and jobs.

    1. `add` stores a key, durable when it returns; adding the very same key again does no harm.
    2. `get` gives the key as last written, revoked or not; None for an unknown id.
    3. `list` gives every key there ever was, oldest first: a service whose keys are all revoked is not open again.
    4. `revoke` marks a key as revoked; the first moment stays. KeyNotFound for an unknown id.
    5. `secret` gives the service's secret of that name, the same to everybody for ever: the first one offered.
    6. `note` stores an audit entry, `notes` gives the newest first; the same entry twice is one. At least the newest
       `KEPT_NOTES` are kept.
    7. `touch` notes when a key was used, and `get` and `list` tell the latest such moment; for an unknown id it does nothing
       that anybody sees.
    """

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        ...

    async def get(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        ...

    async def revoke(self, key_id: str, *, at: datetime) -> ApiKey:
        """The key, revoked."""
        ...

    async def touch(self, key_id: str, *, at: datetime) -> None:
        """Note that the key was used."""
        ...

    async def secret(self, name: str, offered: bytes) -> bytes:
        """The service's secret of that name; what is offered, if there is none yet."""
        ...

    async def note(self, entry: AuditEntry) -> None:
        """Store an audit entry."""
        ...

    async def notes(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest audit entries, newest first."""
        ...


#: How many audit entries are kept at least.
KEPT_NOTES = 10_000


class RequestMeter(Protocol):
    """Counts requests over all processes that answer them.

    1. `take` lets `per_minute` requests of a name through at once, and then one each 60 / `per_minute` s.
    2. A refused request does not count, and its answer is how long to wait, in s, above 0.
    3. Names do not affect each other.
    """

    async def take(self, name: str, *, per_minute: int) -> float:
        """0 to go ahead, else the seconds to wait."""
        ...


@attrs.frozen(kw_only=True)
class Reservation:
    """Credits set aside for one job."""

    job_id: str
    #: The key it counts for; None for none.
    owner: str | None
    #: The day it counts for, by UTC.
    day: date
    credits: float


@attrs.frozen(kw_only=True)
class CreditClaim:
    """Credits to be set aside for a job, and how large the sums of that day may become; None for no limit."""

    reservation: Reservation
    owner_limit: float | None = None
    total_limit: float | None = None


def together(claims: Sequence[CreditClaim]) -> CreditClaim | None:
    """The claims of one submit as one that is held against its limits; None for none."""
    if len(claims) < 2:
        return claims[0] if claims else None
    whole = sum(claim.reservation.credits for claim in claims)
    return attrs.evolve(claims[0], reservation=attrs.evolve(claims[0].reservation, credits=whole))


class CreditsRefused(ImagingError):
    """A claim would have made a sum of the day too large: the one of its `owner`, or the `total`."""

    def __init__(self, whose: str) -> None:
        self.whose = whose
        super().__init__(f"The day's limit of credits ({whose}) leaves too little.")


class SpendBook(Protocol):
    """Keeps what was spent in a day, by key and by all.

    1. What a `JobRepository` claims with an add or a move is set aside if that keeps the owner's sum of the day and
       everybody's within the limits given, atomically over all processes; else nothing changes.
    2. What is set aside for a job changes only with a move of it.
    3. `settle` puts what a job really cost in the place of what was set aside, once; again, or for a job that is not there,
       it changes nothing.
    4. `open` gives reservations that are not settled, oldest first, made at least `older_s` ago by the book's clock.
    5. `spent` is the sum of a day: settled and set aside; of one owner, or of everybody.
    """

    async def settle(self, job_id: str, *, credits: float) -> None:  # noqa: A002  # the unit's name
        """Put the true cost in."""
        ...

    async def open(self, *, older_s: float, limit: int = 100) -> Sequence[Reservation]:
        """What is not settled yet."""
        ...

    async def spent(self, day: date, *, owner: str | None = None) -> float:
        """Credits of that day."""
        ...
