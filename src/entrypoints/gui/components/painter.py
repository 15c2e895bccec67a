"""The picture that an edit begins with, and the mask that is painted on it; imports Streamlit and this package."""

import base64

import streamlit as st

from entrypoints.gui.components import in_browser, problems
from entrypoints.gui.data_urls import data_url
from entrypoints.gui.source import Source

#: Tallest that the picture is shown, in percent of the window's height: the button beneath should be in sight.
_TALLEST = 40

#: In the session: which picture's mask there is, and its file as a data: URL.
_MASK = "edit.mask"
#: In the session: the picture that a mask was brought for, that mask, and how many there were before.
_BROUGHT = "edit.mask.brought"

_START = "data:image/png;base64,"


@st.fragment
def painter(source: Source, form: str, *, tools: bool) -> None:
    """The picture; with `tools` a mask can be painted on it. A fragment: a stroke draws nothing else anew."""
    key = f"painter.{source.id}"

    def keep() -> None:
        st.session_state[_MASK] = (source.id, (st.session_state[key] or {}).get("mask"))
        problems.mend(form, "mask")

    brought = st.session_state.get(_BROUGHT)
    base, revision = brought[1:] if brought and brought[0] == source.id else (None, 0)
    in_browser.drawn("painter", "mask")(
        key=key,
        data={
            "id": source.id,
            "picture": source.shown,
            "width": source.width,
            "height": source.height,
            "alt": source.title,
            "tools": tools,
            "tallest": _TALLEST,
            "base": base,
            "revision": revision,
        },
        default={"mask": None},
        on_mask_change=keep,
    )
    if tools:
        problems.show(form, "mask")


def mask_of(source: Source) -> bytes | None:
    """The file of the mask that was painted on that picture, in the picture's size; None when there is none."""
    owner, url = st.session_state.get(_MASK, (None, None))
    if owner != source.id or not isinstance(url, str) or not url.startswith(_START):
        return None
    return base64.b64decode(url.removeprefix(_START))


def bring(source_id: str, data: bytes, media_type: str) -> None:
    """Put a mask from elsewhere on the picture; it can be painted on."""
    before = st.session_state.get(_BROUGHT)
    url = data_url(data, media_type)
    st.session_state[_BROUGHT] = (source_id, url, before[2] + 1 if before else 1)
    # As it is, until the page in the browser has put it into the picture's size.
    st.session_state[_MASK] = (source_id, url)
