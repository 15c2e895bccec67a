"""Every setting, read once into one frozen object; imports pydantic-settings and the core's values.

Names begin with IMAGING_; names people already have (STABILITY_KEY, STABLE_DIFFUSION_URL, REDIS_HOST ...) are aliases. An
unknown IMAGING_ name is refused, since a misspelt setting that is silently ignored costs an afternoon. Each theme has a
part of its own beside this file; a new setting goes into the part it belongs to.
"""

from entrypoints.settings.loading import SettingsError, load_settings
from entrypoints.settings.settings import Settings

__all__ = ["Settings", "SettingsError", "load_settings"]
