"""What the buttons do to jobs, with the outcome said in a person's words; imports Streamlit and the client."""

from collections.abc import Callable

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo
from entrypoints.gui import draft, remote
from entrypoints.gui.words import name_of, plain

#: The query parameter that names the job which is shown in full.
JOB = "job"


#: Set when the form has been filled from another page.
GO_TO_CREATE = "go_to_create"

#: Where the session keeps pages that others link to.
GALLERY, SETTINGS = "gallery_page", "settings_page"

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
        close()
        say("Deleted.", ":material/delete:")
        st.rerun()


def use_settings(job: JobInfo, *, seed: int | None) -> None:
    """Put a job's settings on the form; with its seed, or with a new one for each picture."""
    try:
        info = remote.backends().named().get(job.backend)
    except ClientError as error:
        say(plain(str(error)), ":material/error:")
        return
    if info is None or info.capabilities is None or job.request is None:
        say(f"{name_of(job.backend)} is not there now, so its form cannot be filled.", ":material/error:")
        return
    lost = draft.fill(job.request, info.capabilities, st.session_state, seed=seed)
    close()
    if lost:
        names = ", ".join(map(name_of, lost))
        say(f"Taken over, but for what is no longer there: {names}.", ":material/info:")
    else:
        say("The settings are on the form.", ":material/tune:")
    st.session_state[GO_TO_CREATE] = True
    st.rerun()


def open_job(image_id: str) -> None:
    """Show a job in full; the address then leads to it."""
    st.query_params[JOB] = image_id
    st.rerun()


def close() -> None:
    """Put the drawer away."""
    st.query_params.pop(JOB, None)


def use_prompt(prompt: str) -> None:
    """Put a prompt on the form."""
    st.session_state[draft.PROMPT] = prompt
    st.rerun()
