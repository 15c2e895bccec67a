"""What happens when a form is sent: one press is one job, and the page says that it is queued; imports Streamlit."""

import secrets

import streamlit as st

from entrypoints.gui.components import problems
from entrypoints.gui.words import pictures

_PENDING, _QUEUED = "pending", "queued"


def key_for(wanted: object) -> str:
    """One key until the service has taken the request: pressing again after a lost answer makes no second job."""
    before = st.session_state.get(_PENDING)
    if before is None or before[0] != wanted:
        st.session_state[_PENDING] = before = (wanted, secrets.token_hex(16))
    key: str = before[1]
    return key


def taken(count: int) -> None:
    """The service has taken it."""
    st.session_state.pop(_PENDING, None)
    problems.clear()
    st.session_state[_QUEUED] = f"{pictures(count).capitalize()} queued."


def link() -> None:
    """That it is queued, and where to see it: on a narrow window the feed is out of sight, beneath the form."""
    if queued := st.session_state.get(_QUEUED):
        st.html(f'<a class="to-feed" href="#feed" target="_self" role="status">{queued} See below ↓</a>')
