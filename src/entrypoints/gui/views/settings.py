"""How the service stands to this visitor: their key, their defaults, and which backends answer; imports Streamlit and the components."""

import streamlit as st

from entrypoints.gui.components.backend_cards import backend_cards
from entrypoints.gui.components.default_choice import default_choice
from entrypoints.gui.components.key_entry import key_entry


def page() -> None:
    """Draw it."""
    with st.container(border=True, key="your-key"):
        key_entry()
    default_choice()
    backend_cards()
    st.caption("Light or dark follows your system; the menu at the top right has both to choose from.")
