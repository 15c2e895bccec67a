"""What `imaging keys` does: in Redis, in the data folder, or over the API of the service that uses that folder; imports the container.

The data folder has one user at a time, so a service that runs there is asked to do it: with IMAGING_API_KEY, an admin's, once
there are keys.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import attrs

from adapters.sqlite.lock import FolderInUse
from entrypoints.client import ApiError, ClientError, ImagingClient, without_credentials
from entrypoints.client.key_calls import KeyInfo
from entrypoints.container.embedded import EmbeddedPorts
from entrypoints.container.service import ServiceContainer
from entrypoints.gui_process import api_url, key_of
from entrypoints.lifespan import redis_ports
from entrypoints.settings import Settings, SettingsError
from imaging_core.errors import InvalidRequest
from imaging_core.keyring import Keyring
from imaging_core.keys import ApiKey, KeyLimits, Scope
from imaging_core.records import time_to_text

Limits = Mapping[str, float | None]


class _Keys(Protocol):
    #: Whose keys they are, for people: a folder in use is asked about at an address, where another service may answer.
    @property
    def place(self) -> str: ...

    async def create(self, name: str, scopes: Collection[str] | None, limits: Limits) -> KeyInfo: ...

    async def list(self) -> Collection[KeyInfo]: ...

    async def revoke(self, key_id: str) -> KeyInfo: ...


async def create_key(
    settings: Settings, name: str, scopes: Collection[str] | None, limits: Limits, *, as_json: bool
) -> int:
    """Make a key and print it. Raises SettingsError, ImagingError."""
    async with _keys(settings) as keys:
        made, place = await keys.create(name, scopes, limits), keys.place
    if as_json:
        _print(json.dumps(attrs.asdict(made)))
        return 0
    # The key alone on standard output, so that a script can take it from there.
    sys.stderr.write(
        f"Key {made.id} '{made.name}' with scopes {', '.join(made.scopes)}, {place}. It is shown this once:\n"
    )
    sys.stderr.flush()
    _print(str(made.key))
    return 0


async def list_keys(settings: Settings, *, as_json: bool) -> int:
    """Print every key. Raises SettingsError, ImagingError."""
    async with _keys(settings) as keys:
        found = await keys.list()
    if as_json:
        hidden = attrs.filters.exclude("key")
        _print(json.dumps([attrs.asdict(key, filter=hidden) for key in found]))
        return 0
    for key in found:
        limits = {"queued": key.max_queued, "a minute": key.requests_per_minute, "credits a day": key.credits_per_day}
        told = ", ".join(f"{value:g} {what}" for what, value in limits.items() if value is not None)
        state = f"revoked {key.revoked_at[:19]}" if key.revoked_at else f"since {key.created_at[:19]}"
        used = f"used {key.last_used_at[:16]}" if key.last_used_at else ""
        _print(
            f"{key.id:<16}  {','.join(key.scopes):<18}  {state:<27}  {used:<21}  {key.name}{f' ({told})' if told else ''}"
        )
    if not found:
        _print("There are no keys. `imaging keys create NAME` makes the first, and from then on everybody needs one.")
    return 0


async def revoke_key(settings: Settings, key_id: str) -> int:
    """Revoke a key. Raises SettingsError, ImagingError."""
    async with _keys(settings) as keys:
        gone = await keys.revoke(key_id)
    _print(f"Key {gone.id} '{gone.name}' is revoked.")
    return 0


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


@asynccontextmanager
async def _keys(settings: Settings) -> AsyncIterator[_Keys]:
    if settings.api_url is None and settings.redis_url is not None:
        async with redis_ports(settings) as shared:
            keyring = ServiceContainer(settings=settings, ports=shared).keyring()
            yield _Stored(keyring, f"in Redis at {shared.link().address}")
        return
    ports = EmbeddedPorts(settings=settings)
    database = ports.database()
    if settings.api_url is None:
        try:
            await database.open()
        except FolderInUse:
            pass
        else:
            try:
                yield _Stored(ServiceContainer(settings=settings, ports=ports).keyring(), f"in {settings.data_dir}")
            finally:
                await database.close()
            return
    with ImagingClient(api_url(settings), api_key=key_of(settings), retry_for_s=0) as client:
        yield _Asked(client)


@attrs.frozen
class _Stored:
    """Where the keys are kept can be reached."""

    _keyring: Keyring
    place: str

    async def create(self, name: str, scopes: Collection[str] | None, limits: Limits) -> KeyInfo:
        told = None
        if scopes is not None:
            unknown = set(scopes) - set(Scope)
            if unknown:
                raise SettingsError(f"--scope: must be some of {', '.join(Scope)}.")
            told = [Scope(scope) for scope in scopes]
        try:
            made = await self._keyring.create(name, scopes=told, limits=KeyLimits(**limits))  # type: ignore[arg-type]
        except InvalidRequest as error:
            raise SettingsError(str(error)) from None
        return attrs.evolve(_info(made.key), key=made.token)

    async def list(self) -> Collection[KeyInfo]:
        return [_info(key) for key in await self._keyring.list()]

    async def revoke(self, key_id: str) -> KeyInfo:
        return _info(await self._keyring.revoke(key_id))


@attrs.frozen
class _Asked:
    """The service that uses the data folder does it."""

    _client: ImagingClient

    @property
    def place(self) -> str:
        return f"for the service at {without_credentials(self._client.url)}"

    async def create(self, name: str, scopes: Collection[str] | None, limits: Limits) -> KeyInfo:
        with _said(self._client):
            return await asyncio.to_thread(self._client.create_key, name, scopes=scopes, **limits)

    async def list(self) -> Collection[KeyInfo]:
        with _said(self._client):
            return await asyncio.to_thread(self._client.keys)

    async def revoke(self, key_id: str) -> KeyInfo:
        with _said(self._client):
            return await asyncio.to_thread(self._client.revoke_key, key_id)


@contextmanager
def _said(client: ImagingClient) -> Iterator[None]:
    """Tells a refusal of the service as a sentence for whoever typed the command."""
    try:
        yield
    except ClientError as error:
        if isinstance(error, ApiError) and error.status in (401, 403):
            raise SettingsError(
                f"The service at {without_credentials(client.url)} manages its keys for admins: set IMAGING_API_KEY to a "
                "key with scope admin, or stop the service and try again."
            ) from error
        raise SettingsError(str(error)) from error


def _info(key: ApiKey) -> KeyInfo:
    return KeyInfo(
        id=key.id,
        name=key.name,
        scopes=tuple(sorted(key.scopes)),
        created_at=time_to_text(key.created_at) or "",
        revoked_at=time_to_text(key.revoked_at),
        last_used_at=time_to_text(key.last_used_at),
        **attrs.asdict(key.limits),
    )
