"""With which key this visitor asks: their own, which only their session knows, or the page's; imports Streamlit and stdlib.

A key is in this process's memory and in the header of what it asks for, and nowhere else: not in an address, a log, a
cookie or the page. What pages keep for later is kept by `Asking.whose`, so that nobody is shown what another's key has fetched.
"""

import hashlib
import os
import secrets

import attrs
import streamlit as st

from entrypoints.client import DEFAULT_URL, ApiError, ClientError

_KEY, _REFUSED = "visitor.key", "visitor.refused"

#: What a session has found out with one key, and must not show to whoever brings another.
_FOUND = (
    *(
        "backends",
        "gallery.cursors",
        "gallery.found",
        "gallery.picked",
        "gallery.words",
        "listed",
        "queue.fronts",
        "watched",
        "away",
    ),
    *("prompt", "negative_prompt", "edit.prompt", "edit.file", "edit.suggested", "edit.mask", "edit.mask.brought"),
    *("like.taken", "read_back_told"),
)

_SALT = secrets.token_bytes(32)


@attrs.frozen
class _Own:
    """A key in the session: whatever prints the session prints no key."""

    key: str = attrs.field(repr=False)


@attrs.frozen
class Asking:
    """Where to ask, and with which key."""

    url: str
    key: str | None = attrs.field(repr=False)

    @property
    def whose(self) -> str:
        """Names what may be seen with it; tells nothing of the key, and another process has another name."""
        about = f"{self.url} {self.key or ''}".encode()
        return hashlib.blake2b(about, key=_SALT, digest_size=16).hexdigest()


def address() -> str:
    """Where the API is."""
    return os.environ.get("IMAGING_API_URL") or DEFAULT_URL


def own_key() -> str | None:
    """The key that this visitor has entered."""
    own = st.session_state.get(_KEY)
    return own.key if isinstance(own, _Own) else None


def page_key() -> str | None:
    """The key that whoever runs the page has given it for everybody."""
    return os.environ.get("IMAGING_API_KEY") or None


def key() -> str | None:
    """The key to ask with; None to ask without one."""
    return own_key() or page_key()


def asking() -> Asking:
    """Whom this session asks, as whom."""
    return Asking(address(), key())


def adopt(entered: str | None) -> None:
    """Ask with that key from now on; None for the page's own, if it has one."""
    if entered is None:
        st.session_state.pop(_KEY, None)
    else:
        st.session_state[_KEY] = _Own(entered)
    for name in (_REFUSED, *_FOUND):
        st.session_state.pop(name, None)


def wants_key(error: ClientError) -> bool:
    """Whether the service answers nobody without a key, or not with this one."""
    return isinstance(error, ApiError) and error.status == 401


def turned_away() -> None:
    """Remember that the key of now is refused: to go on asking with it would lock out everybody else on this page."""
    st.session_state[_REFUSED] = asking().whose


def is_turned_away() -> bool:
    """Whether the key of now was refused before."""
    return bool(st.session_state.get(_REFUSED) == asking().whose)
