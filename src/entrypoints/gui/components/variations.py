"""More pictures by the settings of one, each with a seed of its own; imports Streamlit, the client and the core's values."""

import secrets
from typing import Any

import streamlit as st

from entrypoints.client import BackendInfo, ClientError, JobInfo
from entrypoints.gui import remote
from entrypoints.gui.components import actions
from entrypoints.gui.words import credit_sum, pictures, plain
from imaging_core.capabilities import Capabilities
from imaging_core.images import ImageRequest, Operation

#: Most variations at a time.
_MOST = 8

#: What of a request is asked for again; its seed is not.
_AGAIN = ("negative_prompt", "checkpoint", "sampler", "scheduler", "steps", "cfg_scale", "width", "height", "strength")


def variations(job: JobInfo) -> None:
    """Asks how many, says what they cost, and queues them. Nothing for an enlargement: there would be no difference."""
    if job.request is None or job.request.operation is Operation.UPSCALE:
        return
    info = remote.backends().named().get(job.backend)
    if info is None or info.capabilities is None:
        return
    with st.popover("Variations", icon=":material/casino:", key=f"vary-drawer-{job.image_id}"):
        _form(job, job.request, info, info.capabilities)


def _form(job: JobInfo, request: ImageRequest, info: BackendInfo, able: Capabilities) -> None:
    key = f"variations-{job.image_id}"
    st.session_state.setdefault(key, 4)
    count = st.number_input("How many", 1, _MOST, step=1, key=key)
    told = "The same settings, each picture with a new seed."
    if able.paid:
        told += f" Costs **{credit_sum(sum(able.price(one) for one in _asked(request, able, count)))}**."
    st.caption(told)
    st.button(
        f"Make {pictures(count)}",
        type="primary",
        icon=":material/auto_awesome:",
        key=f"make-{key}",
        on_click=_submit,
        args=(job, _asked(request, able, count)),
    )
    if not info.answers:
        st.caption(plain(f"{info.message} They can be queued all the same."))


def _asked(request: ImageRequest, able: Capabilities, count: int) -> list[ImageRequest]:
    """One request for all, or as many as are needed where a request may not have so many pictures."""
    parameter = able.parameter("count", request.checkpoint, request.operation)
    most = int(parameter.maximum or 1) if parameter else 1
    sizes = [min(most, count - done) for done in range(0, count, most)]
    return [request.with_values({"count": size, "seed": None, "batch_size": 1}) for size in sizes]


def _submit(job: JobInfo, asked: list[ImageRequest]) -> None:
    count = sum(one.count for one in asked)
    # One key until the service has taken them: pressing again after a lost answer makes no second set.
    pending = f"variations-key-{job.image_id}-{count}"
    key = st.session_state.setdefault(pending, secrets.token_hex(16))
    try:
        if job.request is not None and job.request.operation is Operation.EDIT:
            _edit_again(job, asked, key)
        else:
            remote.client().submit_all([_settings(one) for one in asked], backend=job.backend, idempotency_key=key)
    except ClientError as error:
        actions.say(plain(str(error)), ":material/error:")
    else:
        del st.session_state[pending]
        actions.say(f"{pictures(count)} queued. They can be watched on Create.", ":material/casino:")


def _edit_again(job: JobInfo, asked: list[ImageRequest], key: str) -> None:
    """The same beginning, and the same mask, are sent once more."""
    picture = remote.input_picture(job.image_id, "image").data
    masked = job.request is not None and job.request.mask is not None
    mask = remote.input_picture(job.image_id, "mask").data if masked else None
    for number, one in enumerate(asked):
        told = _settings(one)
        prompt = str(told.pop("prompt"))
        remote.client().edit(prompt, picture, mask=mask, backend=job.backend, idempotency_key=f"{key}-{number}", **told)


def _settings(request: ImageRequest) -> dict[str, Any]:
    named = {name: request.value(name) for name in _AGAIN}
    return {"prompt": request.prompt, **{k: v for k, v in named.items() if v not in (None, "")}, **request.options} | (
        {"count": request.count} if request.count > 1 else {}
    )
