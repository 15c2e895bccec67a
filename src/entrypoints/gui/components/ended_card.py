"""A job that is over: its pictures in full width, or what failed and what to do; imports Streamlit and the client."""

from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import ApiError, JobInfo
from entrypoints.gui import draft, remote
from entrypoints.gui.components import actions, canvas
from entrypoints.gui.components.compare import compare, has_before
from entrypoints.gui.components.saving import save_all_button, save_button
from entrypoints.gui.words import ago, credit_sum, duration, plain
from imaging_core.jobs import JobStatus

#: Longer side of a picture that is shown large, in px.
LARGE = 1024


def facts(job: JobInfo, title: str) -> str:
    """One line: who made it, when, how long it took, its seed, what it cost."""
    took = f"took {duration(job.took.total_seconds())}" if job.took else ""
    seed = f"seed {job.seed}" if job.seed is not None else ""
    cost = credit_sum(job.cost_credits) if job.cost_credits else ""
    when = ago(job.finished_at or job.created_at, datetime.now(UTC).astimezone())
    return " · ".join(filter(None, (title, when, took, seed, cost)))


def picture_card(job: JobInfo, title: str) -> None:
    """The newest finished job, as large as there is room."""
    with st.container(border=True, key=f"done-{job.image_id}"):
        if len(job.images) == 1:
            _picture(job, 0)
        else:
            grid = st.grid(2, gap="xsmall", min_column_width=180)
            for image in job.images:
                with grid.cell():
                    _picture(job, image.index)
        canvas.prompt_line(job)
        st.caption(plain(facts(job, title)))
        notice(job)
        buttons(job)


def _picture(job: JobInfo, index: int) -> None:
    try:
        data = remote.thumbnail(job.image_id, index, LARGE)
    except ApiError as error:
        canvas.missing(error)
        return
    if has_before(job):
        compare(job, index, "card")
        return
    with st.container(key=f"frame-large-{job.image_id}-{index}"):
        st.image(data, width="stretch", alt=canvas.alt_of(job, index))
        st.button(
            plain(f"Show in full: {canvas.alt_of(job, index)}"),
            key=f"show-{job.image_id}-{index}",
            on_click=actions.open_job,
            args=(job.image_id, index),
        )


def notice(job: JobInfo) -> None:
    """What people should know of every picture of that backend, if anything."""
    info = remote.backends().named().get(job.backend)
    if info and info.capabilities and info.capabilities.notice:
        st.caption(f":material/info: {plain(info.capabilities.notice)}")


def buttons(job: JobInfo) -> None:
    """What can be done with a finished job at a glance; the drawer has the rest."""
    with st.container(horizontal=True, gap="xsmall", key=f"actions-card-{job.image_id}"):
        if len(job.images) == 1:
            save_button(job, 0, "card", "Download")
        else:
            save_all_button(job, "card")
        if job.request is not None:
            use_settings_button(job, "card")
            st.button(
                "Variation",
                icon=":material/casino:",
                key=f"vary-card-{job.image_id}",
                help="The same on the form, with a new seed for each picture",
                on_click=actions.use_settings,
                args=(job,),
                kwargs={"seed": None},
            )
        # Of several, the drawer knows which one is meant.
        if len(job.images) == 1:
            st.button(
                "Edit",
                icon=":material/brush:",
                key=f"edit-card-{job.image_id}",
                help="Use it as the starting picture: repaint it, a part of it, or enlarge it",
                on_click=actions.edit,
                args=(job.image_id,),
            )
        st.button(
            "Details",
            icon=":material/open_in_full:",
            key=f"open-card-{job.image_id}",
            on_click=actions.open_job,
            args=(job.image_id,),
        )


def use_settings_button(job: JobInfo, place: str) -> None:
    """Filling the form as it was filled for that job."""
    st.button(
        "Use these settings",
        icon=":material/tune:",
        key=f"use-{place}-{job.image_id}",
        help="Puts the prompt, all settings and the seed on the form",
        on_click=actions.use_settings,
        args=(job,),
        kwargs={"seed": job.seed},
    )


def delete_button(job: JobInfo, place: str) -> None:
    """Deleting, after asking once."""
    with st.popover("Delete", icon=":material/delete:", key=f"ask-{place}-{job.image_id}"):
        st.write("The job and its pictures are removed for good." if job.images else "The job is removed for good.")
        st.button(
            "Delete for good",
            type="primary",
            icon=":material/delete_forever:",
            key=f"delete-{place}-{job.image_id}",
            on_click=actions.delete,
            args=(job.image_id,),
        )


def trouble_card(job: JobInfo, title: str, *, drawer: bool = False) -> None:
    """A failed or cancelled job: what happened, what to do, and the button that does it."""
    place = "drawer" if drawer else "card"
    with st.container(border=not drawer, key=f"trouble-{place}-{job.image_id}", gap="xsmall"):
        trouble(job)
        canvas.prompt_line(job)
        st.caption(plain(facts(job, title)))
        with st.container(horizontal=True, gap="xsmall"):
            st.button(
                "Retry",
                icon=":material/replay:",
                key=f"retry-{place}-{job.image_id}",
                on_click=actions.retry,
                args=(job.image_id,),
            )
            if job.request is not None:
                kept = job.seed if st.session_state.get(draft.KEEP_SEED) else None
                st.button(
                    "Change the settings",
                    icon=":material/tune:",
                    key=f"change-{place}-{job.image_id}",
                    on_click=actions.use_settings,
                    args=(job,),
                    kwargs={"seed": kept},
                )
            delete_button(job, place)


def trouble(job: JobInfo) -> None:
    """Why there is no picture."""
    if job.failure is None:
        st.markdown(":gray[:material/block:] **Cancelled.** No picture was made.")
        return
    st.markdown(f":red[:material/error:] **{plain(job.failure.reason)}**")
    charged = {
        "yes": " This attempt was charged.",
        "unknown": " Whether this attempt was charged is not known.",
    }.get(job.failure.charged, "")
    st.markdown(plain(job.failure.advice + charged))


def is_trouble(job: JobInfo) -> bool:
    """Whether it ended without a picture."""
    return job.status is not JobStatus.FINISHED
