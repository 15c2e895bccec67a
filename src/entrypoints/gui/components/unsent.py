"""Brings back the words that were on the form when the page was loaded anew; imports Streamlit and this package.

The visitor's tab keeps them, and nobody else: not the page's server, whose session ends with the reload, nor the address.
They come back under the key that they were typed under, and under no other.
"""

import json

import streamlit as st

from entrypoints.gui import draft, visitor
from entrypoints.gui.components import in_browser

#: In the session: for whose words the browser was asked, and the component.
_ASKED, _KEY = "unsent.asked", "unsent.words"

#: Longest words that come back, in characters: the service takes no longer ones.
_LONGEST = 10_000


def unsent() -> None:
    """The invisible part of Create that does so."""
    whose = visitor.asking().whose
    asks = st.session_state.get(_ASKED) != whose
    with st.container(key="unsent"):
        in_browser.unseen("unsent")(
            key=_KEY, data={"asks": asks, "whose": whose}, default={"words": None}, on_words_change=_told
        )
    st.session_state[_ASKED] = whose


def _told() -> None:
    for name, words in words_of(getattr(st.session_state.get(_KEY), "words", None)).items():
        if not st.session_state.get(name):
            st.session_state[name] = words


def words_of(text: object) -> dict[str, str]:
    """By the form's keys, what a tab kept; anything else in there counts as nothing, since whoever uses the browser can write it."""
    try:
        told = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    found = {name: told.get(name) for name in (draft.PROMPT, draft.NEGATIVE_PROMPT)}
    return {name: words[:_LONGEST] for name, words in found.items() if isinstance(words, str) and words}
