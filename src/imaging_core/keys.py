"""API keys as values: who may do what, how much, and what is kept of the secret; imports stdlib, attrs and this package.

Of a secret only its SHA-256 is kept. A slow password hash would protect nothing here: it makes guessing dear where secrets are
guessable, and nobody guesses 256 random bits; it would only make every request dear.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs

from imaging_core.errors import ImagingError
from imaging_core.records import time_from_text, time_to_text

#: What a whole key looks like; the prefix lets people and secret scanners recognise one that lies about.
TOKEN = re.compile(r"img_([0-9a-f]{12})_[0-9a-f]{64}", re.ASCII)
#: What a key's id looks like.
KEY_ID = re.compile(r"[0-9a-z-]{1,64}", re.ASCII)
#: Longest name of a key.
MAX_NAME = 100


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    SUBMIT = "submit"
    #: Everything, to everybody's jobs, and the keys themselves.
    ADMIN = "admin"


class KeyNotFound(ImagingError):
    """No key has that id."""

    def __init__(self) -> None:
        super().__init__("There is no key with that id.")


@attrs.frozen(kw_only=True)
class KeyLimits:
    """How much a key may; None for no limit of its own."""

    #: Jobs of one backend that may wait.
    max_queued: int | None = None
    #: Requests of any kind in a minute.
    requests_per_minute: int | None = None
    #: Credits in a day, by UTC.
    credits_per_day: float | None = None


@attrs.frozen(kw_only=True)
class ApiKey:
    """What is known of a key; the secret itself is not."""

    id: str
    #: What people call it; free text.
    name: str
    #: SHA-256 of the whole key.
    digest: bytes = attrs.field(repr=False)
    scopes: frozenset[Scope]
    created_at: datetime
    #: When it stopped being good; None while it is.
    revoked_at: datetime | None = None
    limits: KeyLimits = KeyLimits()
    #: About when it last let somebody in, None if it never did; no part of what the key is.
    last_used_at: datetime | None = attrs.field(default=None, eq=False)

    def opens(self, token: str) -> bool:
        """Whether that is this key, and the key is good; takes as long for a wrong secret as for a right one."""
        return hmac.compare_digest(self.digest, digest_of(token)) and self.revoked_at is None


@attrs.frozen(kw_only=True)
class AuditEntry:
    """Something that was done to a key or to somebody's work, for whoever has to find out later."""

    at: datetime
    #: `key.created`, `key.revoked` or `job.deleted`.
    action: str
    #: Id of the key or the job it was done to.
    subject: str
    #: Id of the key that asked; None when none was needed.
    actor: str | None
    #: Unique, so that an entry written twice is one.
    id: str = attrs.field(factory=lambda: secrets.token_hex(8))


def new_key_id() -> str:
    """A fresh id. It is no secret: it names the owner of jobs and stands in listings."""
    return secrets.token_hex(6)


def new_key_token(key_id: str) -> str:
    """A fresh key of that id, with 256 random bits. Shown once, to whoever asked for it."""
    return f"img_{key_id}_{secrets.token_hex(32)}"


def digest_of(token: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def key_to_record(key: ApiKey) -> dict[str, Any]:
    """Everything about a key but its revocation and its use, JSON-ready."""
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest.hex(),
        "scopes": sorted(key.scopes),
        "created_at": time_to_text(key.created_at),
        "limits": attrs.asdict(key.limits),
    }


def key_from_record(
    record: Mapping[str, Any], revoked_at: datetime | None, last_used_at: datetime | None = None
) -> ApiKey:
    """The key a record stands for. Scopes and limits that a newer version wrote are left out."""
    known = {attribute.name for attribute in attrs.fields(KeyLimits)}
    created_at = time_from_text(record["created_at"])
    assert created_at is not None  # noqa: S101  # narrows for the type checker
    return ApiKey(
        id=record["id"],
        name=record["name"],
        digest=bytes.fromhex(record["digest"]),
        scopes=frozenset(Scope(scope) for scope in record["scopes"] if scope in set(Scope)),
        created_at=created_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
        limits=KeyLimits(**{name: value for name, value in record["limits"].items() if name in known}),
    )


def entry_to_record(entry: AuditEntry) -> dict[str, Any]:
    """Everything about an audit entry, JSON-ready."""
    return {**attrs.asdict(entry), "at": time_to_text(entry.at)}


def entry_from_record(record: Mapping[str, Any]) -> AuditEntry:
    """The audit entry a record stands for."""
    at = time_from_text(record["at"])
    assert at is not None  # noqa: S101  # narrows for the type checker
    return AuditEntry(at=at, action=record["action"], subject=record["subject"], actor=record["actor"], id=record["id"])
