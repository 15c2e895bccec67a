"""The shapes of batches and estimates, as OpenAPI shows them; imports pydantic and the shapes of jobs."""

from typing import Any, Literal

from pydantic import Field

from entrypoints.api.job_shapes import EXAMPLE_REQUEST, Accepted, Request
from entrypoints.api.shapes import Shape, example

#: Jobs in one batch.
MOST_REQUESTS = 100

_ID = "5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e"


class Batch(Shape):
    """Body of POST /images/batch."""

    model_config = example(
        shared={"prompt": "a lighthouse at dusk", "aspect_ratio": "16:9"},
        requests=[{"seed": 1}, {"seed": 2}, {"prompt": "a lighthouse at dawn"}],
    )

    shared: dict[str, Any] | None = Field(
        default=None,
        description="Fields of POST /images that count for every request which does not say otherwise; keep_days, "
        "priority, webhook and webhook_events may stand only here.",
    )
    requests: list[dict[str, Any]] = Field(
        min_length=1, max_length=MOST_REQUESTS, description="One entry per job, each with fields of POST /images."
    )


class BatchAccepted(Shape):
    """One job per request, in the order of the requests."""

    model_config = example(jobs=[{"image_id": _ID, "status": "queued", "backend": "stability"}])

    jobs: list[Accepted]


class Obstacle(Shape):
    """One thing that speaks against it now."""

    code: Literal["backend_unreachable", "backend_closed", "queue_full", "credit_limit", "storage_full", "unavailable"]
    message: str
    refuses: bool


class Estimate(Shape):
    """What would come of a submit."""

    model_config = example(
        backend="stability",
        route=None,
        credits=3.0,
        paid=True,
        calls=1,
        count=1,
        accepted=True,
        startable=True,
        queue_position=1,
        eta_s=8.1,
        obstacles=[],
        request=EXAMPLE_REQUEST,
    )

    backend: str
    route: str | None
    credits: float
    paid: bool
    calls: int
    count: int
    accepted: bool
    startable: bool
    queue_position: int
    eta_s: float | None
    obstacles: list[Obstacle]
    request: Request
