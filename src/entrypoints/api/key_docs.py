"""What the API's description says about keys; imports this package's list of paths that need none."""

from typing import Any

from entrypoints.api.gatekeeper import HEALTH

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `imaging keys create` shows it once."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
_MEANINGS = {
    "401": "A key is needed, and none or a wrong one came.",
    "403": "The key lacks a scope, or a page from elsewhere asked without one.",
    "421": "The service is not known under that name.",
    "429": "Too many requests, wrong keys or waiting jobs, or the day's credits are used up.",
}
_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def describe_keys(spec: dict[str, Any]) -> None:
    """Say where keys go, and what a request without a good one is answered."""
    spec["components"]["securitySchemes"] = _SCHEMES
    # The empty one: while the service has no keys, none is needed.
    spec["security"] = [{"bearer": []}, {"apiKey": []}, {}]
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            if path in HEALTH:
                operation["security"] = []
                continue
            for status, meaning in _MEANINGS.items():
                operation["responses"].setdefault(status, {"description": meaning, "content": _CONTENT})
