"""A job that waits or runs: where it stands, what can be seen, how to stop it; imports Streamlit and the client."""

from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import ApiError, JobInfo, JobsPage
from entrypoints.gui import remote
from entrypoints.gui.components import actions, canvas
from entrypoints.gui.standing import silent, standing, trouble
from entrypoints.gui.words import STATUS_LOOK, plain
from imaging_core.jobs import JobStatus


def live_card(job: JobInfo, title: str, *, place: str = "feed") -> None:
    """The card of an open job; `title` names its backend, `place` tells it from another card of the same job."""
    with st.container(border=True, key=f"live-{place}-{job.image_id}"):
        if job.status is JobStatus.QUEUED:
            _facts(job, title, place)
            return
        left, right = st.columns([2, 3])
        with left:
            canvas.preview(job, remote.client().preview(job.image_id) if job.has_preview else None)
        with right:
            _facts(job, title, place)


def _facts(job: JobInfo, title: str, place: str) -> None:
    _head(job, title, place)
    canvas.prompt_line(job)
    told, running = plain(standing(job, datetime.now(UTC))), job.status is JobStatus.STARTED
    if running and not silent(job):
        st.progress(min(max(job.progress or 0.0, 0.0), 1.0), text=told)
    else:
        st.caption(told)
    if running and silent(job):
        st.html('<div class="busy" role="progressbar" aria-label="Under way"></div>')
    if why := trouble(job):
        st.caption(f":orange[:material/info:] {plain(why)}")


def _head(job: JobInfo, title: str, place: str) -> None:
    colour, icon = STATUS_LOOK[job.status]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
            st.badge(str(job.status), icon=icon, color=colour)  # type: ignore[arg-type]
            st.badge(title, color="gray")
        st.button(
            "Cancel",
            key=f"cancel-{place}-{job.image_id}",
            icon=":material/close:",
            type="tertiary",
            disabled=job.cancel_requested,
            on_click=actions.cancel,
            args=(job.image_id,),
        )


def live_jobs(found: JobsPage, titles: dict[str, str], *, most: int) -> None:
    """The cards of open jobs: those under way first, then in the order of the queue; more than `most` in a line.

    Of more than fit a page those queued last are known, and stand in for the first in line.
    """
    in_line = found.jobs if found.next_cursor else tuple(reversed(found.jobs))
    ordered = sorted(in_line, key=lambda job: job.status is not JobStatus.STARTED)
    for job in ordered[:most]:
        try:
            seen = remote.client().job(job.image_id)
        except ApiError as error:
            if error.status not in (404, 410):
                raise
            continue
        if not seen.status.terminal:
            live_card(seen, titles.get(seen.backend, seen.backend))
    if len(ordered) > most:
        others = len(ordered) - most
        told = "one more job" if others == 1 else f"{others} more jobs"
        st.caption(f"And {'at least ' if found.next_cursor else ''}{told} in line. Queue has them all.")
