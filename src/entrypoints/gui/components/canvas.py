"""The place where a picture is or will be, kept in its shape so that nothing jumps; imports Streamlit and the client."""

import html

import streamlit as st

from entrypoints.client import ApiError, JobInfo, Picture
from entrypoints.gui import assets
from entrypoints.gui.data_urls import data_url
from entrypoints.gui.words import shortened

#: Longest alternative text, in characters.
_ALT = 120

#: The studio's mark.
MARK = assets.FOLDER / "mark.svg"


def glyph(*, pulse: bool = False) -> str:
    """The mark as a decoration, for where there is nothing else to see."""
    mark = data_url(MARK.read_bytes(), "image/svg+xml")
    return f'<img class="glyph{" pulse" if pulse else ""}" alt="" src="{mark}">'


def ratio_of(job: JobInfo) -> str:
    """The picture's shape as CSS has it: "3 / 2"."""
    if job.images:
        return f"{job.images[0].width} / {job.images[0].height}"
    if job.request is not None:
        wide, _, high = str(job.request.options.get("aspect_ratio", "")).partition(":")
        if wide.isdigit() and high.isdigit() and int(wide) and int(high):
            return f"{wide} / {high}"
        if job.request.width and job.request.height:
            return f"{job.request.width} / {job.request.height}"
    return "1 / 1"


def alt_of(job: JobInfo, index: int = 0) -> str:
    """What a picture shows, for those who cannot see it: its prompt is the best there is."""
    prompt = shortened(job.request.prompt, _ALT) if job.request else job.image_id
    return f"Picture {index + 1} of {job.count}: {prompt}" if job.count > 1 else f"Picture: {prompt}"


def preview(job: JobInfo, picture: Picture | None) -> None:
    """How far the picture is, or a quiet surface while there is nothing to see."""
    inner = '<div class="shimmer" aria-hidden="true"></div>'
    if picture is not None:
        # In the page itself: a link would be dead by the time a slow browser asks for it.
        shown = html.escape(data_url(picture.data, picture.media_type))
        inner = f'<img src="{shown}" alt="Preview of the picture so far">'
    st.html(f'<div class="canvas" style="aspect-ratio: {ratio_of(job)}">{inner}</div>')


def missing(error: ApiError) -> None:
    """In place of a picture that is not there: deleted since the list was read, or lost from the store."""
    gone = error.status in (404, 410)
    st.html(f'<div class="canvas nothing">{"deleted" if gone else html.escape(str(error))}</div>')


def prompt_line(job: JobInfo) -> None:
    """The prompt, on three lines at most."""
    if job.request is not None:
        st.html(f'<p class="prompt">{html.escape(job.request.prompt)}</p>')


def whole_prompt(job: JobInfo) -> None:
    """All of the prompt, with a button beside it that copies it."""
    if job.request is not None and job.request.prompt:
        with st.container(key="whole-prompt"):
            st.code(job.request.prompt, language=None, wrap_lines=True)
