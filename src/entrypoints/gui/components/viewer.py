"""A picture in the whole window, with the ones before and after it an arrow key away; imports Streamlit and this package."""

import streamlit as st

from entrypoints.client import JobInfo
from entrypoints.gui.beside import Beside, Place, Shown, beside
from entrypoints.gui.components import actions, canvas, in_browser

#: In the session: the list whose jobs are beside each other, and the component.
_LISTED, _KEY = "listed", "viewer.picture"


def listed(jobs: tuple[Shown, ...]) -> None:
    """These are what is on the page, in this order."""
    st.session_state[_LISTED] = jobs


def around(job: JobInfo, index: int) -> Beside:
    """What is beside that picture on the page."""
    return beside(st.session_state.get(_LISTED, ()), job, index)


def viewer(job: JobInfo, index: int, near: Beside) -> None:
    """The way into the whole window, over the picture in `frame(job, index)`, and the arrow keys."""
    ways = {"before": near.before, "after": near.after}

    def step() -> None:
        if place := ways.get(getattr(st.session_state.get(_KEY), "step", "")):
            go(place)

    with st.container(key="viewer"):
        in_browser.drawn("viewer")(
            key=_KEY,
            data={
                "frame": frame(job, index) if job.images else None,
                "alt": canvas.alt_of(job, index),
                "told": near.told,
                "before": near.before is not None,
                "after": near.after is not None,
            },
            on_step_change=step,
        )


def frame(job: JobInfo, index: int) -> str:
    """Key of the container that holds the picture in full: the browser's side finds it by that."""
    return f"frame-full-{job.image_id}-{index}"


def go(place: Place) -> None:
    """Show that picture in the drawer."""
    actions.name_picture(place.image_id, place.index)
