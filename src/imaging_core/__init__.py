"""Asynchronous image generation as a library: jobs, leases, ports and in-memory adapters, on attrs alone.

    from imaging_core import ImageRequest, open_imaging

Start with `open_imaging`; write a generator after `ports.ImageGenerator`; every error is an `ImagingError`.
"""

from imaging_core.capabilities import Capabilities
from imaging_core.embedded import open_imaging
from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRejected,
    GenerationError,
    ImagingError,
    InvalidRequest,
)
from imaging_core.events import JobEvent, JobProgress, Preview
from imaging_core.images import Generated, GeneratedImage, ImageRef, ImageRequest, InputImage, Operation
from imaging_core.jobs import Job, JobFailure, JobStatus
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.policies import GateLimits, InDoubt, RetryPolicy, RunLimits
from imaging_core.ports import CallProgress, GenerationCall, ImageGenerator, JobQuery, Report
from imaging_core.service import ImagingService, JobView

__all__ = [
    "AnswerLost",
    "BackendThrottled",
    "BackendUnreachable",
    "BadAnswer",
    "CallFailed",
    "CallProgress",
    "CallRejected",
    "Capabilities",
    "GateLimits",
    "Generated",
    "GeneratedImage",
    "GenerationCall",
    "GenerationError",
    "ImageGenerator",
    "ImageRef",
    "ImageRequest",
    "ImagingError",
    "ImagingService",
    "InDoubt",
    "InputImage",
    "InvalidRequest",
    "Job",
    "JobEvent",
    "JobFailure",
    "JobProgress",
    "JobQuery",
    "JobStatus",
    "JobView",
    "Operation",
    "Parameter",
    "ParameterKind",
    "Preview",
    "Report",
    "RetryPolicy",
    "RunLimits",
    "open_imaging",
]
