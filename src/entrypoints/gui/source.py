"""The picture that an edit begins with: a file, or a job's; imports stdlib, attrs, Pillow behind the intake, Streamlit and the client.

A job's is named in the address, so that a link to it and a reload lead to the same; a file is kept in the session.
"""

import hashlib
import io

import attrs
import streamlit as st
from PIL import Image

from adapters.pillow.intake import CleanPicture, IntakeLimits, clean_picture
from entrypoints.client import ApiError, JobInfo, Problem, Provenance
from entrypoints.gui import remote
from entrypoints.gui.data_urls import data_url
from entrypoints.gui.words import shortened

#: In the address: the job whose picture it is, and which of them; or a job that is to be done again.
FROM, INDEX, LIKE = "from", "index", "like"

#: Longer side of what is shown while it is edited, in px.
_SIDE = 1024

_FILE = "edit.file"


@attrs.frozen(kw_only=True)
class Source:
    """A picture to begin with."""

    #: Differs for every picture.
    id: str
    #: Size in px, upright.
    width: int
    height: int
    #: For people.
    title: str
    #: A small copy as a data: URL.
    shown: str = attrs.field(repr=False)
    #: A finished job's picture; None for a file.
    image_id: str | None = None
    index: int = 0
    #: The file.
    data: bytes | None = attrs.field(default=None, repr=False)
    #: What it shows, in the words it was made with; empty when nobody knows.
    words: str = attrs.field(default="", repr=False)
    #: What the file says of how it was made, if that could be asked for again.
    told: Provenance | None = attrs.field(default=None, repr=False)


def chosen() -> Source | None:
    """The picture that the address names, or the one that was brought. Raises ClientError when it is not there."""
    if image_id := st.query_params.get(FROM):
        return _of_job(remote.job(image_id), _index())
    if image_id := st.query_params.get(LIKE):
        return _input_of(remote.job(image_id))
    found: Source | None = st.session_state.get(_FILE)
    return found


def _index() -> int:
    text = st.query_params.get(INDEX, "0")
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def _of_job(job: JobInfo, index: int) -> Source:
    picture = next((image for image in job.images if image.index == index), None)
    if picture is None:
        raise _not_there("That job has no such picture to begin with.")
    return Source(
        id=f"{job.image_id}-{index}",
        image_id=job.image_id,
        index=index,
        width=picture.width,
        height=picture.height,
        title=_title(job),
        words=job.request.prompt if job.request else "",
        shown=data_url(remote.thumbnail(job.image_id, index, _SIDE), "image/webp"),
    )


def id_of_input(job: JobInfo) -> str:
    """Of the picture that a job began with."""
    return f"{job.image_id}-input"


def _input_of(job: JobInfo) -> Source:
    brought = job.request.init_image if job.request else None
    if brought is None:
        raise _not_there("That job did not begin with a picture.")
    small = remote.input_picture(job.image_id, "image", _SIDE)
    return Source(
        id=id_of_input(job),
        data=remote.input_picture(job.image_id, "image").data,
        width=brought.width,
        height=brought.height,
        title=_title(job),
        shown=data_url(small.data, small.media_type),
    )


def _title(job: JobInfo) -> str:
    return shortened(job.request.prompt, 80) if job.request and job.request.prompt else "A picture made here"


def _not_there(detail: str) -> ApiError:
    return ApiError(Problem(status=404, type="about:blank", title="Not found", detail=detail))


def bring(name: str, data: bytes, told: Provenance | None) -> Source:
    """Begin with that file, and what it says of itself. Raises ValueError, to follow "The picture", for what is none."""
    clean = clean_picture(data, IntakeLimits())
    source = Source(
        id=hashlib.sha256(data).hexdigest()[:32],
        data=data,
        width=clean.width,
        height=clean.height,
        title=shortened(name, 60),
        shown=_small(clean),
        words=str((told.settings or {}).get("prompt", "")) if told else "",
        told=told if told and told.settings else None,
    )
    forget()
    st.session_state[_FILE] = source
    return source


def choose(image_id: str, index: int = 0) -> None:
    """Begin with a job's picture."""
    forget()
    st.query_params[FROM] = image_id
    if index:
        st.query_params[INDEX] = str(index)


def forget() -> None:
    """Begin with nothing."""
    st.session_state.pop(_FILE, None)
    for name in (FROM, INDEX, LIKE):
        st.query_params.pop(name, None)


def _small(clean: CleanPicture) -> str:
    # What was judged and written anew a moment ago: nothing of what was sent is decoded a second time.
    with Image.open(io.BytesIO(clean.data)) as image:
        image.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=86)
    return data_url(out.getvalue(), "image/jpeg")
