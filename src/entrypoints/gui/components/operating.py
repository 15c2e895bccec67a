"""What operators do to the queue: pausing, resuming, cancelling all, each after a question; imports Streamlit and the client."""

from collections.abc import Callable

import streamlit as st

from entrypoints.client import ClientError
from entrypoints.gui import remote, visitor
from entrypoints.gui.components import actions
from entrypoints.gui.words import plain, section

#: In the session: what is to be asked about, and the backend it is about.
_WISH = "queue.wish"

_EVERY = "all backends"


def wish(what: str, backend: str | None) -> None:
    """Ask about it before it is done. The question is the whole page's: a part that draws itself anew would close it."""
    st.session_state[_WISH] = (what, backend)
    st.rerun()


def ask() -> None:
    """Show the question that is open, if any."""
    what, backend = st.session_state.get(_WISH, ("", None))
    if what == "pause" and backend:
        _ask_pause(backend)
    elif what == "cancel":
        _ask_cancel()


def _forget() -> None:
    st.session_state.pop(_WISH, None)


def resume(backend: str, title: str) -> None:
    """Let a backend begin jobs again."""
    _do(lambda: remote.client().resume_backend(backend), f"{title} goes on.", ":material/play_arrow:")


@st.dialog("Pause a backend", icon=":material/pause:", on_dismiss=_forget)
def _ask_pause(backend: str) -> None:
    info = remote.backends().named().get(backend)
    title = section(backend, info.title if info else backend)
    st.markdown(
        f"**{plain(title)}** will begin no more jobs, on any worker and through restarts, until somebody resumes it. Jobs under "
        "way go on; new ones are taken and wait."
    )
    reason = st.text_input(
        "Reason",
        max_chars=300,
        key="queue.reason",
        placeholder="Shown to those who wait, e.g. new drivers, back at six",
    )
    if st.button("Pause", type="primary", icon=":material/pause:", key="do-pause"):
        done = f"{title} is paused."
        _do(lambda: remote.client().pause_backend(backend, reason=reason.strip()), done, ":material/pause:")


@st.dialog("Cancel all jobs", icon=":material/close:", on_dismiss=_forget)
def _ask_cancel() -> None:
    known = [info for info in remote.backends().backends if info.configured]
    titles = {info.name: section(info.name, info.title) for info in known}
    named = bool(remote.key_names())
    everybody = False
    if named:
        whose = st.radio("Whose jobs", ["Mine", "Everybody's"], key="queue.whose", horizontal=True)
        everybody = whose == "Everybody's"
    backend = st.selectbox(
        "Of", [_EVERY, *titles], key="queue.of", format_func=lambda name: titles.get(name, "All backends")
    )
    what = "every open job" if everybody or visitor.key() is None else "all of your open jobs"
    where = "" if backend == _EVERY else f" of {titles[backend]}"
    st.markdown(f"This cancels **{what}{plain(where)}**, those under way included. It cannot be undone.")
    if st.button("Cancel them", type="primary", icon=":material/close:", key="do-cancel-all"):
        _cancel(None if backend == _EVERY else backend, everybody=everybody)


def _cancel(backend: str | None, *, everybody: bool) -> None:
    told = []

    def act() -> None:
        told.append(remote.client().cancel_all(backend=backend, everybody=everybody))

    _do(act, lambda: _told(told[0].cancelled, told[0].asked, told[0].more), ":material/block:")


def _told(cancelled: int, asked: int, more: bool) -> str:
    parts = [
        f"{cancelled} cancelled." if cancelled or not asked else "",
        f"{asked} will stop in a moment." if asked else "",
    ]
    return " ".join(filter(None, (*parts, "There are more: once more, please." if more else "")))


def _do(act: Callable[[], object], done: str | Callable[[], str], icon: str) -> None:
    """Do it, say so, and look at once how things stand."""
    try:
        act()
    except ClientError as error:
        actions.say(plain(str(error)), ":material/error:")
    else:
        actions.say(plain(done if isinstance(done, str) else done()), icon)
    _forget()
    remote.look_again()
    st.rerun()
