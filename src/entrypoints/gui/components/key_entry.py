"""Where a visitor enters their own key, and what the service says to it; imports Streamlit and the client."""

import streamlit as st

from entrypoints.client import ApiError, ClientError, ServiceUnreachable
from entrypoints.gui import remote, visitor
from entrypoints.gui.components import actions
from entrypoints.gui.words import plain

_ENTERED, _WRONG = "settings.key", "settings.key_wrong"


def key_entry() -> None:
    """Whose key is in use, and the field for another."""
    st.markdown("##### Your key")
    if visitor.key() is None and not visitor.is_turned_away():
        try:
            remote.backends()
        except ClientError as error:
            if not visitor.wants_key(error):
                st.caption("Whether one is needed is shown here once the service answers.")
                return
        else:
            st.markdown("This service answers everybody who reaches it: there is no key to enter.")
            return
    st.markdown(_in_use())
    if visitor.own_key() is not None:
        st.button("Forget my key", icon=":material/logout:", key="forget-key", on_click=visitor.adopt, args=(None,))
        return
    # Emptied when it is sent: what was entered does not stay in the page.
    with st.form("key-form", clear_on_submit=True, border=False):
        st.text_input(
            "API key",
            type="password",
            key=_ENTERED,
            autocomplete="current-password",
            placeholder="The key that somebody made for you",
        )
        st.form_submit_button("Use this key", type="primary", icon=":material/key:", on_click=_take)
    if wrong := st.session_state.get(_WRONG):
        st.error(plain(wrong), icon=":material/error:")
    st.caption(
        "It is kept until this page is closed or loaded anew, and leaves the page's server only for the service itself. "
        "A password manager can keep it for you."
    )


def _in_use() -> str:
    if visitor.own_key() is not None:
        return "You ask with a key of your own: what you see and make is its jobs and pictures."
    if visitor.page_key() is not None:
        return "Everybody on this page asks with its one key. With a key of your own you see and make what is yours."
    return "Nothing is sent yet. Whoever runs the service makes keys, with: `imaging keys create NAME`"


def _take() -> None:
    entered = str(st.session_state.get(_ENTERED) or "").strip()
    wrong = _wrong_with(entered)
    st.session_state[_WRONG] = wrong
    if wrong is None:
        visitor.adopt(entered)
        actions.say("The key is good. Everything here is now asked with it.", ":material/key:")


def _wrong_with(entered: str) -> str | None:
    """Why the key cannot be used, in a sentence; None for a good one. It is sent once and not kept before that."""
    if not entered:
        return "Enter a key first."
    if not entered.isascii() or not entered.isprintable() or " " in entered:
        return "That is no key: a key has no spaces and only plain letters, digits and signs. Copy it once more."
    try:
        if _opens(None):
            return "This service answers everybody: it has no keys, so there is none to enter."
        with remote.client_with(entered) as client:
            client.jobs(limit=1)
    except ServiceUnreachable as error:
        return f"The key could not be checked. {error}"
    except ClientError as error:
        return _refusal(error)
    return None


def _opens(key: str | None) -> bool:
    try:
        with remote.client_with(key) as client:
            client.jobs(limit=1)
    except ApiError as error:
        if error.status in (401, 403):
            return False
        raise
    return True


def _refusal(error: ClientError) -> str:
    status = error.status if isinstance(error, ApiError) else 0
    if status == 401:
        return (
            "The service does not know this key, or it was revoked. Check that you copied all of it; whoever runs the "
            "service makes a new one with: imaging keys create NAME"
        )
    if status == 403:
        return f"The service knows this key, but it does not let you look at jobs, which these pages must. {error}"
    return str(error)
