"""Where a visitor chooses what the form begins with; imports Streamlit and this package."""

import streamlit as st

from entrypoints.client import ClientError
from entrypoints.gui import remote, visitor
from entrypoints.gui.components import browser_memory
from entrypoints.gui.defaults import FILE_TYPES, MOST_PICTURES, Defaults
from entrypoints.gui.words import name_of, section

_BACKEND, _COUNT, _TYPE = "settings.backend", "settings.count", "settings.type"
_AUTOMATIC = ""


def default_choice() -> None:
    """The fields; nothing while the service does not tell which backends there are."""
    if visitor.is_turned_away():
        return
    try:
        titles = {i.name: section(i.name, i.title) for i in remote.backends().backends if i.configured}
    except ClientError:
        return
    now, state = browser_memory.remembered(), st.session_state
    state[_BACKEND] = now.backend if now.backend in titles else _AUTOMATIC
    state[_COUNT] = now.count
    state[_TYPE] = now.output_format or _AUTOMATIC
    with st.container(border=True, key="your-defaults"):
        st.markdown("##### Defaults")
        backend, count, kind = st.columns(3)
        with backend:
            names = [_AUTOMATIC, *titles]
            st.selectbox(
                "Backend", names, key=_BACKEND, format_func=lambda n: titles.get(n, "Automatic"), on_change=_keep
            )
        with count:
            st.number_input("Pictures", 1, MOST_PICTURES, key=_COUNT, placeholder="Automatic", on_change=_keep)
        with kind:
            kinds = [_AUTOMATIC, *FILE_TYPES]
            st.selectbox(
                "File type", kinds, key=_TYPE, format_func=lambda n: name_of(n) if n else "Automatic", on_change=_keep
            )
        st.caption("What the form on Create begins with, where the backend can do it. Kept in this browser only.")


def _keep() -> None:
    state = st.session_state
    count = state.get(_COUNT)
    browser_memory.remember(
        Defaults(
            backend=state.get(_BACKEND) or None,
            count=None if count is None else int(count),
            output_format=state.get(_TYPE) or None,
        )
    )
