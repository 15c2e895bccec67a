"""What the pages read from the service, each thing kept for as long as it stays true; imports Streamlit and the client."""

import os
from collections.abc import Collection

import streamlit as st

from entrypoints.client import DEFAULT_URL, Backends, ImagingClient, JobInfo, JobsPage, Picture
from imaging_core.jobs import JobStatus

#: Statuses of jobs that are not over.
OPEN = (JobStatus.QUEUED, JobStatus.STARTED)

#: Longest wait for an answer, in s: a page that hangs longer looks broken.
PATIENCE_S = 12.0


def address() -> str:
    """Where the API is."""
    return os.environ.get("IMAGING_API_URL") or DEFAULT_URL


@st.cache_resource(show_spinner=False)
def _client(url: str) -> ImagingClient:
    return ImagingClient(url, api_key=os.environ.get("IMAGING_API_KEY"), timeout_s=PATIENCE_S, retry_for_s=0)


def client() -> ImagingClient:
    """The connection that all sessions share."""
    return _client(address())


@st.cache_data(ttl=5, refresh_mode="background", show_spinner=False)
def _backends(url: str) -> Backends:
    return _client(url).backends()


def backends() -> Backends:
    """Every backend, at most some seconds old."""
    return _backends(address())


@st.cache_data(max_size="128MB", show_spinner=False)
def _picture(url: str, image_id: str, index: int) -> Picture:
    return _client(url).image(image_id, index)


def picture(image_id: str, index: int) -> Picture:
    """A finished job's picture as it was stored; it never changes."""
    return _picture(address(), image_id, index)


@st.cache_data(max_size="64MB", show_spinner=False)
def _thumbnail(url: str, image_id: str, index: int, side: int) -> bytes:
    return _client(url).thumbnail(image_id, index, size=side).data


def thumbnail(image_id: str, index: int, side: int = 512) -> bytes:
    """A picture for a grid, its longer side at most `side` px (1024 at most)."""
    return _thumbnail(address(), image_id, index, side)


def open_jobs(limit: int = 50) -> JobsPage:
    """Jobs that wait or run, newest first."""
    return client().jobs(status=OPEN, limit=limit)


def ended_jobs(
    *, limit: int, cursor: str | None = None, status: Collection[JobStatus] = (), backend: str | None = None
) -> JobsPage:
    """Jobs that are over, newest first."""
    wanted = status or tuple(s for s in JobStatus if s.terminal)
    return client().jobs(status=wanted, limit=limit, cursor=cursor, backend=backend)


def job(image_id: str) -> JobInfo:
    """Everything about a job."""
    return client().job(image_id)
