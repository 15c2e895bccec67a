"""Settings of where things are kept; imports pydantic."""

import os
import re
import sys
from pathlib import Path

from pydantic import BaseModel, Field, PositiveInt, SecretStr, field_validator


def _default_data_dir() -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "imaging"
    return Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "imaging"


class PlaceSettings(BaseModel):
    """Where jobs and pictures go."""

    data_dir: Path = Field(
        default_factory=_default_data_dir, description="Folder of the embedded mode's database and pictures."
    )
    storage_url: str | None = Field(
        default=None, description="Where pictures go: a folder, as a path or file:// URL, or s3://bucket/prefix."
    )
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
    max_storage: PositiveInt | None = Field(
        default=None, description="Room for pictures, in bytes or as 500M or 20G, over which no new job is taken."
    )
    storage_reserve_mb: int = Field(default=64, ge=0, description="Free space (MB) under which no picture is begun.")

    @field_validator("max_storage", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kmgt]?)(?:i?b)?", value.strip(), re.ASCII | re.IGNORECASE)
        if match is None:
            raise ValueError("must be a number of bytes, or one with K, M, G or T, for instance 20G")
        return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))

    @property
    def storage_reserve_bytes(self) -> int:
        """Free bytes under which no picture is begun."""
        return self.storage_reserve_mb << 20
