"""Making, listing and revoking keys, as data with a reader for its answer; imports this package and attrs."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import attrs

from entrypoints.client.calls import Call
from entrypoints.client.reading import from_json


@attrs.frozen(kw_only=True)
class KeyInfo:
    """A key, as the service tells of it."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    revoked_at: str | None
    #: To the minute; None if it never let anybody in, and for those that a setting gives.
    last_used_at: str | None = None
    max_queued: int | None
    requests_per_minute: int | None
    credits_per_day: float | None
    #: The whole key; told once, to whoever made it.
    key: str | None = attrs.field(default=None, repr=False)


def create(name: str, scopes: Collection[str] | None, limits: Mapping[str, float | None]) -> Call[KeyInfo]:
    """Make a key."""
    body = {"name": name, "scopes": None if scopes is None else list(scopes), **limits}
    return Call(method="POST", path="/keys", json=body, read=from_json(_key))


def listing() -> Call[tuple[KeyInfo, ...]]:
    """Every key."""
    return Call(method="GET", path="/keys", read=from_json(lambda body: tuple(map(_key, body["keys"]))))


def revoke(key_id: str) -> Call[KeyInfo]:
    """Make a key good for nothing."""
    return Call(method="DELETE", path=f"/keys/{quote(key_id, safe='')}", read=from_json(_key))


def _key(body: Mapping[str, Any]) -> KeyInfo:
    known: dict[str, Any] = {name: body.get(name) for name in attrs.fields_dict(KeyInfo)}
    return KeyInfo(**{**known, "scopes": tuple(body["scopes"])})
