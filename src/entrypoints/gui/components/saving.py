"""The buttons that save pictures to the visitor's disk, one or many; imports Streamlit and the client."""

from collections.abc import Sequence

import attrs
import streamlit as st

from entrypoints.client import ApiError, JobInfo
from entrypoints.gui import bundle, clock, remote
from entrypoints.gui.words import megabytes


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


def save_all_button(job: JobInfo, place: str) -> None:
    """Saves all pictures of a job, as they are, in one zip."""
    zip_button(
        "Download all", (job,), bundle.zip_name(job), f"save-{place}-{job.image_id}", too_many="take single ones"
    )


def zip_button(label: str, jobs: Sequence[JobInfo], file_name: str, key: str, *, too_many: str) -> None:
    """Saves all pictures of these jobs in one zip; `too_many` is what to do when they do not fit in one."""
    wanted = bundle.pieces(jobs)
    most = bundle.weight(jobs) > bundle.MOST_BYTES
    zone = clock.zone()
    st.download_button(
        label,
        _zipper([bundle.local(piece, zone) for piece in wanted]),
        file_name=file_name,
        mime="application/zip",
        icon=":material/folder_zip:",
        key=key,
        disabled=most or not wanted,
        help=f"More than {megabytes(bundle.MOST_BYTES)} do not fit in one zip: {too_many}." if most else None,
        on_click="ignore",
    )


def _zipper(wanted: Sequence[bundle.Piece]) -> "bundle.Zipper":
    read = remote.reading()

    def one(piece: bundle.Piece) -> bytes | None:
        try:
            return read(piece.image_id, piece.index, None).data
        except ApiError as error:
            if error.status in (404, 409, 410):
                return None
            raise

    return lambda: bundle.zipped(wanted, one)
