"""What people see while the service is away: calm words, and the page comes back by itself; imports Streamlit and the client."""

import html
import time

import streamlit as st

from entrypoints.client import ClientError, NotTheService, ServiceUnreachable
from entrypoints.gui import remote
from entrypoints.gui.components import canvas

#: How often the service is looked for, in s.
EVERY_S = 2.0


@st.fragment(run_every=EVERY_S)
def _watch(since: float) -> None:
    # The first run is part of the page's own: asking for a rerun there would be a loop without a pause.
    if time.monotonic() - since > EVERY_S / 2 and remote.client().alive():
        st.rerun()


def page(error: ClientError) -> None:
    """Instead of a page that has nothing to show."""
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
    st.html(
        f'<div class="notice" role="status"><b>{_title(error)}</b> Trying again every few seconds; '
        "what you typed stays, and jobs under way go on.</div>"
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
