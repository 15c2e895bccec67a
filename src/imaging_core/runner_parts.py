"""What a runner works with, and so each of its attempts; imports stdlib, attrs and this package."""

from collections.abc import Callable

import attrs

from imaging_core.call_times import CallTimes
from imaging_core.images import Generated
from imaging_core.jobs import Job
from imaging_core.policies import RetryPolicy, RunLimits
from imaging_core.ports import BackendGate, Generators, ImageStore, JobEvents, JobRepository

#: Puts into a call's pictures how they were made: given the job and where in it the first of them is.
Mark = Callable[[Job, int, Generated], Generated]


@attrs.frozen(kw_only=True)
class RunnerParts:
    """Everything a runner works with."""

    jobs: JobRepository
    store: ImageStore
    gate: BackendGate
    events: JobEvents
    generators: Generators
    #: Names this worker on leases and in logs.
    worker: str
    limits: RunLimits = attrs.field(factory=RunLimits)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    #: How long calls take here.
    call_times: CallTimes = attrs.field(factory=CallTimes)
    #: None to store pictures as the backend gave them.
    mark: Mark | None = None
