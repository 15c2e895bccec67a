"""Which HTTP proxy the environment, or the system, names for an address; imports httpcore and this folder."""

import urllib.request
from urllib.parse import unquote_to_bytes, urlsplit

import httpcore

from adapters.stability.settings import PORTS, ascii_host


def proxy_for(scheme: str, host: str, port: int) -> httpcore.Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name, unless NO_PROXY spares the address.

    Raises httpcore.ProxyError for one that cannot be used, without repeating it, since it may hold a password.
    """
    known = urllib.request.getproxies()
    told = known.get(scheme) or known.get("all")
    if not told or _is_spared(known.get("no"), scheme, host, port):
        return None
    proxy = _read(told)
    if proxy is None:
        raise httpcore.ProxyError("a proxy must look like http://host:port")
    return proxy


def _is_spared(no_proxy: str | None, scheme: str, host: str, port: int) -> bool:
    if no_proxy is None:
        return bool(urllib.request.proxy_bypass(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
    return any(_names(entry.strip().lower(), scheme, host, port) for entry in no_proxy.split(","))


def _names(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry means an address: "*", or a host or domain, which may have a scheme and a port."""
    before, there, after = entry.partition("://")
    if there and before not in (scheme, "all"):
        return False
    told = (after if there else before).rstrip("/")
    if told == "*":
        return True
    try:
        # An IPv6 address may come without its brackets, and then has no port.
        parts = urlsplit(f"//[{told}]" if told.count(":") > 1 and not told.startswith("[") else f"//{told}")
        domain, only = (parts.hostname or "").lstrip("*."), parts.port
    except ValueError:
        return False
    return bool(domain) and only in (None, port) and (host == domain or host.endswith(f".{domain}"))


def _read(told: str) -> httpcore.Proxy | None:
    try:
        parts = urlsplit(told if "://" in told else f"http://{told}")
        if parts.scheme not in PORTS or not parts.hostname:
            return None
        host, port = ascii_host(parts.hostname), parts.port or PORTS[parts.scheme]
    except ValueError:
        return None
    address = httpcore.URL(scheme=parts.scheme.encode(), host=host, port=port, target=b"/")
    auth = (unquote_to_bytes(parts.username), unquote_to_bytes(parts.password or "")) if parts.username else None
    return httpcore.Proxy(address, auth=auth)
