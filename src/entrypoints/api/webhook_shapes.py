"""The shapes of answers about webhooks, as OpenAPI shows them; imports pydantic and the core's words."""

from entrypoints.api.shapes import Shape, example
from imaging_core.deliveries import DeliveryState


class Attempt(Shape):
    """What came of sending a message once."""

    at: str
    status: int | None
    took_ms: int
    error: str | None


_DELIVERY: dict[str, object] = {
    "id": "msg_5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e",
    "type": "job.finished",
    "url": "https://hooks.example",
    "state": "delivered",
    "created_at": "2026-11-22T17:10:03.001Z",
    "next_attempt_at": None,
    "attempts": [{"at": "2026-11-22T17:10:03.120Z", "status": 204, "took_ms": 87, "error": None}],
}


class DeliveryAnswer(Shape):
    """One message to a webhook."""

    model_config = example(**_DELIVERY)

    id: str
    type: str
    url: str
    state: DeliveryState
    created_at: str
    next_attempt_at: str | None
    attempts: list[Attempt]


class Deliveries(Shape):
    """The messages about a job's end."""

    model_config = example(deliveries=[_DELIVERY])

    deliveries: list[DeliveryAnswer]


_SECRET: dict[str, object] = {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "previous_signs_until": None}


class SigningSecret(Shape):
    """What the caller's messages are signed with."""

    model_config = example(**_SECRET)

    secret: str
    previous_signs_until: str | None
