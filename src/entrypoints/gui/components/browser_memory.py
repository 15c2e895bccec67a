"""Reads the visitor's defaults from their browser, and writes them there; imports Streamlit and this package."""

import streamlit as st

from entrypoints.client import ClientError
from entrypoints.gui import remote
from entrypoints.gui.components import in_browser
from entrypoints.gui.defaults import Defaults, apply, from_text

#: In the session: the defaults as text, as far as they are known, those that the browser is to keep, and the component.
_KNOWN, _KEEP, _KEY = "defaults.known", "defaults.keep", "defaults.memory"


def remembered() -> Defaults:
    """The defaults of this browser, as far as it has told them."""
    return from_text(st.session_state.get(_KNOWN))


def remember(defaults: Defaults) -> None:
    """Have the browser keep them, and put them on the form now."""
    st.session_state[_KNOWN] = st.session_state[_KEEP] = defaults.as_text()
    _apply(defaults)


def memory() -> None:
    """The invisible part of every page that does so."""
    with st.container(key="browser-memory"):
        in_browser.unseen("memory")(
            key=_KEY,
            data={"keep": st.session_state.get(_KEEP), "known": st.session_state.get(_KNOWN)},
            default={"kept": None},
            on_kept_change=_told,
        )


def _told() -> None:
    kept = getattr(st.session_state.get(_KEY), "kept", None)
    first = _KNOWN not in st.session_state
    st.session_state[_KNOWN] = kept
    if first:
        _apply(from_text(kept))


def _apply(defaults: Defaults) -> None:
    try:
        names = [info.name for info in remote.backends().backends if info.configured]
    except ClientError:
        return
    apply(defaults, names, st.session_state, st.query_params)
