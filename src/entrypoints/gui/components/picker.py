"""Where there is no picture to edit yet: bring a file, or choose one that was made here; imports Streamlit, the client and this package."""

import html

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo, Provenance
from entrypoints.gui import remote
from entrypoints.gui import source as beginnings
from entrypoints.gui.components import canvas
from entrypoints.gui.words import plain, shortened

#: Pictures made here that are offered.
_MOST = 12

_SENT, _REFUSED = "edit.sent", "edit.refused"


def picker() -> None:
    """The two ways to a picture."""
    with st.container(border=True, key="picker"):
        st.html(
            '<div class="empty compact"><h2>Which picture?</h2>'
            "<p>Bring one, or go on with one that was made here.</p></div>"
        )
        st.file_uploader(
            "Picture to edit",
            type=["png", "jpg", "jpeg", "webp"],
            key=_SENT,
            on_change=_take_in,
            label_visibility="collapsed",
        )
        if refused := st.session_state.get(_REFUSED):
            st.html(f'<p class="problem" role="alert">{html.escape(refused)}</p>')
        _made_here()


def _take_in() -> None:
    sent = st.session_state.get(_SENT)
    st.session_state.pop(_REFUSED, None)
    if sent is None:
        return
    data = sent.getvalue()
    try:
        beginnings.bring(sent.name, data, _told_by(data))
    except ValueError as error:
        st.session_state[_REFUSED] = f"The picture {error}"


def _told_by(data: bytes) -> Provenance | None:
    try:
        return remote.client().read_picture(data)
    except ClientError:
        # Only a help: the picture can be edited whatever it says of itself.
        return None


def _made_here() -> None:
    jobs = [job for job in remote.ended_jobs(limit=_MOST, pictures=True).jobs if job.images]
    if not jobs:
        return
    st.markdown("##### Made here")
    cells = st.grid(min_column_width=110, gap="small")
    for job in jobs:
        with cells.cell(), st.container(key=f"tile-pick-{job.image_id}", gap=None):
            _tile(job)


def _tile(job: JobInfo) -> None:
    try:
        data = remote.thumbnail(job.image_id, 0)
    except ApiError as error:
        canvas.missing(error)
        return
    st.image(data, width="stretch", alt=canvas.alt_of(job))
    prompt = shortened(job.request.prompt, 60) if job.request and job.request.prompt else job.image_id
    st.button(
        plain(f"Edit: {prompt}"),
        key=f"open-pick-{job.image_id}",
        on_click=beginnings.choose,
        args=(job.image_id,),
    )
