"""Makes, checks and revokes keys, over whatever keeps them; imports stdlib, attrs and this package."""

import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import attrs

from imaging_core.errors import FieldProblem, InvalidRequest, Unavailable
from imaging_core.key_ports import KeyRepository
from imaging_core.keys import (
    KEY_ID,
    MAX_NAME,
    TOKEN,
    ApiKey,
    AuditEntry,
    KeyLimits,
    KeyNotFound,
    Scope,
    digest_of,
    new_key_id,
    new_key_token,
)

log = logging.getLogger("imaging.audit")

#: How long a key that was read is taken to be what it was, in s: a revocation elsewhere works after that.
FRESH_S: Final = 3.0
#: Keys remembered in a process.
_MOST_REMEMBERED: Final = 4096
#: How often at most a process writes down that a key is in use, in s.
TOUCH_S: Final = 60.0
#: Shortest key that may be given by a setting.
MIN_GIVEN: Final = 24


@attrs.frozen(kw_only=True)
class NewKey:
    """A key that was just made."""

    key: ApiKey
    #: The whole key: nobody can tell it again.
    token: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class _Seen:
    key: ApiKey
    at: float


class Keyring:
    """The keys of a service, as one process sees them."""

    def __init__(
        self,
        keys: KeyRepository,
        *,
        given: Sequence[str] = (),
        fresh_s: float = FRESH_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`given` are whole admin keys that a setting names and nobody stores."""
        self.keys = keys
        self._given: Mapping[str, ApiKey] = {key.id: key for key in map(_given_key, given)}
        self._fresh_s = fresh_s
        self._now, self._monotonic = now, monotonic
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._locked = bool(self._given)
        self._asked_at: float | None = None

    # --- asking ------------------------------------------------------------------------------------------

    async def locked(self) -> bool:
        """Whether there was ever a key, so that nobody may come in without one. Once true, always true."""
        now = self._monotonic()
        if not self._locked and (self._asked_at is None or now - self._asked_at >= self._fresh_s):
            self._locked = bool(await self.keys.list())
            self._asked_at = now
        return self._locked

    @property
    def known_locked(self) -> bool:
        """What `locked` gave last; asks nobody."""
        return self._locked

    async def verify(self, token: str) -> ApiKey | None:
        """The good key that this is, None when it is none; a revocation elsewhere is seen after `FRESH_S`."""
        digest = digest_of(token)
        for key in self._given.values():
            if hmac.compare_digest(key.digest, digest):
                return key
        match = TOKEN.fullmatch(token)
        if match is None:
            return None
        found = await self._find(match[1])
        if found is None or not found.opens(token):
            return None
        await self._touch(found.id)
        return found

    def knows(self, token: str) -> bool:
        """Whether this process has seen that key be good; asks nobody."""
        match = TOKEN.fullmatch(token)
        seen = self._seen.get(match[1]) if match else None
        given = any(hmac.compare_digest(key.digest, digest_of(token)) for key in self._given.values())
        return given or (seen is not None and seen.key.opens(token))

    async def limits_of(self, key_id: str | None) -> KeyLimits:
        """How much the key of that id may; no limits for none."""
        if key_id is None or key_id in self._given:
            return KeyLimits()
        found = await self._find(key_id)
        return KeyLimits() if found is None else found.limits

    async def list(self) -> Sequence[ApiKey]:
        """Every key: those given by a setting, then the stored ones, oldest first."""
        return (*self._given.values(), *await self.keys.list())

    async def secret(self, name: str) -> bytes:
        """A secret of the service's own, the same in every process of it."""
        return await self.keys.secret(name, secrets.token_bytes(32))

    # --- changing ----------------------------------------------------------------------------------------

    async def create(
        self,
        name: str,
        *,
        scopes: Collection[Scope] | None = None,
        limits: KeyLimits | None = None,
        by: str | None = None,
    ) -> NewKey:
        """A new key. By default the first may do everything, any other read and submit.

        Raises InvalidRequest for a wrong name or limit, and for a first key that could not manage the others.
        """
        limits = limits or KeyLimits()
        managed = any(Scope.ADMIN in key.scopes and key.revoked_at is None for key in await self.list())
        if scopes is None:
            scopes = (Scope.READ, Scope.SUBMIT) if managed else tuple(Scope)
        _check(name, scopes, limits, managed=managed)
        key_id = new_key_id()
        token = new_key_token(key_id)
        key = ApiKey(
            id=key_id,
            name=name.strip(),
            digest=digest_of(token),
            scopes=frozenset(scopes),
            created_at=self._now(),
            limits=limits,
        )
        await self.keys.add(key)
        self._locked = True
        await self.note("key.created", key_id, by=by)
        return NewKey(key=key, token=token)

    async def revoke(self, key_id: str, *, by: str | None = None) -> ApiKey:
        """The key, good for nothing any more: here at once, elsewhere within `FRESH_S`.

        Raises KeyNotFound; InvalidRequest for a key that a setting gives.
        """
        if key_id in self._given:
            message = "is given by IMAGING_API_KEYS. Take it out there and start the service again."
            raise InvalidRequest([FieldProblem(field="id", message=message)])
        if not KEY_ID.fullmatch(key_id):
            raise KeyNotFound
        key = await self.keys.revoke(key_id, at=self._now())
        self._seen.pop(key_id, None)
        await self.note("key.revoked", key_id, by=by)
        return key

    async def note(self, action: str, subject: str, *, by: str | None) -> None:
        """Put something on record: a log line first, so that it is told even where it cannot be stored."""
        log.info("%s", action, extra={"subject": subject, "actor": by or "-"})
        await self.keys.note(AuditEntry(at=self._now(), action=action, subject=subject, actor=by))

    async def _touch(self, key_id: str) -> None:
        now = self._monotonic()
        if now - self._touched.get(key_id, -TOUCH_S) < TOUCH_S:
            return
        self._touched[key_id] = now
        self._touched.move_to_end(key_id)
        if len(self._touched) > _MOST_REMEMBERED:
            self._touched.popitem(last=False)
        # Nobody is kept out because that could not be written down.
        with suppress(Unavailable):
            await self.keys.touch(key_id, at=self._now())

    async def _find(self, key_id: str) -> ApiKey | None:
        now = self._monotonic()
        seen = self._seen.get(key_id)
        if seen is not None and now - seen.at < self._fresh_s:
            return seen.key
        found = await self.keys.get(key_id)
        if found is None:
            # Unknown ids are not remembered: anybody can make up as many as they like.
            self._seen.pop(key_id, None)
            return None
        self._seen[key_id] = _Seen(key=found, at=now)
        self._seen.move_to_end(key_id)
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return found


def _given_key(token: str) -> ApiKey:
    """The admin key that a setting names. Its id follows from it, so that its jobs stay its own."""
    digest = digest_of(token)
    # Of another digest: an id is public, and must not be the beginning of what a key is checked by.
    key_id = f"set-{hmac.digest(b'id', digest, 'sha256').hex()[:12]}"
    created = datetime(1970, 1, 1, tzinfo=UTC)
    return ApiKey(id=key_id, name="IMAGING_API_KEYS", digest=digest, scopes=frozenset(Scope), created_at=created)


def _check(name: str, scopes: Collection[Scope], limits: KeyLimits, *, managed: bool) -> None:
    problems = []
    if not 1 <= len(name.strip()) <= MAX_NAME or not name.isprintable():
        problems.append(FieldProblem(field="name", message=f"must have 1 to {MAX_NAME} printable characters."))
    if not scopes:
        problems.append(FieldProblem(field="scopes", message=f"must be some of {', '.join(Scope)}."))
    elif not managed and Scope.ADMIN not in scopes:
        message = "must include admin while no other key does, or nobody could manage the keys."
        problems.append(FieldProblem(field="scopes", message=message))
    for field, value in attrs.asdict(limits).items():
        if value is not None and not 0 < value <= 1e9:
            problems.append(FieldProblem(field=field, message="must be above 0 and at most 1000000000."))
    if problems:
        raise InvalidRequest(problems)
