"""A picture before and after its edit, with a slider between them; imports Streamlit, the client and this package."""

import streamlit as st

from entrypoints.client import ApiError, JobInfo
from entrypoints.gui import remote
from entrypoints.gui.components import canvas, in_browser
from entrypoints.gui.data_urls import data_url
from imaging_core.images import Operation

#: Longer side of what is shown, in px.
_SIDE = 1024


def has_before(job: JobInfo) -> bool:
    """Whether the job began with a picture."""
    return job.request is not None and job.request.operation is not Operation.GENERATE


def compare(job: JobInfo, index: int, place: str, *, tallest: int = 60) -> None:
    """The job's picture over the one it began with, at most `tallest` percent of the window high; it alone when that is gone."""
    after = remote.thumbnail(job.image_id, index, _SIDE)
    try:
        before = remote.input_picture(job.image_id, "image", _SIDE)
    except ApiError as error:
        if error.status != 404:
            raise
        st.image(after, width="stretch", alt=canvas.alt_of(job, index))
        return
    image = job.images[index]
    in_browser.drawn("compare")(
        key=f"compare-{place}-{job.image_id}-{index}",
        data={
            "id": f"{job.image_id}-{index}",
            "before": data_url(before.data, before.media_type),
            "after": data_url(after, "image/webp"),
            "width": image.width,
            "height": image.height,
            "alt": canvas.alt_of(job, index),
            "altBefore": "The picture before the edit",
            "tallest": tallest,
        },
    )
