"""What people see while the service is away, or answers only those with a key; imports Streamlit and the client.

Calm words either way. From an outage the page comes back by itself; a key is entered on Settings.
"""

import html
import time

import streamlit as st

from entrypoints.client import Backends, ClientError, NotTheService, ServiceUnreachable
from entrypoints.gui import remote, visitor
from entrypoints.gui.components import actions, canvas

#: How often the service is looked for, in s.
EVERY_S = 2.0

_KNOWN = "backends"


@st.fragment(run_every=EVERY_S)
def _watch(since: float) -> None:
    # The first run is part of the page's own: asking for a rerun there would be a loop without a pause.
    if time.monotonic() - since > EVERY_S / 2 and remote.client().alive():
        st.rerun()


def backends_or_last() -> tuple[Backends, ClientError | None] | None:
    """The backends; while the service is away those of before, with why. None when there are none, which the page then says."""
    try:
        backends = remote.backends()
    except ClientError as error:
        known: Backends | None = st.session_state.get(_KNOWN)
        if known is None:
            page(error)
            return None
        return known, error
    st.session_state[_KNOWN] = backends
    return backends, None


def page(error: ClientError) -> None:
    """Instead of a page that has nothing to show."""
    if visitor.wants_key(error):
        visitor.turned_away()
        key_wanted()
        return
    with st.container(key="outage", horizontal_alignment="center"):
        st.html(
            f'<div class="empty" role="status">{canvas.glyph(pulse=True)}'
            f"<h2>{_title(error)}</h2>"
            f"<p>{_advice(error)}</p>"
            '<p class="quiet">This page looks again every two seconds and goes on by itself. Nothing is lost.</p></div>'
        )
    _watch(time.monotonic())


def note(error: ClientError) -> None:
    """On a page that can go on showing what it knows."""
    if visitor.wants_key(error):
        # Drawn anew without asking again: every further question with a refused key counts against all who come from here.
        visitor.turned_away()
        st.rerun()
    st.html(
        f'<div class="notice" role="status"><b>{_title(error)}</b> Trying again every few seconds; '
        "what you typed stays, and jobs under way go on.</div>"
    )


def key_wanted() -> None:
    """Instead of any page but Settings while the service does not answer this visitor."""
    if visitor.own_key() is not None:
        title = "Your key is no longer accepted."
        advice = "The service does not know it any more: it may have been revoked. Enter another one on Settings."
    elif visitor.page_key() is not None:
        title = "The service does not accept this page's key."
        advice = "Enter a key of your own on Settings, or set <code>IMAGING_API_KEY</code> to a good one where the page runs."
    else:
        title = "The service asks for a key."
        advice = (
            "Enter yours on Settings. Whoever runs the service makes one with <code>imaging keys create NAME</code>."
        )
    with st.container(key="key-wanted", horizontal_alignment="center"):
        st.html(f'<div class="empty" role="status">{canvas.glyph()}<h2>{title}</h2><p>{advice}</p></div>')
        if actions.SETTINGS in st.session_state:
            st.page_link(
                st.session_state[actions.SETTINGS], label="Enter a key", icon=":material/key:", width="content"
            )


def _title(error: ClientError) -> str:
    if isinstance(error, ServiceUnreachable):
        return "The imaging service is not answering."
    if isinstance(error, NotTheService):
        return "Something else answers in the service's place."
    return "The imaging service cannot answer now."


def _advice(error: ClientError) -> str:
    if isinstance(error, ServiceUnreachable):
        return (
            f"No answer from <code>{html.escape(error.url)}</code> ({html.escape(error.reason)}). "
            "Start it with <code>imaging up</code> or <code>docker compose up -d</code>, "
            "or set <code>IMAGING_API_URL</code> to where it runs."
        )
    return html.escape(str(error))
