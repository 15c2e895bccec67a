"""What a person sees of a job and of a backend; imports stdlib, attrs and this package's values."""

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.events import JobProgress
from imaging_core.jobs import Job
from imaging_core.pool import InstanceLook
from imaging_core.ports import GateState, Pause, QueueState


@attrs.frozen(kw_only=True)
class JobView:
    """A job as a person sees it."""

    job: Job
    #: 1 for the job that is next; None unless it is queued.
    position: int | None = None
    #: Of a started job; None while nothing is known.
    progress: JobProgress | None = None
    #: Seconds to the end, where one can tell.
    eta_s: float | None = None
    #: While it waits at a backend that an operator has stopped.
    paused: Pause | None = None


@attrs.frozen(kw_only=True)
class BackendView:
    """A backend as a person sees it."""

    name: str
    #: None when it must be asked and does not answer.
    capabilities: Capabilities | None
    #: Whether it answers now.
    answers: bool
    #: What it says of itself, or why it does not answer.
    message: str
    gate: GateState
    queue: QueueState
    #: The instances behind it, where it is several.
    instances: tuple[InstanceLook, ...] = ()
