"""The shapes of answers about backends and health, as OpenAPI shows them; imports pydantic and the core's words."""

from typing import Any

from pydantic import BaseModel, Field

from entrypoints.api.shapes import Shape, example, sent
from imaging_core.images import Operation
from imaging_core.parameters import ParameterKind


class Parameter(Shape):
    """One setting a backend takes, with its limits."""

    name: str
    kind: ParameterKind
    required: bool
    default: Any
    minimum: float | None
    maximum: float | None
    multiple_of: int | None
    max_length: int | None
    choices: list[str]
    only_for: list[str]
    operations: list[Operation]
    min_pixels: int | None
    max_pixels: int | None
    max_ratio: float | None
    description: str


class Gate(Shape):
    """What a backend lets through now."""

    open: bool
    in_use: int
    slots: int
    closed_for_s: float
    reason: str | None


class Instance(Shape):
    """One of the machines behind a backend; each makes one call at a time."""

    name: str
    answers: bool
    message: str
    loaded: str | None
    checkpoints: list[str]
    busy: bool
    closed_for_s: float
    reason: str | None


class Queue(Shape):
    """How busy a backend is."""

    waiting: int
    started: int
    oldest_waiting_s: float
    mean_run_s: float | None


class Paused(Shape):
    """That an operator stopped a backend: it begins nothing until it is resumed."""

    since: str
    reason: str


class BackendStanding(Shape):
    """A backend after it was paused or resumed."""

    model_config = example(
        name="local",
        paused={"since": "2026-11-22T17:10:00.123Z", "reason": "New drivers, back at six."},
        queue={"waiting": 3, "started": 1, "oldest_waiting_s": 12.5, "mean_run_s": 4.2},
    )

    name: str
    paused: Paused | None
    queue: Queue


class Minute(Shape):
    """How busy a backend was in one minute."""

    at: str
    waiting: int
    started: int
    longest_wait_s: float


class History(Shape):
    """How busy a backend was, oldest minute first."""

    model_config = example(
        name="local",
        minutes=[{"at": "2026-11-22T17:10:00.000Z", "waiting": 12, "started": 1, "longest_wait_s": 41.2}],
    )

    name: str
    minutes: list[Minute]


class Worker(Shape):
    """A worker that is alive."""

    name: str
    slots: dict[str, int]
    busy: dict[str, int]
    version: str
    started_at: str
    seen_at: str


class Workers(Shape):
    """Every worker that is alive, by name."""

    model_config = example(
        workers=[
            {
                "name": "host-5f0c61d7a6c9",
                "slots": {"stability": 64, "local": 1},
                "busy": {"stability": 3, "local": 1},
                "version": "0.1.0",
                "started_at": "2026-11-22T17:10:00.123Z",
                "seen_at": "2026-11-22T18:02:00.456Z",
            }
        ]
    )

    workers: list[Worker]


class PauseRequest(BaseModel):
    """Body of POST /backends/{name}/pause; may be left out."""

    model_config = sent(reason="New drivers, back at six.")

    reason: str = Field(default="", max_length=300, description="Said to those whose jobs wait.")


class Backend(Shape):
    """A backend."""

    name: str
    title: str | None
    configured: bool
    answers: bool
    message: str
    paid: bool | None
    notice: str | None
    operations: list[Operation]
    images_per_call: int | None
    max_pixels: int | None
    credits: dict[str, float]
    parameters: list[Parameter]
    gate: Gate | None
    queue: Queue | None
    paused: Paused | None
    instances: list[Instance]


class Backends(Shape):
    """Every backend, and where POST /images goes."""

    model_config = example(
        default="stability",
        backends=[
            {
                "name": "local",
                "title": None,
                "configured": False,
                "answers": False,
                "message": "Set IMAGING_SDWEBUI_URLS to the address of a Stable Diffusion WebUI.",
                "paid": None,
                "notice": None,
                "operations": [],
                "images_per_call": None,
                "max_pixels": None,
                "credits": {},
                "parameters": [],
                "gate": None,
                "queue": None,
                "instances": [],
                "paused": None,
            }
        ],
    )

    default: str
    backends: list[Backend]


class Models(Shape):
    """Checkpoints of the WebUI."""

    model_config = example(models=["v1-5-pruned-emaonly"])

    models: list[str]


class Samplers(Shape):
    """Samplers of the WebUI."""

    model_config = example(samplers=["Euler a", "DPM++ 2M"])

    samplers: list[str]


class Schedulers(Shape):
    """Schedulers of the WebUI."""

    model_config = example(schedulers=["automatic", "karras"])

    schedulers: list[str]


class Alive(Shape):
    """The process answers."""

    model_config = example(status="alive")

    status: str


class CheckResult(Shape):
    """Whether one part answers, and if not, why."""

    ok: bool
    message: str | None


class Readiness(Shape):
    """Whether every part answers."""

    model_config = example(ready=True, checks={"repository": {"ok": True, "message": None}})

    ready: bool
    checks: dict[str, CheckResult]
