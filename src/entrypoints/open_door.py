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


def refuse_open_page(settings: Settings, *, of_ours: bool) -> None:
    """Raises SettingsError when anybody on the network could use the API through the page without a key.

    `of_ours` says that the page is of an API in the same process, which is not open to a network without a key either.
    """
    if not settings.opens_to_network or settings.allow_open:
        return
    if settings.api_key:
        raise SettingsError(
            f"IMAGING_HOST={settings.host} would let anybody on the network use the page, which sends IMAGING_API_KEY for "
            f"those who enter no key of their own. Unset it, so that each visitor enters one, run without the page "
            f"(`imaging up --no-gui`), {_ELSE}"
        )
    if not of_ours:
        raise SettingsError(
            f"IMAGING_HOST={settings.host} would let anybody on the network use an API through the page that may not ask "
            "for keys. If it does, set IMAGING_ALLOW_OPEN=1; else listen on 127.0.0.1."
        )
