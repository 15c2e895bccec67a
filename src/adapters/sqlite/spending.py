"""What was spent, over SQLite; imports stdlib and imaging_core."""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from adapters.sqlite.clock import to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.inserting import Insert
from adapters.sqlite.writer import Transaction
from imaging_core.key_ports import CreditClaim, CreditsRefused, Reservation, together

_MICRO = 1_000_000
#: Days for which settled entries are kept, for whoever looks a bill up.
_KEPT_DAYS = 62
_SUM_OF_ALL = "SELECT coalesce(sum(credits), 0) FROM spending WHERE day = ?"
_ENTRY = "SELECT day, credits FROM spending WHERE job_id = ?"
_NEW = Insert("spending", ("job_id", "owner", "day", "credits", "made_at"))
_NOTE = (
    "INSERT INTO spending (job_id, owner, day, credits, made_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (job_id) DO UPDATE SET day = excluded.day, credits = excluded.credits, settled = 0"
)
_FORGET = f"""
DELETE FROM spending WHERE settled = 1 AND day < (SELECT date(day, '-{_KEPT_DAYS} days') FROM spending WHERE job_id = ?)
"""  # noqa: S608  # a constant
_SUM_OF_OWNER = f"{_SUM_OF_ALL} AND owner IS ?"


class SqliteSpendBook:
    """The sums of one data folder."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        #: When entries were last removed that are too old.
        self._tidied: date | None = None

    async def settle(self, job_id: str, *, credits: float) -> None:  # noqa: A002  # the unit's name
        """Put the true cost in."""
        today = self._database.now().date()

        def work(transaction: Transaction) -> None:
            connection, settled = transaction.connection, (round(credits * _MICRO), job_id)
            connection.execute("UPDATE spending SET credits = ?, settled = 1 WHERE job_id = ? AND settled = 0", settled)
            if today != self._tidied:
                connection.execute(_FORGET, (job_id,))

        await self._database.write(work)
        self._tidied = today

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


def check_all(connection: sqlite3.Connection, submits: Sequence[Sequence[CreditClaim]]) -> None:
    """Whether the credits of new jobs may be set aside, those of one submit after the other. Raises CreditsRefused."""
    before: list[Reservation] = []
    for claims in submits:
        whole = together(claims)
        if whole is not None:
            _check(connection, whole, whole.reservation.credits, before)
            before.append(whole.reservation)


def set_aside(connection: sqlite3.Connection, claims: Sequence[CreditClaim], now: datetime) -> None:
    """Set them aside, after `check_all` in the same write, for jobs of which the book has nothing."""
    rows = [_row(claim.reservation, now) for claim in claims if claim.reservation.credits > 0]
    if rows:
        _NEW.run(connection, rows)


def set_aside_anew(connection: sqlite3.Connection, claim: CreditClaim, now: datetime) -> None:
    """The same of a job that moves, in the place of what the book has for it. Raises CreditsRefused, with nothing changed."""
    one = claim.reservation
    before = connection.execute(_ENTRY, (one.job_id,)).fetchone()
    if before is None and one.credits <= 0:
        return
    # Its own share counts in the day's sums already.
    own = before[1] / _MICRO if before is not None and before[0] == one.day.isoformat() else 0.0
    _check(connection, claim, one.credits - own)
    connection.execute(_NOTE, _row(one, now))


def _check(connection: sqlite3.Connection, claim: CreditClaim, more: float, before: Sequence[Reservation] = ()) -> None:
    """Whether so much more fits in, besides what is in the book and what is to be set aside before. Raises CreditsRefused."""
    one, wanted = claim.reservation, round(more * _MICRO)

    def over(limit: float | None, statement: str, *owner: str | None) -> bool:
        if limit is None or wanted <= 0:
            return False
        spent: int = connection.execute(statement, (one.day.isoformat(), *owner)).fetchone()[0]
        spent += sum(_micro(each) for each in before if each.day == one.day and owner in ((), (each.owner,)))
        return spent + wanted > round(limit * _MICRO)

    if over(claim.owner_limit, _SUM_OF_OWNER, one.owner):
        raise CreditsRefused("owner")
    if over(claim.total_limit, _SUM_OF_ALL):
        raise CreditsRefused("total")


def _micro(one: Reservation) -> int:
    return round(one.credits * _MICRO)


def _row(one: Reservation, now: datetime) -> tuple[str, str | None, str, int, int]:
    return one.job_id, one.owner, one.day.isoformat(), _micro(one), to_micros(now)
