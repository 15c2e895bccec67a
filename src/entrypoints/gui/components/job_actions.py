"""What can be done with one picture of a finished job that is shown in full; imports Streamlit and the client."""

from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from entrypoints.client import JobInfo
from entrypoints.gui import source
from entrypoints.gui.components import actions, likes
from entrypoints.gui.components.ended_card import delete_button, use_settings_button
from entrypoints.gui.components.saving import Format, save_all_button, save_button
from entrypoints.gui.components.variations import variations

#: Formats that a picture can be had in.
_FORMATS = (
    Format("PNG", "png", "image/png", "png"),
    Format("JPEG", "jpeg", "image/jpeg", "jpg"),
    Format("WebP", "webp", "image/webp", "webp"),
)


def job_actions(job: JobInfo, index: int) -> None:
    """Everything, what is done most often first."""
    with st.container(horizontal=True, gap="xsmall", key=f"actions-drawer-{job.image_id}"):
        _downloads(job, index)
        _favourite(job)
        if job.request is not None:
            use_settings_button(job, "drawer")
        variations(job)
        st.button(
            "Use as starting picture",
            icon=":material/brush:",
            key=f"edit-drawer-{job.image_id}",
            help="Repaint it, a part of it, or enlarge it",
            on_click=actions.edit,
            args=(job.image_id, index),
        )
        _link(job, index)
        delete_button(job, "drawer")


def _downloads(job: JobInfo, index: int) -> None:
    """As it was made, and in the other formats behind a button."""
    save_button(job, index, "drawer", "Download")
    with st.popover("Other format", icon=":material/file_export:", key=f"formats-{job.image_id}"):
        for other in _FORMATS:
            if other.media_type != job.images[index].media_type:
                save_button(job, index, "drawer", f"Download {other.name}", other)
    if len(job.images) > 1:
        save_all_button(job, "drawer")


def _favourite(job: JobInfo) -> None:
    st.button(
        "Remove from favourites" if job.favourite else "Add to favourites",
        icon=":material/star:",
        key=f"favourite-{job.image_id}",
        on_click=actions.mark,
        args=(job.image_id,),
        kwargs={"favourite": not job.favourite},
    )


def _link(job: JobInfo, index: int) -> None:
    with st.popover("Link", icon=":material/link:", key=f"link-{job.image_id}"):
        st.caption("Leads to this picture, for everybody who may see it here. Copy it with the button beside it.")
        st.code(link_to(job.image_id, index, st.context.url or ""), language=None, wrap_lines=True)
        if job.request is not None:
            st.caption("Leads to the form, filled with the settings of this picture. It holds no word of the prompt.")
            st.code(link_to_form(job, st.context.url or ""), language=None, wrap_lines=True)


def link_to(image_id: str, index: int, here: str) -> str:
    """The address of a picture, on the page that is at `here`."""
    query = {actions.JOB: image_id} | ({actions.PICTURE: str(index + 1)} if index else {})
    return urlunsplit(urlsplit(here)._replace(query=urlencode(query), fragment=""))


def link_to_form(job: JobInfo, here: str) -> str:
    """The address of the form that a job came from, filled like it, on the page that is at `here`."""
    parts = urlsplit(here)
    page = likes.page_of(job)
    # Streamlit serves the first page at the root alone: under its own name it says that there is no such page.
    path = f"{parts.path.rpartition('/')[0]}/{'' if page == 'create' else page}"
    return urlunsplit(parts._replace(path=path, query=urlencode({source.LIKE: job.image_id}), fragment=""))
