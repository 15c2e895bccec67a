"""The button that saves one picture to the visitor's disk; imports Streamlit and the client."""

import attrs
import streamlit as st

from entrypoints.client import JobInfo
from entrypoints.gui import bundle, remote


@attrs.frozen
class Format:
    """Another format that a picture can be had in."""

    #: For people.
    name: str
    #: The service's word.
    word: str
    media_type: str
    #: A file's ending.
    extension: str


def save_button(job: JobInfo, index: int, place: str, label: str, other: Format | None = None) -> None:
    """Saves a picture as it was made, or in another format; `place` tells the button from others for the same picture."""
    # Read in a thread of Streamlit's own, where nobody knows whose session it was.
    read = remote.reading()
    st.download_button(
        label,
        lambda: read(job.image_id, index, other.word if other else None).data,
        file_name=bundle.file_name(job, index, other.extension if other else None),
        mime=other.media_type if other else job.images[index].media_type,
        icon=":material/download:",
        key=f"save-{place}-{job.image_id}-{index}{f'-{other.word}' if other else ''}",
        on_click="ignore",
    )
