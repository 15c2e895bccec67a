"""The studio's entry, run by Streamlit: `streamlit run app.py`; imports Streamlit and the pages.

IMAGING_API_URL tells where the service is; http://127.0.0.1:8000 when it is not set.
"""

from pathlib import Path

import streamlit as st

from entrypoints.gui.components import actions, drawer
from entrypoints.gui.views import backends, create, gallery

STATIC = Path(__file__).parent / "static"


def main() -> None:
    """Draw the page that the address names, and the drawer over it."""
    mark = str(STATIC / "mark.svg")
    st.set_page_config(page_title="Imaging", page_icon=mark, layout="wide", initial_sidebar_state="collapsed")
    st.html(STATIC / "studio.css")
    st.logo(mark, size="large")
    first = st.Page(create.page, title="Create", icon=":material/auto_awesome:", url_path="create", default=True)
    pictures = st.Page(gallery.page, title="Gallery", icon=":material/photo_library:", url_path="gallery")
    st.session_state[actions.GALLERY] = pictures
    here = st.navigation(
        [
            first,
            pictures,
            st.Page(backends.page, title="Backends", icon=":material/dns:", url_path="backends"),
        ],
        position="top",
    )
    if st.session_state.pop(actions.GO_TO_CREATE, False) and here != first:
        st.switch_page(first)
    here.run()
    actions.speak()
    drawer.show_named()


main()
