"""Everything that was made, newest first, by pages; imports Streamlit, the client and the components."""

import time

import attrs
import streamlit as st

from entrypoints.client import ClientError, JobsPage
from entrypoints.gui import beside, clock, paging, remote
from entrypoints.gui.components import actions, canvas, outage, selection, tile, viewer
from entrypoints.gui.components.narrowing import narrowing
from entrypoints.gui.wanted import Wanted
from imaging_core.jobs import JobStatus

#: Jobs on one page.
PER_PAGE = 24

#: How often the page is drawn anew, and how long what was found holds good, in s: the first page changes with every
#: job, the others hardly, and a search costs the service more than a look.
EVERY_S, FRESH_S, LONG_FRESH_S = 5, 4.0, 60.0

#: Longest time that a search is waited for, in s; it then shows what it has, and goes on when asked to.
PATIENCE_S = 2.5

#: In the session: where each page up to this one begins; the first begins at None.
_CURSORS = "gallery.cursors"


@attrs.frozen
class _Found:
    """A page of the list, as it was at that moment."""

    wanted: Wanted
    cursor: str | None
    page: JobsPage
    at: float


def page() -> None:
    """Draw it."""
    try:
        wanted = narrowing(remote.backends(), _to_the_first)
        st.fragment(_pages, run_every=EVERY_S)(wanted)
    except ClientError as error:
        outage.page(error)


def _to_the_first() -> None:
    st.session_state.pop(_CURSORS, None)


def _pages(wanted: Wanted) -> None:
    cursors: list[str | None] = st.session_state.setdefault(_CURSORS, [None])
    try:
        found = _look(wanted, cursors[-1])
        viewer.listed(beside.shown(found.jobs))
        if selection.picking():
            selection.bar(found.jobs)
        if found.jobs:
            tile.grid(found.jobs, "gallery", picking=selection.picking())
        else:
            _nothing(wanted, first=len(cursors) == 1, more=found.next_cursor is not None)
        _turning(cursors, found)
    except ClientError as error:
        outage.note(error)
    actions.speak()


def _look(wanted: Wanted, cursor: str | None) -> JobsPage:
    """The page that begins there: as it was found before, if that was a moment ago."""
    kept: _Found | None = st.session_state.get(actions.FOUND)
    fresh_s = FRESH_S if cursor is None and not wanted.words else LONG_FRESH_S
    if kept and (kept.wanted, kept.cursor) == (wanted, cursor) and time.monotonic() - kept.at < fresh_s:
        return kept.page
    client, filters = remote.client(), wanted.filters(clock.zone())
    found = paging.page_of(
        lambda at, limit: client.jobs(cursor=at, limit=limit, **filters), cursor, PER_PAGE, within_s=PATIENCE_S
    )
    st.session_state[actions.FOUND] = _Found(wanted, cursor, found, time.monotonic())
    return found


def _turning(cursors: list[str | None], found: JobsPage) -> None:
    if len(cursors) == 1 and found.next_cursor is None:
        return
    whole = len(found.jobs) >= PER_PAGE or found.next_cursor is None

    def older() -> None:
        cursors.append(found.next_cursor)

    def newer() -> None:
        cursors.pop()

    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="turning"):
        first = len(cursors) == 1
        st.button("Newest", icon=":material/first_page:", key="newest", disabled=first, on_click=_to_the_first)
        st.button("Newer", icon=":material/chevron_left:", key="newer", disabled=first, on_click=newer)
        # How many pages there are nobody knows: the list goes by cursors, and counting it would take as long as reading it.
        st.caption(f"Page {len(cursors)}", width="content")
        st.button(
            "Older" if whole else "Search further back",
            icon=":material/chevron_right:",
            icon_position="right",
            key="older",
            disabled=found.next_cursor is None,
            on_click=older,
        )


def _nothing(wanted: Wanted, *, first: bool, more: bool) -> None:
    said = {
        JobStatus.FINISHED: ("No pictures yet", "Go to Create and describe the first one."),
        JobStatus.FAILED: ("Nothing failed", "Jobs that end without a picture are listed here, with the reason."),
        JobStatus.CANCELLED: ("Nothing was cancelled", "Jobs that you stop are listed here."),
    }
    title, text = said[wanted.status]
    if more:
        title, text = "Nothing found so far", "The search has not come to the end of the history yet."
    elif not first:
        title, text = "That was the last page", "There is nothing older."
    elif wanted.narrowed:
        title, text = "Nothing found", "No job is like that. Try fewer words, or take a filter away."
    st.html(f'<div class="empty" role="status">{canvas.glyph()}<h2>{title}</h2><p>{text}</p></div>')
