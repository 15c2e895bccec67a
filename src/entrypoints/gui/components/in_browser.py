"""What of the studio runs in the browser, as Streamlit's components; imports Streamlit and this package."""

from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from entrypoints.gui import assets

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@cache
def drawn(name: str, *scripts: str) -> "ComponentRenderer":
    """The component that name.html, name.css and name.js make, the `scripts` before the last.

    Registered when it is first drawn: importing a page does nothing.
    """
    return st.components.v2.component(
        f"imaging.{name}",
        html=assets.text(f"{name}.html"),
        css=assets.text(f"{name}.css"),
        js="".join(assets.text(f"{script}.js") for script in (*scripts, name)),
    )


@cache
def unseen(name: str) -> "ComponentRenderer":
    """The component that name.js is, with nothing to see; registered when it is first used."""
    return st.components.v2.component(f"imaging.{name}", js=assets.text(f"{name}.js"))
