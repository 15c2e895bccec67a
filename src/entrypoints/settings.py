"""Every setting, read once into one frozen object; imports pydantic-settings and the core's values.

Names begin with IMAGING_; names people already have (STABILITY_KEY, STABLE_DIFFUSION_URL, REDIS_HOST ...) are aliases. An
unknown IMAGING_ name is refused, since a misspelt setting that is silently ignored costs an afternoon.
"""

import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imaging_core.policies import GateLimits, InDoubt, RetryPolicy, RunLimits
from imaging_core.ports import QueueLimits

PREFIX = "IMAGING_"


class SettingsError(Exception):
    """A setting is wrong or unknown; the text names each one and says what would be right, never a secret's value."""


def _default_data_dir() -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "imaging"
    return Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "imaging"


class Settings(BaseSettings):
    """What was set, with defaults for the rest. Times in s."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    # --- where things are kept ---
    data_dir: Path = Field(
        default_factory=_default_data_dir, description="Folder of the embedded mode's database and pictures."
    )
    storage_url: str | None = Field(default=None, description="Where pictures go: a folder, as a path or file:// URL.")
    redis_url: SecretStr | None = Field(
        default=None, description="Redis of the distributed mode, redis://[:password@]host:port/db."
    )
    broker_url: SecretStr | None = Field(
        default=None, description="Redis for the doorbell; by default the next database."
    )
    redis_prefix: str = Field(default="imaging:", min_length=1, description="Begins every key in Redis.")
    allow_volatile: bool = Field(
        default=False, description="Start on a Redis that may lose jobs (no AOF, or evicting)."
    )

    # --- backends ---
    stability_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_STABILITY_API_KEY", "STABILITY_KEY", "STABILITY_API_KEY"),
        description="Key of the Stability AI API (alias STABILITY_KEY).",
    )
    stability_base_url: str = Field(default="https://api.stability.ai", description="Address of the Stability AI API.")
    stability_slots: PositiveInt = Field(default=64, description="Stability calls at a time, over all workers.")
    stability_rate: PositiveInt = Field(
        default=145, description="Stability calls in 10 s, over all workers (their limit is 150)."
    )
    stability_timeout_s: PositiveFloat = Field(default=300.0, description="Longest wait for a Stability answer.")
    sdwebui_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias=AliasChoices("IMAGING_SDWEBUI_URLS", "STABLE_DIFFUSION_URL", "SD_WEBUI_URL"),
        description="Addresses of Stable Diffusion WebUI instances, separated by commas (alias STABLE_DIFFUSION_URL).",
    )
    sdwebui_auth: SecretStr | None = Field(default=None, description="user:password of the WebUI's --api-auth.")
    demo: bool | None = Field(
        default=None, description="The built-in demo backend; by default on in `imaging up` when no other is set up."
    )
    demo_step_s: float = Field(default=0.08, ge=0, le=10, description="Least time of one demo step.")

    # --- doors ---
    host: str = Field(default="127.0.0.1", description="Address the API and the GUI listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port of the API.")
    gui_port: int = Field(default=8501, ge=0, le=65535, description="Port of the GUI.")
    api_url: str | None = Field(default=None, description="Where the GUI and the CLI find the API.")
    allow_open: bool = Field(default=False, description="Permit listening beyond loopback without a key.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    # --- promises ---
    lease_s: PositiveFloat = Field(default=15.0, description="Silence after which a worker's job is anybody's.")
    heartbeat_s: PositiveFloat = Field(default=5.0, description="Time between two signs of life of a job.")
    sweep_s: PositiveFloat = Field(default=2.0, description="Time between two sweeps for lost work.")
    run_timeout_s: PositiveFloat = Field(default=600.0, description="Longest time of one attempt.")
    max_wait_s: PositiveFloat | None = Field(default=None, description="Longest time from submit to the end.")
    max_attempts: PositiveInt = Field(default=3, description="Attempts before a job fails.")
    retry_delay_s: PositiveFloat = Field(default=2.0, description="Wait before the second attempt; doubles each time.")
    patience_s: PositiveFloat = Field(default=900.0, description="How long a job waits for a backend that is away.")
    max_paid_calls: PositiveInt = Field(default=2, description="Paid calls for one picture, whatever happens.")
    on_crash: InDoubt = Field(default=InDoubt.RETRY, description="A paid call cut off by a crash: retry or fail.")
    on_lost: InDoubt = Field(default=InDoubt.FAIL, description="A paid call without an answer: retry or fail.")
    max_queued: PositiveInt | None = Field(default=10_000, description="Waiting jobs per backend before 503.")
    grace_s: float = Field(
        default=20.0, ge=0, description="Time running jobs get at a stop before they are handed over."
    )
    keep_days: PositiveFloat | None = Field(
        default=None, le=36_500, description="Days after which ended jobs are deleted with their pictures."
    )
    max_storage: PositiveInt | None = Field(
        default=None, description="Room for pictures, in bytes or as 500M or 20G, over which no new job is taken."
    )
    storage_reserve_mb: int = Field(default=64, ge=0, description="Free space (MB) under which no picture is begun.")

    @field_validator("sdwebui_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("max_storage", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kmgt]?)(?:i?b)?", value.strip(), re.ASCII | re.IGNORECASE)
        if match is None:
            raise ValueError("must be a number of bytes, or one with K, M, G or T, for instance 20G")
        return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))

    @field_validator("sdwebui_urls", "stability_base_url", "api_url")
    @classmethod
    def _http(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for url in (value,) if isinstance(value, str) else value or ():
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("must be http://host[:port] or https://host[:port]")
            if parts.username or parts.password:
                raise ValueError("must not hold a user or password; use IMAGING_SDWEBUI_AUTH for the WebUI's")
        return value

    @field_validator("sdwebui_auth")
    @classmethod
    def _pair(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" not in value.get_secret_value():
            raise ValueError("must be user:password")
        return value

    @model_validator(mode="after")
    def _beats_within_the_lease(self) -> "Settings":
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"IMAGING_HEARTBEAT_S must be at most half of IMAGING_LEASE_S ({self.lease_s:g} s), or one lost beat "
                "gives a running job away"
            )
        return self

    @property
    def opens_to_network(self) -> bool:
        """Whether the doors listen beyond this machine."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True

    @property
    def run_limits(self) -> RunLimits:
        """The numbers behind the promises."""
        names = (
            "lease_s",
            "heartbeat_s",
            "sweep_s",
            "run_timeout_s",
            "max_wait_s",
            "max_paid_calls",
            "on_crash",
            "on_lost",
        )
        return RunLimits(**{name: getattr(self, name) for name in names})

    @property
    def retry_policy(self) -> RetryPolicy:
        """When a failed attempt is worth another."""
        return RetryPolicy(max_attempts=self.max_attempts, first_delay_s=self.retry_delay_s, patience_s=self.patience_s)

    @property
    def queue_limits(self) -> QueueLimits:
        """How many jobs may wait."""
        return QueueLimits(max_queued=self.max_queued)

    @property
    def gate_limits(self) -> dict[str, GateLimits]:
        """How each backend may be called."""
        permit = self.lease_s
        return {
            "stability": GateLimits(slots=self.stability_slots, calls=self.stability_rate, permit_lease_s=permit),
            "local": GateLimits(slots=max(1, len(self.sdwebui_urls)), permit_lease_s=permit),
            "demo": GateLimits(slots=2, permit_lease_s=permit),
        }

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

    @property
    def storage_reserve_bytes(self) -> int:
        """Free bytes under which no picture is begun."""
        return self.storage_reserve_mb << 20

    @property
    def unconfigured(self) -> dict[str, str]:
        """Backends that are not set up, each with a sentence that says which setting is missing."""
        missing = {
            "stability": self.stability_api_key is None
            and "set IMAGING_STABILITY_API_KEY (or STABILITY_KEY) to a key of the Stability AI API.",
            "local": not self.sdwebui_urls
            and "set IMAGING_SDWEBUI_URLS to the address of a Stable Diffusion WebUI that runs with --api, "
            "for instance http://127.0.0.1:7860.",
            "demo": not self.demo and "set IMAGING_DEMO=1 to turn the built-in demo on.",
        }
        return {name: f"Backend '{name}' is not set up: {hint}" for name, hint in missing.items() if hint}

    @property
    def images_backend(self) -> str:
        """Where POST /images goes: Stability AI, or the demo while that is on and no key is set."""
        return "demo" if self.demo and self.stability_api_key is None else "stability"

    @property
    def demo_by_default(self) -> bool:
        """Whether nothing else is set up, so that `imaging up` shows the demo."""
        return self.stability_api_key is None and not self.sdwebui_urls


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings as the environment and .env give them; keyword arguments (from the command line) win.

    Raises SettingsError that names every wrong or unknown setting.
    """
    environ = os.environ if environ is None else environ
    in_file = {name.upper(): value or "" for name, value in dotenv_values(".env").items()}
    environ = {**in_file, **environ}
    _refuse_unknown(environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    if "redis_url" not in given and not environ.get("IMAGING_REDIS_URL"):
        given |= _redis_from_parts(environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        # Only names and messages: the input of a wrong setting may be a secret.
        lines = [
            f"{_env_name(e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors(include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def _env_name(location: tuple[int | str, ...]) -> str:
    if not location:
        return ""
    name = str(location[0])
    return f"{name if name.isupper() else PREFIX + name.upper()}: "


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            lines.append(f"{name}: there is no such setting.{hint}")
    if lines:
        raise SettingsError("\n".join(lines))


def _redis_from_parts(environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """A Redis URL from REDIS_URL, or from REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and REDIS_DB."""
    if url := environ.get("REDIS_URL"):
        return {"redis_url": SecretStr(url)}
    if host := environ.get("REDIS_HOST"):
        password = environ.get("REDIS_PASSWORD", "")
        auth = f":{quote(password, safe='')}@" if password else ""
        port, database = environ.get("REDIS_PORT") or "6379", environ.get("REDIS_DB") or "0"
        return {"redis_url": SecretStr(f"redis://{auth}{host}:{port}/{database}")}
    return {}
