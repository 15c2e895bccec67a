"""Settings of who may come in, from where and for how much; imports pydantic and the core's rule for keys."""

import ipaddress
import re
from typing import Annotated

from pydantic import BaseModel, Field, PositiveFloat, SecretStr, field_validator
from pydantic_settings import NoDecode

from entrypoints.settings.lists import Listed
from imaging_core.keyring import MIN_GIVEN

Names = Annotated[tuple[str, ...], NoDecode, Listed]

_HOST = re.compile(r"(\*\.)?[0-9a-z_-]+(\.[0-9a-z_-]+)*|\[[0-9a-f:.]+\]", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/\s@?#]+", re.ASCII)


class AccessSettings(BaseModel):
    """Keys, names, origins and proxies."""

    api_key: SecretStr | None = Field(default=None, description="The key that the page and the command line send.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, Listed] = Field(
        default=(), description="Admin keys of your own choice that the API accepts, separated by commas."
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Names under which the API may be asked for, separated by commas; *.domain for all of one.",
    )
    cors_origins: Names = Field(
        default=(), description="Origins whose pages may use the API from a browser, separated by commas."
    )
    trusted_proxies: Names = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-* are believed, separated by commas.",
    )
    root_path: str = Field(default="", description="Path below which a proxy shows the API, for instance /imaging.")
    open_metrics: bool = Field(default=False, description="Show /metrics without a key.")
    credits_per_day: PositiveFloat | None = Field(
        default=None, description="Credits that all keys together may use in a day, by UTC."
    )

    @field_validator("api_keys")
    @classmethod
    def _strong(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in value:
            text = key.get_secret_value()
            if len(text) < MIN_GIVEN or not re.fullmatch(r"[\x21-\x7e]+", text, re.ASCII):
                raise ValueError(
                    f"each key must have at least {MIN_GIVEN} printable ASCII characters and no spaces; "
                    "`openssl rand -hex 32` makes a good one"
                )
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower() for name in value)
        if not all(_HOST.fullmatch(name) for name in names):
            raise ValueError("must be names without scheme and port, for instance images.example.org")
        return names

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("must be origins such as https://studio.example.org, without a path; or * for any")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError("must be addresses or networks, for instance 10.0.0.2 or 172.16.0.0/12") from None
        return value

    @field_validator("root_path")
    @classmethod
    def _below(cls, value: str) -> str:
        path = value.rstrip("/")
        if path and not re.fullmatch(r"(/[0-9A-Za-z._~-]+)+", path, re.ASCII):
            raise ValueError("must be a path such as /imaging")
        return path
