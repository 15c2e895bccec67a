"""The shapes of answers about jobs, as OpenAPI shows them; imports pydantic and the core's words."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from entrypoints.api.priorities import Word
from entrypoints.api.shapes import Shape, example, sent
from imaging_core.errors import Charged, FailureCode
from imaging_core.images import Operation
from imaging_core.jobs import CallState, JobStatus, LeaseReason
from imaging_core.webhooks import WebhookEvent

_ID = "5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e"


class Accepted(Shape):
    """A job that will reach its end."""

    model_config = example(image_id=_ID, status="queued", backend="stability")

    image_id: str
    status: JobStatus
    backend: str


class Image(Shape):
    """A finished picture."""

    index: int
    url: str
    media_type: str
    size: int
    width: int
    height: int
    seed: int
    sha256: str


class Parked(Shape):
    """Why a started job waits, and until when."""

    reason: LeaseReason
    until: str
    message: str


class Moved(Shape):
    """That a job went to another backend, since the one it left could not go on with it."""

    left: str
    backend: str
    reason: str
    at: str


class Failure(Shape):
    """One thing that went wrong."""

    code: FailureCode
    reason: str
    advice: str
    charged: Charged
    retryable: bool
    attempt: int
    at: str


class Outcome(Shape):
    """What is known of a job from its record alone."""

    image_id: str
    status: JobStatus
    backend: str
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    seed: int | None
    cost_credits: float
    count: int
    image_count: int
    images: list[Image]
    cancel_requested: bool
    retry_of: str | None
    route: str | None
    moves: list[Moved]
    keep_days: float | None
    favourite: bool
    parked: Parked | None
    failure: Failure | None
    previous_failures: list[Failure]


_STATUS: dict[str, object] = {
    "image_id": _ID,
    "status": "started",
    "backend": "local",
    "attempt": 1,
    "queue_position": None,
    "progress": 0.42,
    "step": 12,
    "steps": 28,
    "images_done": 0,
    "eta_s": 3.2,
    "preview_url": f"/image/{_ID}/preview",
    "paused": None,
    "created_at": "2026-11-22T17:10:00.123Z",
    "started_at": "2026-11-22T17:10:00.140Z",
    "finished_at": None,
    "seed": 1234567,
    "cost_credits": 0.0,
    "count": 1,
    "image_count": 0,
    "images": [],
    "cancel_requested": False,
    "retry_of": None,
    "route": None,
    "moves": [],
    "keep_days": None,
    "favourite": False,
    "parked": None,
    "failure": None,
    "previous_failures": [],
}

EXAMPLE_REQUEST: dict[str, object] = {
    "prompt": "a lighthouse at dusk",
    "negative_prompt": "",
    "checkpoint": None,
    "sampler": "Euler a",
    "scheduler": None,
    "steps": 28,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "seed": 1234567,
    "count": 1,
    "batch_size": 1,
    "operation": "generate",
    "init_image": None,
    "mask": None,
    "strength": None,
    "options": {},
}

_VIEWED = ("progress", "step", "steps", "images_done", "eta_s", "preview_url", "paused")
_ENTRY = {
    **{name: value for name, value in _STATUS.items() if name not in _VIEWED},
    "owner": None,
    "request": EXAMPLE_REQUEST,
}


class PausedJob(Shape):
    """Why a waiting job is not begun: an operator stopped its backend."""

    since: str
    reason: str
    message: str


class Status(Outcome):
    """Where a job stands."""

    model_config = example(**_STATUS)

    queue_position: int | None
    progress: float | None
    step: int | None
    steps: int | None
    images_done: int
    eta_s: float | None
    preview_url: str | None
    paused: PausedJob | None


class InputImage(Shape):
    """A picture that a job began with."""

    media_type: str
    size: int
    sha256: str
    width: int
    height: int


class Request(Shape):
    """What was asked for."""

    prompt: str
    negative_prompt: str
    checkpoint: str | None
    sampler: str | None
    scheduler: str | None
    steps: int | None
    cfg_scale: float | None
    width: int | None
    height: int | None
    seed: int | None
    count: int
    batch_size: int
    operation: Operation
    init_image: InputImage | None
    mask: InputImage | None
    strength: float | None
    options: dict[str, Any]


class Entry(Outcome):
    """A job in a list."""

    queue_position: int | None
    owner: str | None
    request: Request


class JobList(Shape):
    """A page of jobs, newest first."""

    model_config = example(jobs=[_ENTRY], next_cursor=None)

    jobs: list[Entry]
    next_cursor: str | None


class CancelRequest(BaseModel):
    """Body of POST /jobs/cancel; an empty object means all of one's own open jobs."""

    model_config = sent(backend="local", status="queued")

    backend: str | None = Field(default=None, max_length=64, description="Only this backend's.")
    status: Literal["queued", "started"] | None = Field(default=None, description="Only these.")
    everybody: bool = Field(default=False, description="Those of all keys too; needs the scope admin.")


class CancelledJobs(Shape):
    """What became of them."""

    model_config = example(cancelled=12, asked=2, more=False)

    cancelled: int
    asked: int
    more: bool


class Call(Shape):
    """One try at one backend call."""

    index: int
    state: CallState
    attempt: int
    task_id: str
    cost_credits: float | None


class Hook(Shape):
    """Who is told of the job's end; the rest of the URL may be a secret."""

    origin: str
    events: list[WebhookEvent]


class Detail(Status):
    """Everything about a job."""

    model_config = example(
        **_STATUS,
        owner=None,
        request=EXAMPLE_REQUEST,
        calls=[],
        crashes=0,
        priority="normal",
        run_timeout_s=600.0,
        max_wait_s=None,
        webhook=None,
    )

    owner: str | None
    request: Request
    calls: list[Call]
    crashes: int
    priority: Word
    run_timeout_s: float
    max_wait_s: float | None
    webhook: Hook | None
