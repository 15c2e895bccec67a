"""Takes a job's settings over into the form they came from; the address names the job, so prompts stay out of it. Imports Streamlit."""

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo
from entrypoints.gui import draft, remote, source
from entrypoints.gui.components import painter
from entrypoints.gui.edits import Mode, form_of
from entrypoints.gui.words import name_of, plain
from imaging_core.images import Operation

#: In the session: the job whose settings are on the form already.
_TAKEN = "like.taken"


def page_of(job: JobInfo) -> str:
    """Where jobs of that kind are made."""
    made_anew = job.request is None or job.request.operation is Operation.GENERATE
    return "create" if made_anew else "edit"


def take_over(job: JobInfo, *, seed: int | None) -> str:
    """Fill the form, with that seed or with a new one for each picture; gives what to say about it.

    Raises ValueError with a sentence when there is no such form now, ClientError when the service is away.
    """
    info = remote.backends().named().get(job.backend)
    if info is None or info.capabilities is None or job.request is None:
        raise ValueError(f"{name_of(job.backend)} is not there now, so its form cannot be filled.")
    form, request = info.capabilities, job.request
    if request.operation is not Operation.GENERATE:
        form = form_of(form, _mode_of(job))
    lost = draft.fill(request, form, st.session_state, seed=seed)
    st.session_state[_TAKEN] = job.image_id
    if request.mask is not None:
        mask = remote.input_picture(job.image_id, "mask")
        painter.bring(source.id_of_input(job), mask.data, mask.media_type)
    if lost:
        return f"Taken over, but for what is no longer there: {', '.join(map(name_of, lost))}."
    return "The settings are on the form."


def _mode_of(job: JobInfo) -> Mode:
    if job.request is not None and job.request.operation is Operation.UPSCALE:
        return Mode.ENLARGE
    return Mode.PART if job.request is not None and job.request.mask is not None else Mode.WHOLE


def from_address(page: str) -> tuple[str, dict[str, str]] | None:
    """Fill the form if the address asks for it and that was not done yet; gives the page to turn to if it is another one's."""
    image_id = st.query_params.get(source.LIKE)
    if not image_id or st.session_state.get(_TAKEN) == image_id:
        return None
    try:
        job = remote.job(image_id)
        if page_of(job) != page:
            return page_of(job), {source.LIKE: image_id}
        told = take_over(job, seed=job.seed)
    except (ClientError, ValueError) as error:
        gone = isinstance(error, ApiError) and error.status in (404, 410)
        told = "There is no such job any more, so its settings cannot be used." if gone else str(error)
        st.query_params.pop(source.LIKE, None)
    st.toast(plain(told), icon=":material/tune:")
    return None
