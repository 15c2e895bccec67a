"""What was spent, over SQLite; imports stdlib and imaging_core."""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from adapters.sqlite.clock import to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.writer import Transaction
from imaging_core.key_ports import CreditClaim, CreditsRefused, Reservation

_MICRO = 1_000_000
#: Days for which settled entries are kept, for whoever looks a bill up.
_KEPT_DAYS = 62
_SUM_OF_ALL = "SELECT coalesce(sum(credits), 0) FROM spending WHERE day = ?"
_ENTRY = "SELECT day, credits FROM spending WHERE job_id = ?"
_SUM_OF_OWNER = f"{_SUM_OF_ALL} AND owner IS ?"


class SqliteSpendBook:
    """The sums of one data folder."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def reserve(
        self, reservation: Reservation, *, owner_limit: float | None, total_limit: float | None
    ) -> str | None:
        """None when it is set aside, else `owner` or `total`."""
        claim = CreditClaim(reservation=reservation, owner_limit=owner_limit, total_limit=total_limit)

        def work(transaction: Transaction) -> str | None:
            if transaction.connection.execute(_ENTRY, (reservation.job_id,)).fetchone() is not None:
                return None
            try:
                set_aside(transaction.connection, claim, self._database.now())
            except CreditsRefused as refused:
                return refused.whose
            return None

        return await self._database.write(work)

    async def settle(self, job_id: str, *, credits: float) -> None:  # noqa: A002  # the unit's name
        """Put the true cost in."""

        def work(transaction: Transaction) -> None:
            transaction.connection.execute(
                "UPDATE spending SET credits = ?, settled = 1 WHERE job_id = ? AND settled = 0",
                (round(credits * _MICRO), job_id),
            )

        await self._database.write(work)

    async def open(self, *, older_s: float, limit: int = 100) -> Sequence[Reservation]:
        """What is not settled yet."""
        until = to_micros(self._database.now() - timedelta(seconds=older_s))
        statement = (
            "SELECT job_id, owner, day, credits FROM spending WHERE settled = 0 AND made_at <= ? "
            "ORDER BY made_at, job_id LIMIT ?"
        )
        return await self._database.read(
            lambda connection: [
                Reservation(job_id=job_id, owner=owner, day=date.fromisoformat(day), credits=micros / _MICRO)
                for job_id, owner, day, micros in connection.execute(statement, (until, limit))
            ]
        )

    async def spent(self, day: date, *, owner: str | None = None) -> float:
        """Credits of that day."""
        statement, arguments = (
            (_SUM_OF_ALL, (day.isoformat(),)) if owner is None else (_SUM_OF_OWNER, (day.isoformat(), owner))
        )
        total: int = await self._database.read(
            lambda connection: connection.execute(statement, arguments).fetchone()[0]
        )
        return total / _MICRO


def set_aside(connection: sqlite3.Connection, claim: CreditClaim, now: datetime) -> None:
    """Set credits aside in the place of what the book has for the job. Raises CreditsRefused, with nothing changed."""
    one, wanted = claim.reservation, round(claim.reservation.credits * _MICRO)
    day, before = one.day.isoformat(), connection.execute(_ENTRY, (one.job_id,)).fetchone()
    if before is None and wanted <= 0:
        return
    # Its own share counts in the day's sums already.
    more = wanted - before[1] if before is not None and before[0] == day else wanted

    def over(limit: float | None, statement: str, *arguments: str | None) -> bool:
        if limit is None or more <= 0:
            return False
        spent: int = connection.execute(statement, arguments).fetchone()[0]
        return spent + more > round(limit * _MICRO)

    if over(claim.owner_limit, _SUM_OF_OWNER, day, one.owner):
        raise CreditsRefused("owner")
    if over(claim.total_limit, _SUM_OF_ALL, day):
        raise CreditsRefused("total")
    oldest = (one.day - timedelta(days=_KEPT_DAYS)).isoformat()
    connection.execute("DELETE FROM spending WHERE day < ? AND settled = 1", (oldest,))
    connection.execute(
        "INSERT INTO spending (job_id, owner, day, credits, made_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (job_id) DO UPDATE SET day = excluded.day, credits = excluded.credits, settled = 0",
        (one.job_id, one.owner, day, wanted, to_micros(now)),
    )
