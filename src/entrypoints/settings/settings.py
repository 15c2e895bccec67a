"""All settings as one frozen object; imports pydantic-settings, its parts beside it and the core's policies."""

import os
from pathlib import Path
from tempfile import gettempdir

from pydantic_settings import BaseSettings, SettingsConfigDict

from entrypoints.settings.access import AccessSettings
from entrypoints.settings.backends import BackendSettings
from entrypoints.settings.doors import DoorSettings
from entrypoints.settings.facades import FacadeSettings
from entrypoints.settings.pictures import PictureSettings
from entrypoints.settings.places import PlaceSettings
from entrypoints.settings.promises import PromiseSettings
from entrypoints.settings.routing import RoutingSettings
from entrypoints.settings.s3 import S3Settings
from entrypoints.settings.webhooks import WebhookSettings
from imaging_core.policies import GateLimits
from imaging_core.routing import AutoPolicy

PREFIX = "IMAGING_"
#: How much later than another a call to Stability AI may get there, counted from when it was let in, in s.
STABILITY_SLACK_S = 0.5


class Settings(
    PlaceSettings,
    BackendSettings,
    RoutingSettings,
    DoorSettings,
    FacadeSettings,
    AccessSettings,
    PromiseSettings,
    PictureSettings,
    S3Settings,
    WebhookSettings,
    BaseSettings,
):
    """What was set, with defaults for the rest. Times in s."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    @property
    def gate_limits(self) -> dict[str, GateLimits]:
        """How each backend may be called."""
        permit = self.lease_s
        return {
            "stability": GateLimits(
                slots=self.stability_slots,
                calls=self.stability_rate,
                # The rule is about any 10 s at the provider's door, and whoever breaks it is locked out for a minute.
                per_s=10.0 + STABILITY_SLACK_S,
                slack_s=STABILITY_SLACK_S,
                permit_lease_s=permit,
            ),
            "local": GateLimits(slots=max(1, len(self.sdwebui_urls)), permit_lease_s=permit),
            "demo": GateLimits(slots=2, permit_lease_s=permit),
        }

    @property
    def auto(self) -> AutoPolicy:
        """What counts in the choice of a backend: where nothing but the demo is set up, and no order, that is chosen."""
        only_demo = self.demo and self.demo_by_default and "auto_order" not in self.model_fields_set
        order = ("demo",) if only_demo else self.auto_order
        return AutoPolicy(order=order, max_wait_s=self.auto_max_wait_s, max_credits=self.auto_max_credits)

    @property
    def our_names(self) -> tuple[str, ...]:
        """Names under which the doors may be asked for; empty for any.

        On loopback, and where names are given, no other name is ours; on a network, nobody knows what names we have.
        """
        named = bool(self.allowed_hosts) or not self.opens_to_network
        return (*self.allowed_hosts, *self.loopback_names) if named else ()

    @property
    def worker_slots(self) -> dict[str, int]:
        """Calls at a time in one process, by backend that is set up."""
        return {name: gate.slots for name, gate in self.gate_limits.items() if name not in self.unconfigured}

    @property
    def run_dir(self) -> Path:
        """Where a process leaves signs of life: gone with the machine's boot."""
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or gettempdir()) / f"imaging-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
