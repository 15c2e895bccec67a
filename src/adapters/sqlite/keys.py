"""Keys, the service's own secrets and the audit over SQLite; imports stdlib and imaging_core."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from adapters.sqlite.clock import from_micros, to_micros
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.writer import Transaction
from imaging_core.key_ports import KEPT_NOTES
from imaging_core.keys import (
    ApiKey,
    AuditEntry,
    KeyNotFound,
    entry_from_record,
    entry_to_record,
    key_from_record,
    key_to_record,
)

_KEY = "SELECT record, revoked_at, last_used_at FROM api_keys"


class SqliteKeyRepository:
    """The keys of one data folder. Every method raises Unavailable while its database is not open."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        row = (key.id, to_micros(key.created_at), json.dumps(key_to_record(key)))

        def work(transaction: Transaction) -> None:
            transaction.connection.execute(
                "INSERT OR IGNORE INTO api_keys (id, created_at, record) VALUES (?, ?, ?)", row
            )

        await self._database.write(work)

    async def get(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        return await self._database.read(lambda connection: _find(connection, key_id))

    async def list(self) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        return await self._database.read(
            lambda connection: [_key(row) for row in connection.execute(f"{_KEY} ORDER BY created_at, id")]
        )

    async def revoke(self, key_id: str, *, at: datetime) -> ApiKey:
        """The key, revoked."""

        def work(transaction: Transaction) -> ApiKey:
            connection = transaction.connection
            connection.execute(
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (to_micros(at), key_id)
            )
            key = _find(connection, key_id)
            if key is None:
                raise KeyNotFound
            return key

        return await self._database.write(work)

    async def touch(self, key_id: str, *, at: datetime) -> None:
        """Note that the key was used."""
        statement = "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"

        def work(transaction: Transaction) -> None:
            transaction.connection.execute(statement, (to_micros(at), key_id))

        await self._database.write(work)

    async def secret(self, name: str, offered: bytes) -> bytes:
        """The service's secret of that name; what is offered, if there is none yet."""

        def work(transaction: Transaction) -> bytes:
            connection = transaction.connection
            connection.execute("INSERT OR IGNORE INTO service_secrets VALUES (?, ?)", (name, offered))
            found: bytes = connection.execute("SELECT value FROM service_secrets WHERE name = ?", (name,)).fetchone()[0]
            return found

        return await self._database.write(work)

    async def note(self, entry: AuditEntry) -> None:
        """Store an audit entry."""
        row = (entry.id, to_micros(entry.at), json.dumps(entry_to_record(entry)))

        def work(transaction: Transaction) -> None:
            transaction.connection.execute("INSERT OR IGNORE INTO audit VALUES (?, ?, ?)", row)
            transaction.connection.execute(
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY at DESC, id DESC LIMIT 100 OFFSET ?)",
                (KEPT_NOTES,),
            )

        await self._database.write(work)

    async def notes(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest audit entries, newest first."""
        statement = "SELECT record FROM audit ORDER BY at DESC, id DESC LIMIT ?"
        return await self._database.read(
            lambda connection: [
                entry_from_record(json.loads(record)) for (record,) in connection.execute(statement, (limit,))
            ]
        )


def _find(connection: sqlite3.Connection, key_id: str) -> ApiKey | None:
    row = connection.execute(f"{_KEY} WHERE id = ?", (key_id,)).fetchone()
    return None if row is None else _key(row)


def _key(row: tuple[str, int | None, int | None]) -> ApiKey:
    record, *moments = row
    revoked_at, last_used_at = (None if moment is None else from_micros(moment) for moment in moments)
    return key_from_record(json.loads(record), revoked_at, last_used_at)
