"""Keys, the service's own secrets and the audit in Redis; imports stdlib and the core.

    keys              hash: id -> JSON record of a key
    keys:revoked      hash: id -> when, in µs; written once
    keys:used         sorted set by when, in µs: id
    secret:<name>     a secret of the service's own, in hex
    audit             sorted set by time of JSON entries, each with an id of its own

Every command bears being sent twice, as one whose answer was lost is.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from adapters.redis.clock import from_micros, to_micros
from adapters.redis.layout import pairs
from adapters.redis.link import RedisLink
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


class RedisKeyRepository:
    """The keys of a whole installation."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._keys, self._revoked = link.key("keys"), link.key("keys", "revoked")
        self._used = link.key("keys", "used")
        self._audit = link.key("audit")

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        await self._link.command("HSETNX", self._keys, key.id, json.dumps(key_to_record(key)))

    async def get(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        record, revoked, used = await self._link.answers(
            ("HGET", self._keys, key_id), ("HGET", self._revoked, key_id), ("ZSCORE", self._used, key_id)
        )
        return None if record is None else _key(record, revoked, used)

    async def list(self) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        records, revoked, used = await self._link.answers(
            ("HGETALL", self._keys), ("HGETALL", self._revoked), ("ZRANGE", self._used, 0, -1, "WITHSCORES")
        )
        ends, uses = pairs(revoked), pairs(used)
        found = [_key(record, ends.get(name), uses.get(name)) for name, record in pairs(records).items()]
        return sorted(found, key=lambda key: (key.created_at, key.id))

    async def revoke(self, key_id: str, *, at: datetime) -> ApiKey:
        """The key, revoked."""
        if not await self._link.command("HEXISTS", self._keys, key_id):
            raise KeyNotFound
        # Keys are never removed, so that it is still there.
        await self._link.command("HSETNX", self._revoked, key_id, to_micros(at))
        key = await self.get(key_id)
        if key is None:
            raise KeyNotFound
        return key

    async def touch(self, key_id: str, *, at: datetime) -> None:
        """Note that the key was used."""
        if await self._link.command("HEXISTS", self._keys, key_id):
            await self._link.command("ZADD", self._used, "GT", to_micros(at), key_id)

    async def secret(self, name: str, offered: bytes) -> bytes:
        """The service's secret of that name; what is offered, if there is none yet."""
        place = self._link.key("secret", name)
        if (known := await self._link.command("GET", place)) is not None:
            # Told also without memory, which a SET is refused for.
            return bytes.fromhex(known.decode())
        _, found = await self._link.transaction(("SET", place, offered.hex(), "NX"), ("GET", place))
        return bytes.fromhex(found.decode())

    async def note(self, entry: AuditEntry) -> None:
        """Store an audit entry."""
        record = json.dumps(entry_to_record(entry), sort_keys=True)
        await self._link.transaction(
            ("ZADD", self._audit, to_micros(entry.at), record),
            ("ZREMRANGEBYRANK", self._audit, 0, -KEPT_NOTES - 1),
        )

    async def notes(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest audit entries, newest first."""
        rows = await self._link.command("ZREVRANGE", self._audit, 0, limit - 1)
        entries = [entry_from_record(json.loads(row)) for row in rows]
        return sorted(entries, key=lambda entry: (entry.at, entry.id), reverse=True)


def _key(record: bytes, revoked: bytes | None, used: bytes | None) -> ApiKey:
    moments = (None if moment is None else from_micros(int(float(moment))) for moment in (revoked, used))
    return key_from_record(json.loads(record), *moments)
