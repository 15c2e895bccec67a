"""The service over HTTP, typed: for the GUI, the command line and other programs; imports httpx and the core's values."""

from entrypoints.client.asynchronous import AsyncImagingClient
from entrypoints.client.errors import (
    ApiError,
    ClientError,
    NotTheService,
    Problem,
    ServiceUnreachable,
    without_credentials,
)
from entrypoints.client.filters import Filters
from entrypoints.client.operating_calls import BackendStanding, CancelledJobs, Minute, WorkerInfo
from entrypoints.client.reading import TITLES
from entrypoints.client.sync import ImagingClient
from entrypoints.client.values import (
    BackendInfo,
    Backends,
    Estimate,
    Failure,
    JobInfo,
    JobsPage,
    Moved,
    Obstacle,
    Parked,
    Paused,
    Picture,
    PictureInfo,
    Priority,
    Provenance,
    Seen,
    Submitted,
)
from entrypoints.client.wire import DEFAULT_URL

__all__ = [
    "DEFAULT_URL",
    "TITLES",
    "ApiError",
    "AsyncImagingClient",
    "BackendInfo",
    "BackendStanding",
    "Backends",
    "CancelledJobs",
    "ClientError",
    "Estimate",
    "Failure",
    "Filters",
    "ImagingClient",
    "JobInfo",
    "JobsPage",
    "Minute",
    "Moved",
    "NotTheService",
    "Obstacle",
    "Parked",
    "Paused",
    "Picture",
    "PictureInfo",
    "Priority",
    "Problem",
    "Provenance",
    "Seen",
    "ServiceUnreachable",
    "Submitted",
    "WorkerInfo",
    "without_credentials",
]
