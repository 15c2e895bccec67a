"""What the buttons do to jobs, with the outcome said in a person's words; imports Streamlit and the client."""

import time
from collections.abc import Callable

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo
from entrypoints.gui import draft, remote, source
from entrypoints.gui.components import likes
from entrypoints.gui.words import plain

#: The query parameters that name the job which is shown in full, and which of its pictures, from 1.
JOB, PICTURE = "job", "picture"


#: In the session: the page to turn to, and what its address is to say.
GO_TO = "go_to"

#: Where the session keeps pages that others link to.
GALLERY, SETTINGS = "gallery_page", "settings_page"

#: In the session: what the gallery has found, by what was wanted.
FOUND = "gallery.found"

#: How long after a drawer was put away the browser may still send an address that names its job, in s.
_LATE_S = 10.0

#: In the session: the job whose drawer was put away last, and when.
_CLOSED = "closed"

_SAID = "said"


def say(text: str, icon: str) -> None:
    """Tell it once the page is drawn: what is said before a rerun would be swept away by it."""
    st.session_state.setdefault(_SAID, []).append((text, icon))


def speak() -> None:
    """Show what was to be said."""
    for text, icon in st.session_state.pop(_SAID, []):
        st.toast(text, icon=icon, duration="long" if len(text) > 40 else "short")


def _say_if_wrong(act: Callable[[], object]) -> bool:
    """Do it; a refusal becomes a message instead of a broken page."""
    try:
        act()
    except ClientError as error:
        say(plain(str(error)), ":material/error:")
        return False
    return True


def look_again() -> None:
    """What the gallery has found is no longer so."""
    st.session_state.pop(FOUND, None)


def cancel(image_id: str) -> None:
    """Cancel a job. One that ended meanwhile shows how by itself."""

    def act() -> None:
        try:
            remote.client().cancel(image_id)
        except ApiError as error:
            if error.status != 409:
                raise

    _say_if_wrong(act)


def retry(image_id: str) -> None:
    """Ask again for the same."""
    if _say_if_wrong(lambda: remote.client().retry(image_id)):
        close()
        say("Queued again.", ":material/replay:")
        st.rerun()


def delete(image_id: str) -> None:
    """Forget a job and its pictures."""

    def act() -> None:
        try:
            remote.client().delete(image_id)
        except ApiError as error:
            if error.status not in (404, 410):
                raise

    if _say_if_wrong(act):
        look_again()
        close()
        say("Deleted.", ":material/delete:")
        st.rerun()


def use_settings(job: JobInfo, *, seed: int | None) -> None:
    """Put a job's settings on the form; with its seed, or with a new one for each picture."""
    try:
        told = likes.take_over(job, seed=seed)
    except (ClientError, ValueError) as error:
        say(plain(str(error)), ":material/error:")
        return
    close()
    say(told, ":material/tune:")
    turn_to(likes.page_of(job), {source.LIKE: job.image_id})


def edit(image_id: str, index: int = 0) -> None:
    """Begin an edit with a job's picture."""
    close()
    turn_to("edit", {source.FROM: image_id} | ({source.INDEX: str(index)} if index else {}))


def turn_to(page: str, query: dict[str, str]) -> None:
    """Show another page, whose address then says that."""
    st.session_state[GO_TO] = (page, query)
    st.rerun()


def mark(image_id: str, *, favourite: bool) -> None:
    """Make a job a favourite, or none any more."""
    if _say_if_wrong(lambda: remote.client().mark(image_id, favourite=favourite)):
        look_again()


def open_job(image_id: str, index: int = 0) -> None:
    """Show a job in full, beginning with that picture; the address then leads to it."""
    st.session_state.pop(_CLOSED, None)
    name_picture(image_id, index)
    st.rerun()


def name_picture(image_id: str, index: int) -> None:
    """Have the address name a job, and which of its pictures unless it is the first."""
    st.query_params[JOB] = image_id
    if index:
        st.query_params[PICTURE] = str(index + 1)
    else:
        st.query_params.pop(PICTURE, None)


def named() -> str | None:
    """The job whose drawer is open: the one that the address names.

    Streamlit's browser side sends the address with whatever it asks. A click that follows the closing at once carries the
    address from before it, which would open the drawer again and stay in the browser.
    """
    image_id = st.query_params.get(JOB)
    closed, at = st.session_state.get(_CLOSED, (None, 0.0))
    if image_id is not None and image_id == closed and time.monotonic() - at < _LATE_S:
        close()
        return None
    return image_id


def close() -> None:
    """Put the drawer away."""
    if image_id := st.query_params.pop(JOB, None):
        st.session_state[_CLOSED] = image_id, time.monotonic()
    st.query_params.pop(PICTURE, None)


def use_prompt(prompt: str) -> None:
    """Put a prompt on the form."""
    st.session_state[draft.PROMPT] = prompt
    st.rerun()
