"""Where pictures are made: the form on one side, what comes of it on the other; imports Streamlit, the client and the components."""

import html

import streamlit as st

from entrypoints.client import BackendInfo, Backends
from entrypoints.gui import draft
from entrypoints.gui.components import actions, likes, outage
from entrypoints.gui.components.backend_choice import backend_choice
from entrypoints.gui.components.composer import composer
from entrypoints.gui.components.feed import feed, signature
from entrypoints.gui.components.read_back import read_back
from entrypoints.gui.components.unsent import unsent
from entrypoints.gui.words import place_of, section


def page() -> None:
    """Draw it."""
    known = outage.backends_or_last()
    if known is None:
        return
    backends, lost = known
    if elsewhere := likes.from_address("create"):
        actions.turn_to(*elsewhere)
    left, right = st.columns([5, 7], gap="medium")
    with left:
        _form(backends)
    with right, st.container(key="feed-column"):
        feed(None if lost else signature())
    unsent()


def _form(backends: Backends) -> None:
    with st.container(key="form-column"):
        info = _section(backends)
        if info is None:
            _message("No backend", "The service has no backend to make pictures on.", configured=False)
        elif not info.configured:
            _message(f"{section(info.name, info.title)} is not set up", info.message, configured=False)
        elif info.capabilities is None:
            _message(f"{section(info.name, info.title)} does not answer", info.message, configured=True)
        else:
            composer(info, info.capabilities)
        read_back(backends, info.name if info else None)


def _section(backends: Backends) -> BackendInfo | None:
    """The chosen backend; the page opens on the one that a submit without a choice goes to."""
    found = {b.name: b for b in backends.backends if b.configured or b.name != "demo"}
    if not found:
        return None
    ready = (b.name for b in found.values() if b.configured and b.answers)
    default = backends.default if backends.default in found else next(ready, min(found, key=place_of))
    # Streamlit's own binding to the address would write the label, icon and all, instead of the name.
    asked = st.query_params.get(draft.SECTION)
    chosen = backend_choice(found, draft.SECTION, asked if asked in found else default)
    if chosen.name == default:
        st.query_params.pop(draft.SECTION, None)
    else:
        st.query_params[draft.SECTION] = chosen.name
    return chosen


def _message(title: str, text: str, *, configured: bool) -> None:
    """In place of a form that nothing could be made with."""
    what_next = (
        "This page looks again every few seconds and shows the form as soon as it answers."
        if configured
        else "Set it, start the service again, and the form appears here. The other sections work meanwhile."
    )
    st.html(
        f'<div class="empty framed" role="status"><h2>{html.escape(title)}</h2>'
        f'<p>{html.escape(text)}</p><p class="quiet">{what_next}</p></div>'
    )
