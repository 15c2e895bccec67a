"""The studio's entry, run by Streamlit: `streamlit run app.py`; imports Streamlit and the pages.

IMAGING_API_URL tells where the service is; http://127.0.0.1:8000 when it is not set.
"""

from pathlib import Path

import streamlit as st

from entrypoints.gui import visitor
from entrypoints.gui.components import actions, drawer, outage
from entrypoints.gui.views import create, gallery, settings

STATIC = Path(__file__).parent / "static"


def main() -> None:
    """Draw the page that the address names, and the drawer over it."""
    mark = str(STATIC / "mark.svg")
    st.set_page_config(page_title="Imaging", page_icon=mark, layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "studio.css")
    st.logo(mark, size="large")
    first = st.Page(create.page, title="Create", icon=":material/auto_awesome:", url_path="create", default=True)
    pictures = st.Page(gallery.page, title="Gallery", icon=":material/photo_library:", url_path="gallery")
    set_up = st.Page(settings.page, title="Settings", icon=":material/settings:", url_path="settings")
    st.session_state[actions.GALLERY], st.session_state[actions.SETTINGS] = pictures, set_up
    here = st.navigation(
        [
            first,
            pictures,
            set_up,
        ],
        position="top",
    )
    if st.session_state.pop(actions.GO_TO_CREATE, False) and here != first:
        st.switch_page(first)
    if visitor.is_turned_away() and here != set_up:
        outage.key_wanted()
        return
    here.run()
    actions.speak()
    drawer.show_named()


main()
