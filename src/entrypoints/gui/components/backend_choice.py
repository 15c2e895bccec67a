"""Chooses the backend of a form, where there is more than one; imports Streamlit and the client."""

from collections.abc import Mapping

import streamlit as st

from entrypoints.client import BackendInfo
from entrypoints.gui.words import place_of, section


def backend_choice(found: Mapping[str, BackendInfo], key: str, default: str) -> BackendInfo:
    """The one chosen of these, at first `default`; the session keeps the choice under that key."""
    state = st.session_state
    if state.get(key) not in found:
        state[key] = default
    if len(found) == 1:
        return found[default]
    picked = st.segmented_control(
        "Backend",
        sorted(found, key=place_of),
        required=True,
        key=key,
        format_func=lambda name: _label(found[name]),
        label_visibility="collapsed",
        width="stretch",
        persist_state="session",
    )
    return found[default if picked is None else picked]


def _label(info: BackendInfo) -> str:
    name = section(info.name, info.title)
    if info.configured and info.answers:
        return name
    return f":material/{'cloud_off' if info.configured else 'key_off'}: {name}"
