"""The service over HTTP, typed: for the GUI, the command line and other programs; imports httpx and the core's values."""

from entrypoints.client.errors import (
    ApiError,
    ClientError,
    NotTheService,
    Problem,
    ServiceUnreachable,
    without_credentials,
)
from entrypoints.client.reading import TITLES
from entrypoints.client.sync import DEFAULT_URL, ImagingClient
from entrypoints.client.values import (
    BackendInfo,
    Backends,
    Failure,
    JobInfo,
    JobsPage,
    Parked,
    Picture,
    PictureInfo,
    Submitted,
)

__all__ = [
    "DEFAULT_URL",
    "TITLES",
    "ApiError",
    "BackendInfo",
    "Backends",
    "ClientError",
    "Failure",
    "ImagingClient",
    "JobInfo",
    "JobsPage",
    "NotTheService",
    "Parked",
    "Picture",
    "PictureInfo",
    "Problem",
    "ServiceUnreachable",
    "Submitted",
    "without_credentials",
]
