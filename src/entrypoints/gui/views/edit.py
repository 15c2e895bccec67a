"""Where pictures that are there are changed: painted anew, in part, or made larger; imports Streamlit, the client and the components."""

import html

import streamlit as st

from entrypoints.client import ApiError, BackendInfo, Backends, ClientError
from entrypoints.gui import draft
from entrypoints.gui import source as beginnings
from entrypoints.gui.components import actions, canvas, likes, outage
from entrypoints.gui.components.backend_choice import backend_choice
from entrypoints.gui.components.editor import editor
from entrypoints.gui.components.feed import feed, signature
from entrypoints.gui.components.picker import picker
from entrypoints.gui.edits import modes
from entrypoints.gui.source import Source
from entrypoints.gui.words import place_of


def page() -> None:
    """Draw it."""
    known = outage.backends_or_last()
    if known is None:
        return
    backends, lost = known
    if elsewhere := likes.from_address("edit"):
        actions.turn_to(*elsewhere)
    left, right = st.columns([6, 6], gap="medium")
    with left, st.container(key="form-column"):
        try:
            _form(backends)
        except ClientError as error:
            outage.note(error)
    with right, st.container(key="feed-column"):
        feed(None if lost else signature(), nothing_yet=_nothing_yet)


def _nothing_yet() -> None:
    st.html(
        f'<div class="empty">{canvas.glyph()}<h2>What comes of it appears here</h2>'
        "<p>Choose a picture, say what should become of it, and compare it with what it was.</p></div>"
    )


def _form(backends: Backends) -> None:
    able = {
        b.name: b for b in backends.backends if b.configured and b.capabilities is not None and modes(b.capabilities)
    }
    if not able:
        st.html(
            '<div class="empty framed" role="status"><h2>No backend can edit now</h2>'
            "<p>Those that are set up do not answer, or only draw from a prompt. Settings says why.</p></div>"
        )
        return
    info = _section(able, backends.default)
    source = _source()
    if source is None:
        picker()
    elif info.capabilities is not None:
        editor(info, info.capabilities, source)


def _source() -> Source | None:
    """The chosen picture; one that is not there any more is said and forgotten."""
    try:
        return beginnings.chosen()
    except ApiError as error:
        if error.status not in (404, 410):
            raise
        beginnings.forget()
        gone = "is not there any more; it may have been deleted" if error.status == 410 else "cannot be found"
        st.html(f'<p class="problem" role="alert">{html.escape(f"That picture {gone}. Choose another.")}</p>')
        return None


def _section(able: dict[str, BackendInfo], default: str | None) -> BackendInfo:
    """The chosen backend, at first the one that pictures are made on."""
    wanted = (st.session_state.get(draft.SECTION), default)
    first = next((name for name in wanted if name in able), min(able, key=place_of))
    return backend_choice(able, draft.EDIT_SECTION, first)
