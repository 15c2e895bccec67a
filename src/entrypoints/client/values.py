"""What the service answers, as values; imports attrs and the core's values, so that a form can be checked and priced like there."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.images import ImageRequest, OptionValue
from imaging_core.jobs import JobStatus

#: How urgent a job is; high needs an admin's key.
Priority = Literal["low", "normal", "high"]


@attrs.frozen(kw_only=True)
class Submitted:
    """An accepted request."""

    image_id: str
    status: JobStatus
    #: Which backend makes it; the demo stands in for a missing Stability key.
    backend: str


@attrs.frozen(kw_only=True)
class PictureInfo:
    """One picture of a finished job."""

    index: int
    media_type: str
    #: Length of the file in bytes.
    size: int
    #: Size in px.
    width: int
    height: int
    seed: int


@attrs.frozen(kw_only=True)
class Provenance:
    """What a picture's file says of how it was made; anybody may have written it."""

    #: The text that AUTOMATIC1111's WebUI and others write.
    parameters: str | None
    #: By this service's names, ready to be asked for again; None when the file does not say.
    settings: Mapping[str, OptionValue] | None
    #: What this service wrote.
    record: Mapping[str, Any] | None
    media_type: str
    #: Size in px.
    width: int
    height: int


@attrs.frozen(kw_only=True)
class Failure:
    """What went wrong in one attempt."""

    #: Stable, for programs.
    code: str
    #: Sentences for people: what happened, and what to do about it.
    reason: str
    advice: str
    #: yes, no or unknown.
    charged: str
    retryable: bool
    attempt: int


@attrs.frozen(kw_only=True)
class Parked:
    """Why a started job waits, and until when."""

    #: retry, throttled, drain, stranded or moved.
    reason: str
    until: datetime
    message: str


@attrs.frozen(kw_only=True)
class Paused:
    """That an operator keeps a backend from beginning jobs."""

    since: datetime
    #: What the operator says; may be empty.
    reason: str


@attrs.frozen(kw_only=True)
class Moved:
    """That a job went to another backend, since the one it left could not go on with it."""

    left: str
    backend: str
    #: A sentence for a person.
    reason: str
    at: datetime


@attrs.frozen(kw_only=True)
class JobInfo:
    """A job, as far as the answer told: a listing leaves out what only the running backend knows."""

    image_id: str
    status: JobStatus
    backend: str
    attempt: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: 1 for the job that is next; None unless queued.
    queue_position: int | None = None
    #: 0..1 over all pictures.
    progress: float | None = None
    step: int | None = None
    steps: int | None = None
    images_done: int | None = None
    #: Seconds to the end.
    eta_s: float | None = None
    #: There is a live preview now.
    has_preview: bool = False
    seed: int | None = None
    #: What it cost so far, in credits.
    cost_credits: float = 0.0
    #: Pictures asked for.
    count: int = 1
    #: How often its worker was lost; told by `job` only.
    crashes: int = 0
    images: tuple[PictureInfo, ...] = ()
    cancel_requested: bool = False
    #: Somebody marked it.
    favourite: bool = False
    #: Why it is at its backend; None when that was named.
    route: str | None = None
    #: To which other backends it went, in order.
    moves: tuple[Moved, ...] = ()
    retry_of: str | None = None
    parked: Parked | None = None
    #: The id of the key that asked for it, where the answer told.
    owner: str | None = None
    #: While it waits at a backend that an operator has stopped.
    paused: Paused | None = None
    failure: Failure | None = None
    previous_failures: tuple[Failure, ...] = ()
    #: What was asked for; a plain status does not tell.
    request: ImageRequest | None = None

    @property
    def took(self) -> timedelta | None:
        """From the first start to the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


@attrs.frozen(kw_only=True)
class Seen:
    """One thing that a watch has seen."""

    #: What happened: snapshot, started, progress, finished and so on; status where the service has no stream.
    kind: str
    #: The job as it stands.
    job: JobInfo


@attrs.frozen(kw_only=True)
class Obstacle:
    """One thing that speaks against a request now."""

    code: str
    message: str
    #: Whether it would be refused; otherwise it waits.
    refuses: bool


@attrs.frozen(kw_only=True)
class Estimate:
    """What would come of a submit."""

    backend: str
    #: List price of the whole, in provider credits; `paid` is whether those cost money.
    credits: float
    paid: bool
    #: Backend calls, and pictures.
    calls: int
    count: int
    #: Whether it would be taken now, and whether the backend would begin it as soon as it is its turn.
    accepted: bool
    startable: bool
    #: 1 for the job that would be next.
    queue_position: int
    #: Seconds to its end, None where nobody can tell.
    eta_s: float | None
    obstacles: tuple[Obstacle, ...]
    #: The request with the backend's defaults.
    request: ImageRequest
    #: Why the service would send it there; None when the backend was named.
    route: str | None = None


@attrs.frozen(kw_only=True)
class JobsPage:
    """Part of a listing, newest first."""

    jobs: tuple[JobInfo, ...]
    #: Where the next page begins; None at the end.
    next_cursor: str | None


@attrs.frozen(kw_only=True)
class Picture:
    """A picture's file."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    media_type: str

    @property
    def extension(self) -> str:
        """For a file name: png, jpg or webp."""
        kind = self.media_type.partition("/")[2]
        return "jpg" if kind == "jpeg" else kind


@attrs.frozen(kw_only=True)
class BackendInfo:
    """A backend: what it can do, whether it answers, how busy it is."""

    name: str
    title: str
    configured: bool
    answers: bool
    #: What it says of itself, why it does not answer, or which setting is missing.
    message: str
    #: None while nobody knows.
    capabilities: Capabilities | None = None
    #: Jobs that wait, and jobs under way.
    waiting: int = 0
    started: int = 0
    #: Mean seconds of a recent job, None while there was none.
    mean_run_s: float | None = None
    #: While an operator keeps it from beginning jobs.
    paused: Paused | None = None


@attrs.frozen(kw_only=True)
class Backends:
    """All backends."""

    #: Where a submit without a backend goes.
    default: str | None
    backends: tuple[BackendInfo, ...]

    def named(self) -> Mapping[str, BackendInfo]:
        """By name."""
        return {backend.name: backend for backend in self.backends}
