"""The messages to webhooks beside the jobs that cause them, stored in one step with their ends; imports stdlib and imaging_core.

`due_at` and `token` are columns of their own, since claims change them without the record.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.sqlite.clock import from_micros, to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.writer import Transaction
from imaging_core.deliveries import (
    UNREADABLE_CLAIMS,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    WebhookSecrets,
    attempt_from_record,
    attempt_to_record,
    delivery_of,
    unreadable_attempt,
)
from imaging_core.errors import UnreadableDelivery
from imaging_core.jobs import Job
from imaging_core.outbox import OutboxState
from imaging_core.webhooks import WebhookEvent

_COLUMNS = "id, job_id, event, host, created_at, state, due_at, tries, lost, token, attempts"
_INSERT = f"INSERT INTO deliveries ({_COLUMNS}) VALUES ({', '.join('?' * 11)})"  # noqa: S608  # constants
_SELECT = f"SELECT {_COLUMNS} FROM deliveries"  # noqa: S608  # constants
_UPDATE = "UPDATE deliveries SET state = ?, due_at = ?, tries = ?, lost = ?, token = ?, attempts = ? WHERE id = ?"
_UNREAD = "UPDATE deliveries SET due_at = ?, unread = unread + 1 WHERE id = ? RETURNING unread"
_SECRETS = "SELECT current, previous, previous_until FROM webhook_secrets WHERE owner = ?"
_STATE = """
SELECT count(*), count(*) FILTER (WHERE due_at <= :now), min(due_at) FROM deliveries INDEXED BY deliveries_due
WHERE due_at IS NOT NULL
"""
#: What decoding a row of another version may raise.
_UNREADABLE = (KeyError, TypeError, ValueError)
_KEEP_SECRETS = "INSERT OR REPLACE INTO webhook_secrets (owner, current, previous, previous_until) VALUES (?, ?, ?, ?)"


def owe(connection: sqlite3.Connection, job: Job, now: datetime) -> None:
    """Store the message that a job's end causes, within the transaction that writes the end."""
    if (delivery := delivery_of(job, now=now)) is not None:
        connection.execute(_INSERT, _row(delivery))


def release(connection: sqlite3.Connection, now: datetime) -> None:
    """Make every message that was being sent due at once; for a process that knows its senders to be the first."""
    connection.execute("UPDATE deliveries SET due_at = ? WHERE token IS NOT NULL AND due_at > ?", (to_micros(now),) * 2)


class SqliteWebhookOutbox:
    """The deliveries of one data folder. A deleted job takes its own along, by a foreign key."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def claim(self, *, token: str, lease_s: float, busy: Collection[str] = ()) -> Delivery | None:
        """The next delivery that is due, for the caller to send."""
        hosts = sorted(busy)
        others = f"AND host NOT IN ({', '.join('?' * len(hosts))})" if hosts else ""
        first = f"{_SELECT} WHERE due_at <= ? {others} ORDER BY due_at, job_id LIMIT 1"

        def look(connection: sqlite3.Connection) -> bool:
            return connection.execute(first, (to_micros(self._database.now()), *hosts)).fetchone() is not None

        def work(transaction: Transaction) -> Delivery | UnreadableDelivery | None:
            connection, now = transaction.connection, self._database.now()
            row = connection.execute(first, (to_micros(now), *hosts)).fetchone()
            if row is None:
                return None
            until = now + timedelta(seconds=lease_s)
            try:
                return _put(connection, _delivery(row).claimed(token=token, until=until))
            except _UNREADABLE:
                return _claim_unreadable(connection, row, now, until)

        # There is nothing most of the time, and then the writer need not be troubled.
        claimed = await self._database.write(work) if await self._database.read(look) else None
        if isinstance(claimed, UnreadableDelivery):
            # Only now: an error within the work would take back what it wrote.
            raise claimed
        return claimed

    async def settle(
        self, delivery: Delivery, attempt: DeliveryAttempt, *, again_in_s: float | None = None
    ) -> Delivery | None:
        """Record what came of sending a claimed delivery."""

        def work(transaction: Transaction) -> Delivery | None:
            stored = _find(transaction.connection, delivery.id)
            if stored is None or stored.token is None or stored.token != delivery.token:
                return None
            again_at = None if again_in_s is None else self._database.now() + timedelta(seconds=again_in_s)
            return _put(transaction.connection, stored.settled(attempt, again_at=again_at))

        return await self._database.write(work)

    async def hand_back(self, delivery: Delivery, *, again_in_s: float = 0.0) -> None:
        """Give up a claim, for a sender that stops before it knows what came of it, or sends it later."""

        def work(transaction: Transaction) -> None:
            stored = _find(transaction.connection, delivery.id)
            if stored is not None and stored.token is not None and stored.token == delivery.token:
                due_at = self._database.now() + timedelta(seconds=again_in_s)
                _put(transaction.connection, stored.handed_back(due_at))

        await self._database.write(work)

    async def of_job(self, job_id: str) -> Sequence[Delivery]:
        """The deliveries of a job."""

        def work(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute(f"{_SELECT} WHERE job_id = ? ORDER BY created_at, id", (job_id,))
            return [delivery for row in rows.fetchall() if (delivery := _readable(row)) is not None]

        return await self._database.read(work)

    async def resend(self, delivery_id: str) -> Delivery | None:
        """Have a delivery sent again."""

        def work(transaction: Transaction) -> Delivery | None:
            stored = _find(transaction.connection, delivery_id)
            return None if stored is None else _put(transaction.connection, stored.resent(self._database.now()))

        return await self._database.write(work)

    async def state(self) -> OutboxState:
        """How much waits to be sent."""

        def work(connection: sqlite3.Connection) -> OutboxState:
            now = to_micros(self._database.now())
            pending, due, oldest = connection.execute(_STATE, {"now": now}).fetchone()
            return OutboxState(pending=pending, due=due, oldest_due_s=(now - oldest) / 1e6 if due else 0.0)

        return await self._database.read(work)

    async def secrets(self, owner: str | None, *, fresh: str) -> WebhookSecrets:
        """What an owner's messages are signed with."""
        known = await self._database.read(lambda connection: _secrets(connection, owner))
        if known is not None:
            return known

        def work(transaction: Transaction) -> WebhookSecrets:
            known = _secrets(transaction.connection, owner)
            return known or _keep(transaction.connection, owner, WebhookSecrets(current=fresh))

        return await self._database.write(work)

    async def rotate(self, owner: str | None, *, fresh: str, keep_s: float) -> WebhookSecrets:
        """Replace an owner's secret."""

        def work(transaction: Transaction) -> WebhookSecrets:
            known, now = _secrets(transaction.connection, owner), self._database.now()
            after = WebhookSecrets(current=fresh) if known is None else known.rotated(fresh, now=now, keep_s=keep_s)
            return _keep(transaction.connection, owner, after)

        return await self._database.write(work)


