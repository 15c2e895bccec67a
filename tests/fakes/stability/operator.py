"""The operator's door of the fake (`/__...`): order faults, change settings, read the counts. The real API has none.

May import the standard library, attrs and Starlette.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
from starlette.requests import Request

from fakes.stability import pictures, wire
from fakes.stability.wire import Answer

if TYPE_CHECKING:
    from fakes.stability.app import FakeStability


async def answer(fake: FakeStability, request: Request) -> Answer:
    """Answer one request to the operator's door."""
    path = request.url.path
    if path == "/__control" and request.method == "POST":
        try:
            control(fake, json.loads(await request.body()))
        except (ValueError, TypeError) as error:
            return wire.as_json({"error": str(error)}, status=400, outcome="control_refused")
        return wire.as_json(state(fake), outcome="control")
    if path == "/__state":
        return wire.as_json(state(fake), outcome="state")
    if path == "/__charges":
        return wire.as_json(fake.ledger.by_prompt, outcome="charges")
    if path == "/__redirected":
        fake.redirects_followed += 1
        picture = pictures.template(width=64, height=64, kind="png").stamped("redirected")
        return wire.picture_as_bytes(picture, kind="png", seed=1, finish_reason="SUCCESS")
    return wire.as_json({"error": f"There is no {path}."}, status=404, outcome="not_found")


def control(fake: FakeStability, wish: dict[str, Any]) -> None:
    """Carry out `{clear?: true, faults?: [order...], <setting>: value...}`; raises ValueError for an unknown name."""
    if wish.pop("clear", False):
        fake.faults.clear()
    for order in wish.pop("faults", []):
        fake.faults.order(order)
    known = {field.name for field in attrs.fields(type(fake.settings))} - {"log"}
    for name, value in wish.items():
        if name not in known:
            raise ValueError(f"There is no setting named {name!r}. There are: {', '.join(sorted(known))}.")
        setattr(fake.settings, name, tuple(value) if name == "keys" else value)
    fake.limit.enabled = fake.settings.rate_limit
    fake.limit.requests = fake.settings.rate_requests
    fake.limit.period = fake.settings.rate_period
    fake.limit.lockout = fake.settings.rate_lockout


def state(fake: FakeStability) -> dict[str, Any]:
    """What runs now, and the counts: requests, concurrency, rate limit, redirects followed, charges, balance."""
    return {
        "requests": fake.requests,
        "running": list(fake.running.values()),
        "in_flight": len(fake.running),
        "max_in_flight": fake.max_in_flight,
        "lockouts": fake.limit.lockouts,
        "refused_by_limit": fake.limit.refused,
        "peak_per_period": fake.limit.peak,
        "redirects_followed": fake.redirects_followed,
        "charged_calls": fake.ledger.charged_calls,
        "charged_credits": fake.ledger.charged_credits,
        "balance": fake.settings.balance,
    }
