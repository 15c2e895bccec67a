"""The studio's entry, run by Streamlit: `streamlit run app.py`; imports Streamlit and the pages.

IMAGING_API_URL tells where the service is; http://127.0.0.1:8000 when it is not set.
"""

import streamlit as st

from entrypoints.gui import assets, source, visitor
from entrypoints.gui.components import actions, browser_memory, drawer, feed, outage
from entrypoints.gui.views import create, edit, gallery, queue, settings


def main() -> None:
    """Draw the page that the address names, and the drawer over it."""
    mark = str(assets.FOLDER / "mark.svg")
    st.set_page_config(
        page_title=feed.NAME,
        page_icon=mark,
        layout="wide",
        initial_sidebar_state="collapsed",
        # Without an entry of our own there is no menu, and the choice of light and dark is in the menu.
        menu_items={"About": "A self-hosted service that makes pictures."},
    )
    st.html(assets.FOLDER / "studio.css")
    st.logo(mark, size="large")
    pages = {
        "create": st.Page(create.page, title="Create", icon=":material/auto_awesome:", url_path="create", default=True),
        "edit": st.Page(edit.page, title="Edit", icon=":material/brush:", url_path="edit"),
        "gallery": st.Page(gallery.page, title="Gallery", icon=":material/photo_library:", url_path="gallery"),
        "queue": st.Page(queue.page, title="Queue", icon=":material/list_alt:", url_path="queue"),
        "settings": st.Page(settings.page, title="Settings", icon=":material/settings:", url_path="settings"),
    }
    st.session_state[actions.GALLERY], st.session_state[actions.SETTINGS] = pages["gallery"], pages["settings"]
    here = st.navigation(list(pages.values()), position="top")
    # On a narrow window Streamlit folds the pages away behind an arrow; the style sheet shows these there, at the foot.
    with st.container(key="narrow-pages", horizontal=True, horizontal_alignment="distribute", gap=None):
        for one in pages.values():
            st.page_link(one)
    if wanted := st.session_state.pop(actions.GO_TO, None):
        name, query = wanted
        if here != pages[name]:
            st.switch_page(pages[name], query_params=query)
        source.forget()
        st.query_params.update(query)
    if visitor.is_turned_away() and here != pages["settings"]:
        outage.key_wanted()
        return
    here.run()
    actions.speak()
    drawer.show_named()
    browser_memory.memory()


main()
