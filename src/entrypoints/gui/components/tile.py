"""One ended job in a grid: a thumbnail that opens it; imports Streamlit and the client."""

import html
from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import ApiError, JobInfo
from entrypoints.gui import remote
from entrypoints.gui.components import actions, canvas
from entrypoints.gui.words import ago, plain, shortened


def grid(jobs: tuple[JobInfo, ...], place: str) -> None:
    """As many columns as there is room for."""
    cells = st.grid(min_column_width=150, gap="small")
    for job in jobs:
        with cells.cell():
            tile(job, place)


def tile(job: JobInfo, place: str) -> None:
    """The job's first picture, its prompt on one line, and a button over all of it."""
    prompt = shortened(job.request.prompt, 60) if job.request else job.image_id
    with st.container(key=f"tile-{place}-{job.image_id}", gap=None):
        if job.images:
            _thumbnail(job)
        else:
            icon = "block" if job.failure is None else "error"
            st.html(f'<div class="canvas nothing" data-kind="{icon}">{job.status}</div>')
        many = f" · {len(job.images)} pictures" if len(job.images) > 1 else ""
        when = ago(job.finished_at or job.created_at, datetime.now(UTC).astimezone())
        st.html(
            f'<p class="tile-line">{html.escape(prompt)}</p><p class="tile-line quiet">{html.escape(when + many)}</p>'
        )
        st.button(
            plain(f"Open {job.status}: {prompt}"),
            key=f"open-{place}-{job.image_id}",
            on_click=actions.open_job,
            args=(job.image_id,),
        )


def _thumbnail(job: JobInfo) -> None:
    try:
        data = remote.thumbnail(job.image_id, 0)
    except ApiError as error:
        canvas.missing(error)
        return
    st.image(data, width="stretch", alt=canvas.alt_of(job))
