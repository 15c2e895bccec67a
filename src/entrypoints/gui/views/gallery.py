"""Everything that was made, newest first, by pages; imports Streamlit, the client and the components."""

import streamlit as st

from entrypoints.client import ClientError
from entrypoints.gui import remote
from entrypoints.gui.components import canvas, outage, tile
from entrypoints.gui.components.drawer import titles
from imaging_core.jobs import JobStatus

#: Jobs on one page.
PER_PAGE = 24

_CURSORS = "gallery.cursors"
_ANY = "any"


def page() -> None:
    """Draw it."""
    try:
        names = titles()
        status, backend = _filters(names)
        st.fragment(_pages, run_every=5)(status, backend)
    except ClientError as error:
        outage.page(error)


def _filters(names: dict[str, str]) -> tuple[JobStatus, str | None]:
    def turn_back() -> None:
        st.session_state.pop(_CURSORS, None)

    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="filters"):
        status = st.segmented_control(
            "Show",
            [str(s) for s in JobStatus if s.terminal],
            default=str(JobStatus.FINISHED),
            required=True,
            key="show",
            on_change=turn_back,
            bind="query-params",
            format_func=str.capitalize,
        )
        backend = st.selectbox(
            "Backend",
            [_ANY, *names],
            key="from",
            format_func=lambda name: names.get(name, "Any"),
            on_change=turn_back,
            bind="query-params",
            width=200,
        )
    return JobStatus(status or JobStatus.FINISHED), None if backend in (None, _ANY) else backend


def _pages(status: JobStatus, backend: str | None) -> None:
    # Where each page up to this one begins; the first begins at None.
    cursors: list[str | None] = st.session_state.setdefault(_CURSORS, [None])
    try:
        found = remote.ended_jobs(limit=PER_PAGE, cursor=cursors[-1], status=(status,), backend=backend)
        if not found.jobs and len(cursors) == 1:
            _nothing(status)
            return
        tile.grid(found.jobs, "gallery")
        _turning(cursors, found.next_cursor)
    except ClientError as error:
        outage.note(error)


def _turning(cursors: list[str | None], next_cursor: str | None) -> None:
    if len(cursors) == 1 and next_cursor is None:
        return

    def older() -> None:
        cursors.append(next_cursor)

    def newer() -> None:
        cursors.pop()

    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="turning"):
        st.button("Newer", icon=":material/chevron_left:", key="newer", disabled=len(cursors) == 1, on_click=newer)
        st.caption(f"Page {len(cursors)}", width="content")
        st.button(
            "Older",
            icon=":material/chevron_right:",
            icon_position="right",
            key="older",
            disabled=next_cursor is None,
            on_click=older,
        )


def _nothing(status: JobStatus) -> None:
    said = {
        JobStatus.FINISHED: ("No pictures yet", "Go to Create and describe the first one."),
        JobStatus.FAILED: ("Nothing failed", "Jobs that end without a picture are listed here, with the reason."),
        JobStatus.CANCELLED: ("Nothing was cancelled", "Jobs that you stop are listed here."),
    }
    title, text = said[status]
    st.html(f'<div class="empty">{canvas.glyph()}<h2>{title}</h2><p>{text}</p></div>')