def _row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.job_id,
        delivery.event.value,
        delivery.host,
        to_micros(delivery.created_at),
        *_changing(delivery),
    )


def _changing(delivery: Delivery) -> tuple[Any, ...]:
    due_at = None if delivery.due_at is None else to_micros(delivery.due_at)
    attempts = json.dumps([attempt_to_record(attempt) for attempt in delivery.attempts])
    return delivery.state.value, due_at, delivery.tries, delivery.lost, delivery.token, attempts


def _delivery(row: Sequence[Any]) -> Delivery:
    ident, job_id, event, host, created_at, state, due_at, tries, lost, token, attempts = row
    return Delivery(
        id=ident,
        job_id=job_id,
        event=WebhookEvent(event),
        host=host,
        created_at=from_micros(created_at),
        state=DeliveryState(state),
        due_at=None if due_at is None else from_micros(due_at),
        tries=tries,
        lost=lost,
        token=token,
        attempts=tuple(map(attempt_from_record, json.loads(attempts))),
    )


def _readable(row: Sequence[Any]) -> Delivery | None:
    try:
        return _delivery(row)
    except _UNREADABLE:
        return None


def _claim_unreadable(
    connection: sqlite3.Connection, row: Sequence[Any], now: datetime, until: datetime
) -> UnreadableDelivery:
    ident = row[0]
    claims = connection.execute(_UNREAD, (to_micros(until), ident)).fetchone()[0]
    if claims < UNREADABLE_CLAIMS:
        return UnreadableDelivery(ident, given_up=False)
    attempts = json.dumps([attempt_to_record(unreadable_attempt(now))])
    connection.execute(_UPDATE, (DeliveryState.FAILED.value, None, 0, 0, None, attempts, ident))
    return UnreadableDelivery(ident, given_up=True)


def _find(connection: sqlite3.Connection, delivery_id: str) -> Delivery | None:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (delivery_id,)).fetchone()
    return None if row is None else _readable(row)


def _put(connection: sqlite3.Connection, delivery: Delivery) -> Delivery:
    connection.execute(_UPDATE, (*_changing(delivery), delivery.id))
    return delivery


def _secrets(connection: sqlite3.Connection, owner: str | None) -> WebhookSecrets | None:
    row = connection.execute(_SECRETS, (owner or "",)).fetchone()
    if row is None:
        return None
    current, previous, until = row
    return WebhookSecrets(
        current=current, previous=previous, previous_until=None if until is None else from_micros(until)
    )


def _keep(connection: sqlite3.Connection, owner: str | None, secrets: WebhookSecrets) -> WebhookSecrets:
    until = None if secrets.previous_until is None else to_micros(secrets.previous_until)
    connection.execute(_KEEP_SECRETS, (owner or "", secrets.current, secrets.previous, until))
    return secrets
