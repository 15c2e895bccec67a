"""How the service stands to this visitor: their key, and which backends answer; imports Streamlit and the components."""

import streamlit as st

from entrypoints.gui.components.backend_cards import backend_cards
from entrypoints.gui.components.key_entry import key_entry


def page() -> None:
    """Draw it."""
    with st.container(border=True, key="your-key"):
        key_entry()
    backend_cards()
