"""Refuses to let a whole network in by oversight; imports the settings and the core's keys."""

from entrypoints.settings import Settings, SettingsError
from imaging_core.keyring import Keyring

_ELSE = "listen on 127.0.0.1, or set IMAGING_ALLOW_OPEN=1 if something in front of it keeps strangers out."


async def refuse_open_api(settings: Settings, keyring: Keyring) -> None:
    """Raises SettingsError when anybody on the network could use the API without a key."""
    if settings.opens_to_network and not settings.allow_open and not await keyring.locked():
        raise SettingsError(
            f"IMAGING_HOST={settings.host} would let anybody on the network use this service, and there is no key yet. "
            f"Make one with `imaging keys create NAME` (or set IMAGING_API_KEYS), {_ELSE}"
        )


def refuse_open_page(settings: Settings) -> None:
    """Raises SettingsError when anybody on the network could use the page, which asks nobody for a key."""
    if settings.opens_to_network and not settings.allow_open:
        raise SettingsError(
            f"IMAGING_HOST={settings.host} would let anybody on the network use the page, which asks nobody for a key and "
            f"sends IMAGING_API_KEY for all of them. Run `imaging up --no-gui`, {_ELSE}"
        )
