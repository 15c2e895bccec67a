"""A served API whose door has a lock, and keys to it; may import the API, the core and the neighbouring test modules."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from api_setting import RunningApi
from entrypoints.api.access import Access
from imaging_core.keyring import Keyring
from imaging_core.keys import KeyLimits, Scope
from imaging_core.memory import MemoryKeyRepository


class LockedApi(RunningApi):
    """A served API with a keyring; open until the first key is made."""

    def __init__(self, **access: Any) -> None:
        """`config` goes to the API, `more` are further backends, `given` and `fresh_s` go to the keyring, the rest is for `Access`."""
        config, more = access.pop("config", {}), access.pop("more", ())
        self.keys = MemoryKeyRepository()
        self.keyring = Keyring(self.keys, given=access.pop("given", ()), fresh_s=access.pop("fresh_s", 3.0))
        self.access = Access(keyring=self.keyring, **access)
        super().__init__(*more, access=self.access, **config)

    @contextmanager
    def serving(self) -> Iterator["LockedApi"]:
        """Served while inside."""
        with super().serving():
            yield self

    def make_key(
        self, name: str = "some", *, scopes: Collection[Scope] = (Scope.READ, Scope.SUBMIT), **limits: Any
    ) -> str:
        """A new key, whole."""
        told = KeyLimits(**limits)
        return self.within(lambda: self.keyring.create(name, scopes=scopes, limits=told)).token

    def make_admin(self) -> str:
        """A new key that may do everything."""
        return self.make_key("admin", scopes=tuple(Scope))

    def asked(self, key: str | None = None) -> httpx.Client:
        """A client that sends that key."""
        client = self.client()
        if key is not None:
            client.headers["authorization"] = f"Bearer {key}"
        return client
