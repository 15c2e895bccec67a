"""Checks of addresses that several settings share; imports stdlib."""

from urllib.parse import urlsplit


def check_http_url(url: str) -> None:
    """Raises ValueError for what is no plain http or https address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://host[:port] or https://host[:port]")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password; use IMAGING_SDWEBUI_AUTH for the WebUI's")
