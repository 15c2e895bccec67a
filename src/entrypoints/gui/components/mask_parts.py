"""Beneath the picture of an edit: which one it is, another one instead, and a mask from elsewhere; imports Streamlit and this package."""

import streamlit as st

from entrypoints.gui import source as beginnings
from entrypoints.gui.components import actions, read_back
from entrypoints.gui.components.painter import bring
from entrypoints.gui.source import Source
from entrypoints.gui.words import plain, shortened

_MASK = "edit.mask.file"

#: Largest mask from elsewhere, in MB: it goes to the browser, to be painted on.
_MOST_MB = 5


def origin(source: Source, *, masks: bool) -> None:
    """The picture's size and name, and what can be put in its place."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="xsmall", key="origin"
    ):
        # So long that the buttons still have room beside it.
        st.caption(f"{source.width} × {source.height} px · {plain(shortened(source.title, 34))}", width="stretch")
        if masks:
            _mask_from_elsewhere(source)
        st.button(
            "Another picture",
            icon=":material/swap_horiz:",
            key="another",
            type="tertiary",
            on_click=beginnings.forget,
        )


def again(source: Source) -> None:
    """What a file that says how it was made can be used for."""
    if source.told is None:
        return

    def make_again() -> None:
        assert source.told is not None  # noqa: S101  # narrows for the type checker; checked above
        actions.say(read_back.take_over(source.told), ":material/tune:")
        actions.turn_to("create", {})

    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="again"):
        st.caption(":material/info: The file says how it was made.", width="content")
        st.button("Make it again", key="make-again", type="tertiary", icon=":material/replay:", on_click=make_again)


def _mask_from_elsewhere(source: Source) -> None:
    def take() -> None:
        if sent := st.session_state.get(_MASK):
            bring(source.id, sent.getvalue(), sent.type)

    with st.popover("Mask file", icon=":material/upload:", type="tertiary", key="mask-file"):
        st.file_uploader(
            "Mask, as large as the picture: what is white is painted anew",
            type=["png", "jpg", "jpeg", "webp"],
            max_upload_size=_MOST_MB,
            key=_MASK,
            on_change=take,
        )
