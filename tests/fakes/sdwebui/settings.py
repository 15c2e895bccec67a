"""The server's options and the model in memory: what overrides change, what they restore, and what leaks.

May import the standard library and this package's catalog and records.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes.sdwebui import recorded
from fakes.sdwebui.catalog import NO_CHECKPOINTS, Catalog, Checkpoint
from fakes.sdwebui.errors import NamedError

#: Options the API may not change; the request is answered 200 all the same.
_RESTRICTED = {"api_enable_requests", "api_forbid_local_requests", "api_useragent", "restore_config_state_file"}


class Settings:
    """Options over their defaults. A key counts as present once it was set: overrides restore only present keys."""

    def __init__(self, catalog: Catalog) -> None:
        self._defaults: dict[str, Any] = recorded.body("get_options")
        self._defaults |= {"sd_model_checkpoint": None, "sd_checkpoint_hash": ""}
        self.present: dict[str, Any] = {}
        self._catalog = catalog

    def get(self, key: str) -> Any:
        """The value in force; an unknown key raises KeyError, as in the real program."""
        return self.present[key] if key in self.present else self._defaults[key]

    def set(self, key: str, value: Any) -> None:
        """Set one option without looking at its type; raises KeyError for an unknown one."""
        if key not in self._defaults:
            raise KeyError(key)
        if key not in _RESTRICTED:
            self.present[key] = value

    def listed(self) -> dict[str, Any]:
        """The body of GET /options: only values that were set are validated, and then come back as floats."""
        values = dict(self._defaults)
        for key, value in self.present.items():
            default = self._defaults[key]
            if isinstance(default, int | float) and not isinstance(default, bool):
                try:
                    values[key] = float(value)
                except (TypeError, ValueError) as error:
                    text = (
                        f"1 validation error for Options\nresponse -> {key}\n"
                        "  value is not a valid float (type=type_error.float)"
                    )
                    raise NamedError("ValidationError", text) from error
            else:
                values[key] = value
        return values


class Memory:
    """The one checkpoint that is loaded; loading another takes time and is counted."""

    def __init__(self, catalog: Catalog, settings: Settings, on_load: Callable[[Checkpoint, int], None]) -> None:
        self.loaded: Checkpoint | None = None
        self.loads = 0
        self.load_seconds = 0.0
        self._catalog = catalog
        self._settings = settings
        self._on_load = on_load

    async def follow_option(self) -> Checkpoint:
        """Make the option's checkpoint the loaded one; an unknown one means the first there is."""
        wanted = self._catalog.find(self._settings.get("sd_model_checkpoint"))
        if wanted is None:
            if not self._catalog.checkpoints:
                raise NO_CHECKPOINTS
            wanted = self._catalog.checkpoints[0]
        if wanted is not self.loaded:
            await self.load(wanted)
        return wanted

    async def load(self, checkpoint: Checkpoint) -> None:
        """Read a file into memory; raises what the real loader raises for a broken one."""
        await asyncio.sleep(self.load_seconds)
        checkpoint.read()
        self.loaded = checkpoint
        self.loads += 1
        self._settings.present["sd_checkpoint_hash"] = checkpoint.sha256
        self._on_load(checkpoint, self.loads)

    async def start(self) -> None:
        """The load at start-up; when it fails the port serves all the same, and the option stays unset."""
        if self._catalog.checkpoints:
            first = self._catalog.checkpoints[0]
            try:
                await self.load(first)
            except (OSError, AttributeError, NamedError):
                return
            self._settings.set("sd_model_checkpoint", first.title)

    async def post_options(self, values: dict[str, Any]) -> None:
        """POST /options. A load that fails is answered with success, and the option is put back."""
        wanted = values.get("sd_model_checkpoint")
        if wanted is not None and self._catalog.find(wanted) is None:
            raise RuntimeError(f"model {wanted!r} not found")
        for key, value in values.items():
            before = self._settings.get(key)
            self._settings.set(key, value)
            if key == "sd_model_checkpoint":
                try:
                    await self.follow_option()
                except (OSError, AttributeError, NamedError):
                    self._settings.present[key] = before

    @asynccontextmanager
    async def overridden(self, overrides: dict[str, Any], *, restore: bool) -> AsyncIterator[None]:
        """Run one job under `override_settings`.

        An unknown checkpoint is dropped in silence. Afterwards only options that were present before are restored: the
        rest leak into all later jobs. The other checkpoint stays loaded until the next job needs the old one.
        """
        stored = {key: self._settings.present[key] for key in overrides if key in self._settings.present}
        wanted = dict(overrides)
        try:
            if self._catalog.find(wanted.get("sd_model_checkpoint")) is None:
                wanted.pop("sd_model_checkpoint", None)
                await self.follow_option()
            for key, value in wanted.items():
                self._settings.set(key, value)
                if key == "sd_model_checkpoint":
                    await self.follow_option()
            yield
        finally:
            if restore:
                self._settings.present |= stored
