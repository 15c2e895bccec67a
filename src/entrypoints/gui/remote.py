"""What the pages read from the service, each thing kept for as long as it stays true; imports Streamlit and the client.

What is kept is kept for one key only: every cache goes by `Asking.whose`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, Literal, Unpack

import streamlit as st

from entrypoints.client import (
    ApiError,
    Backends,
    Estimate,
    Filters,
    ImagingClient,
    JobInfo,
    JobsPage,
    Minute,
    Picture,
    WorkerInfo,
)
from entrypoints.gui import line_front, visitor
from entrypoints.gui.visitor import Asking
from imaging_core.images import OptionValue
from imaging_core.jobs import OPEN, JobStatus

#: Longest wait for an answer, in s: a page that hangs longer looks broken.
PATIENCE_S = 12.0

#: Most clients that are kept, each with the connections of one key.
_MOST_CLIENTS = 256

#: Thumbnails that are fetched at a time.
_AT_ONCE = 8


#: Most jobs of a line that the queue shows, the page size in which they are read with their places, and how many of the
#: first in line are enough.
MOST_QUEUED, _PLACED, _ENOUGH = 200, 50, 20

#: By what every cache goes: never by a key itself.
_BY: dict[str | type[Any], Callable[[Any], Any]] = {Asking: lambda asking: asking.whose}


def client_with(key: str | None) -> ImagingClient:
    """A client of one's own that asks with that key."""
    return ImagingClient(visitor.address(), api_key=key, timeout_s=PATIENCE_S, retry_for_s=0)


@st.cache_resource(show_spinner=False, max_entries=_MOST_CLIENTS, on_release=ImagingClient.close, hash_funcs=_BY)
def _client(asking: Asking) -> ImagingClient:
    return ImagingClient(asking.url, api_key=asking.key, timeout_s=PATIENCE_S, retry_for_s=0)


def client() -> ImagingClient:
    """The connection that asks with this visitor's key."""
    return _client(visitor.asking())


@st.cache_data(ttl=5, refresh_mode="background", show_spinner=False, hash_funcs=_BY)
def _backends(asking: Asking) -> Backends:
    return _client(asking).backends()


def backends() -> Backends:
    """Every backend, at most some seconds old."""
    return _backends(visitor.asking())


@st.cache_data(max_size="128MB", show_spinner=False, hash_funcs=_BY)
def _picture(asking: Asking, image_id: str, index: int) -> Picture:
    return _client(asking).image(image_id, index)


def picture(image_id: str, index: int) -> Picture:
    """A finished job's picture as it was stored; it never changes."""
    return _picture(visitor.asking(), image_id, index)


@st.cache_data(max_size="64MB", show_spinner=False, hash_funcs=_BY)
def _thumbnail(asking: Asking, image_id: str, index: int, side: int) -> bytes:
    return _client(asking).thumbnail(image_id, index, size=side).data


def thumbnail(image_id: str, index: int, side: int = 512) -> bytes:
    """A picture for a grid, its longer side at most `side` px (1024 at most)."""
    return _thumbnail(visitor.asking(), image_id, index, side)


@st.cache_data(max_size="64MB", show_spinner=False, hash_funcs=_BY)
def _input_picture(asking: Asking, image_id: str, name: Literal["image", "mask"], side: int | None) -> Picture:
    return _client(asking).input_image(image_id, name, size=side)


def input_picture(image_id: str, name: Literal["image", "mask"], side: int | None = None) -> Picture:
    """What an edit began with, or its mask; with `side` a copy whose longer side is at most that many px."""
    return _input_picture(visitor.asking(), image_id, name, side)


@st.cache_data(ttl=4, max_entries=64, show_spinner=False, hash_funcs=_BY)
def _estimate(
    asking: Asking, backend: str, prompt: str, settings: tuple[tuple[str, OptionValue | None], ...]
) -> Estimate:
    told: dict[str, Any] = dict(settings)
    return _client(asking).estimate(prompt, backend=backend, **told)


def estimate(backend: str, prompt: str, settings: tuple[tuple[str, OptionValue | None], ...]) -> Estimate:
    """What a submit would come to, as it was some seconds ago at most."""
    return _estimate(visitor.asking(), backend, prompt, settings)


def thumbnails(wanted: Sequence[tuple[str, int]], side: int = 512) -> dict[tuple[str, int], bytes | ApiError]:
    """Pictures for a grid, by job and index, fetched side by side; the service's answer in place of one that is not there."""
    asking = visitor.asking()

    def fetch(one: tuple[str, int]) -> bytes | ApiError:
        try:
            return _thumbnail(asking, *one, side)
        except ApiError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(fetch, wanted), strict=True))


