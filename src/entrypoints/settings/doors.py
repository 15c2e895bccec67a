"""Settings of the doors: the API, the GUI and the command line; imports pydantic."""

import ipaddress
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from entrypoints.settings.addresses import check_http_url


class DoorSettings(BaseModel):
    """Where the doors are and who may come in."""

    host: str = Field(default="127.0.0.1", description="Address the API and the GUI listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port of the API.")
    gui_port: int = Field(default=8501, ge=0, le=65535, description="Port of the GUI.")
    api_url: str | None = Field(default=None, description="Where the GUI and the CLI find the API.")
    public_url: str | None = Field(default=None, description="Where others find the API, for links that leave it.")
    allow_open: bool = Field(default=False, description="Permit listening beyond loopback without a key.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["text", "json"] = Field(default="text", description="Log lines for people, or for programs.")
    access_log: bool = Field(default=False, description="A log line for each request, with its route, not its path.")

    @field_validator("api_url", "public_url")
    @classmethod
    def _api_http(cls, value: str | None) -> str | None:
        if value is not None:
            check_http_url(value)
        return value

    @property
    def loopback_names(self) -> tuple[str, ...]:
        """Names under which this machine finds itself."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return ("localhost", "127.0.0.1", "[::1]", own.lower())

    @property
    def opens_to_network(self) -> bool:
        """Whether the doors listen beyond this machine."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True
