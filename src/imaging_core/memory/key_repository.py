"""Keys in memory; imports stdlib, attrs and this package."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

import attrs

from imaging_core.key_ports import KEPT_NOTES
from imaging_core.keys import ApiKey, AuditEntry, KeyNotFound


class MemoryKeyRepository:
    """The keys of one process, forgotten with it."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._secrets: dict[str, bytes] = {}
        self._notes: OrderedDict[str, AuditEntry] = OrderedDict()

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        self._keys.setdefault(key.id, key)

    async def get(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        return self._keys.get(key_id)

    async def list(self) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    async def revoke(self, key_id: str, *, at: datetime) -> ApiKey:
        """The key, revoked."""
        key = self._keys.get(key_id)
        if key is None:
            raise KeyNotFound
        if key.revoked_at is None:
            key = self._keys[key_id] = attrs.evolve(key, revoked_at=at)
        return key

    async def touch(self, key_id: str, *, at: datetime) -> None:
        """Note that the key was used."""
        key = self._keys.get(key_id)
        if key is not None and (key.last_used_at is None or key.last_used_at < at):
            self._keys[key_id] = attrs.evolve(key, last_used_at=at)

    async def secret(self, name: str, offered: bytes) -> bytes:
        """The service's secret of that name; what is offered, if there is none yet."""
        return self._secrets.setdefault(name, offered)

    async def note(self, entry: AuditEntry) -> None:
        """Store an audit entry."""
        self._notes.setdefault(entry.id, entry)
        if len(self._notes) > KEPT_NOTES:
            self._notes.popitem(last=False)

    async def notes(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest audit entries, newest first."""
        return sorted(self._notes.values(), key=lambda entry: (entry.at, entry.id), reverse=True)[:limit]