def reading() -> Callable[[str, int, str | None], Picture]:
    """What reads this visitor's pictures, as they are or in another format, also where there is no session: in a thread."""
    asked = client()
    return lambda image_id, index, file_format: asked.image(image_id, index, file_format=file_format)


def open_jobs() -> JobsPage:
    """Jobs that wait or run, newest first; of more than fit a page those queued last, and before them those that run."""
    found = client().jobs(status=OPEN, limit=_PLACED)
    if found.next_cursor is None:
        return found
    running = client().jobs(status=JobStatus.STARTED, limit=_PLACED).jobs
    waiting = [job for job in found.jobs if job.status is JobStatus.QUEUED]
    return JobsPage(jobs=(*running, *waiting), next_cursor=found.next_cursor)


def ended_jobs(*, limit: int, pictures: bool = False) -> JobsPage:
    """Jobs that are over, newest first; with `pictures` those that have some."""
    wanted = JobStatus.FINISHED if pictures else [status for status in JobStatus if status.terminal]
    return client().jobs(status=wanted, limit=limit)


def job(image_id: str) -> JobInfo:
    """Everything about a job."""
    return client().job(image_id)


#: In the session: by backend, the moment before which the first of its line were queued.
_FRONTS = "queue.fronts"


def queue() -> tuple[tuple[JobInfo, ...], bool]:
    """Open jobs with their places in line, and whether there are more; then what runs, and of each line those queued first."""
    infos = [info for info in backends().backends if info.waiting + info.started]
    if sum(info.waiting + info.started for info in infos) <= MOST_QUEUED:
        found, more = _placed(status=OPEN)
        if not more:
            return found, False
    fronts: dict[str, datetime | None] = st.session_state.setdefault(_FRONTS, {})
    lines: list[JobInfo] = []
    for name in (info.name for info in infos):
        queued: Filters = {"status": JobStatus.QUEUED, "backend": name}
        fronts[name] = line_front.front(partial(_before, queued), fronts.get(name), enough=_ENOUGH).before
        lines += client().jobs(status=JobStatus.STARTED, backend=name, limit=_PLACED).jobs
        lines += _placed(**queued | {"created_before": fronts[name]})[0]
    return tuple(lines), any(fronts.values())


def _before(about: Filters, moment: datetime | None) -> JobsPage:
    return client().jobs(limit=MOST_QUEUED, **about | {"created_before": moment})


def _placed(**about: Unpack[Filters]) -> tuple[tuple[JobInfo, ...], bool]:
    """Jobs with their places in line, newest first, and whether there are more than were read."""
    found: tuple[JobInfo, ...] = ()
    cursor = None
    while len(found) < MOST_QUEUED:
        page = client().jobs(cursor=cursor, limit=_PLACED, **about | {"positions": True})
        found, cursor = found + page.jobs, page.next_cursor
        if cursor is None:
            break
    return found, cursor is not None


@st.cache_data(ttl=3, show_spinner=False, hash_funcs=_BY)
def _workers(asking: Asking) -> tuple[WorkerInfo, ...] | None:
    try:
        return _client(asking).workers()
    except ApiError as error:
        if error.status == 403:
            return None
        raise


def workers() -> tuple[WorkerInfo, ...] | None:
    """The workers that are alive; None for a visitor who may not run the service."""
    return _workers(visitor.asking())


@st.cache_data(ttl=30, show_spinner=False, hash_funcs=_BY)
def _key_names(asking: Asking) -> dict[str, str]:
    try:
        keys = _client(asking).keys()
    except ApiError as error:
        # Another's names are nobody's business, and a service without a keyring has none.
        if error.status in (403, 404):
            return {}
        raise
    return {key.id: key.name for key in keys}


def key_names() -> dict[str, str]:
    """What people call the keys, by id; none for a visitor who may not know."""
    return _key_names(visitor.asking())


@st.cache_data(ttl=15, show_spinner=False, hash_funcs=_BY)
def _history(asking: Asking, backend: str, minutes: int) -> tuple[Minute, ...]:
    return _client(asking).history(backend, minutes=minutes)


def history(backend: str, minutes: int = 60) -> tuple[Minute, ...]:
    """How busy a backend was, oldest minute first."""
    return _history(visitor.asking(), backend, minutes)


def look_again() -> None:
    """Forget what is known of the backends: this visitor has just changed it."""
    _backends.clear(visitor.asking())
