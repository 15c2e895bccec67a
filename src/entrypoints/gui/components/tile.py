"""One ended job in a grid: a thumbnail that opens it, or picks it; imports Streamlit and the client."""

import html
from collections.abc import Sequence

import streamlit as st

from entrypoints.client import ApiError, JobInfo
from entrypoints.gui import clock, remote
from entrypoints.gui.components import actions, canvas, selection
from entrypoints.gui.words import ago, plain, shortened


def grid(jobs: Sequence[JobInfo], place: str, *, picking: bool = False) -> None:
    """As many columns as there is room for."""
    pictures = remote.thumbnails([(job.image_id, 0) for job in jobs if job.images])
    cells = st.grid(min_column_width=150, gap="small")
    for job in jobs:
        with cells.cell():
            tile(job, place, pictures.get((job.image_id, 0)), picking=picking)


def tile(job: JobInfo, place: str, picture: bytes | ApiError | None, *, picking: bool) -> None:
    """The job's first picture, its prompt on one line, and a button or a box over all of it."""
    prompt = shortened(job.request.prompt, 60) if job.request else job.image_id
    with st.container(key=f"tile-{place}-{job.image_id}", gap=None):
        if isinstance(picture, bytes):
            st.image(picture, width="stretch", alt=canvas.alt_of(job))
        elif picture is not None:
            canvas.missing(picture)
        else:
            why = f"<small>{html.escape(shortened(job.failure.reason, 70))}</small>" if job.failure else ""
            st.html(f'<div class="canvas nothing">{job.status}{why}</div>')
        _lines(job, prompt)
        if picking:
            selection.box(job, prompt)
        else:
            st.button(
                plain(f"Open {job.status}: {prompt}"),
                key=f"open-{place}-{job.image_id}",
                on_click=actions.open_job,
                args=(job.image_id,),
            )


def _lines(job: JobInfo, prompt: str) -> None:
    many = f" · {len(job.images)} pictures" if len(job.images) > 1 else ""
    when = ago(job.finished_at or job.created_at, clock.now())
    star = '<span class="star" role="img" aria-label="Favourite">★</span> ' if job.favourite else ""
    st.html(
        f'<p class="tile-line">{star}{html.escape(prompt)}</p><p class="tile-line quiet">{html.escape(when + many)}</p>'
    )
