"""One job in full, in a drawer that the address leads to; imports Streamlit and the client."""

import html
from datetime import datetime

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo
from entrypoints.gui import clock, draft, remote, visitor
from entrypoints.gui.beside import Beside
from entrypoints.gui.components import actions, canvas, outage, viewer
from entrypoints.gui.components.compare import compare, has_before
from entrypoints.gui.components.ended_card import is_trouble, notice, trouble_card
from entrypoints.gui.components.job_actions import job_actions
from entrypoints.gui.components.live_card import live_card
from entrypoints.gui.words import credit_sum, duration, megabytes, name_of, number, plain, section
from imaging_core.images import ImageRequest


def show_named() -> None:
    """Open the drawer when the address names a job."""
    if image_id := actions.named():
        _drawer(image_id)


@st.dialog("Details", width="medium", position="right", on_dismiss=actions.close)
def _drawer(opened: str) -> None:
    # A step to another job draws only the drawer anew, and the address has gone on.
    image_id = actions.named() or opened
    try:
        job = remote.job(image_id)
        title = titles().get(job.backend, job.backend)
        if not job.status.terminal:
            _still_open(job.image_id, title)
        elif is_trouble(job):
            near = viewer.around(job, 0)
            viewer.viewer(job, 0, near)
            trouble_card(job, title, drawer=True)
            _turning(near)
            _settings(job, title)
        else:
            index = _index(job)
            near = viewer.around(job, index)
            viewer.viewer(job, index, near)
            _picture(job, index)
            _turning(near)
            canvas.whole_prompt(job)
            notice(job)
            job_actions(job, index)
            _settings(job, title)
        actions.speak()
    except ApiError as error:
        if visitor.wants_key(error):
            outage.note(error)
        gone = error.status in (404, 410)
        text = "There is no such job any more. It may have been deleted." if gone else str(error)
        st.info(plain(text), icon=":material/search_off:")
    except ClientError as error:
        st.info(plain(str(error)), icon=":material/cloud_off:")


def titles() -> dict[str, str]:
    """What people call each backend."""
    return {backend.name: section(backend.name, backend.title) for backend in remote.backends().backends}


@st.fragment(run_every=1)
def _still_open(image_id: str, title: str) -> None:
    try:
        job = remote.job(image_id)
        if job.status.terminal:
            st.rerun()
        live_card(job, title, place="drawer")
    except ClientError as error:
        outage.note(error)


def _index(job: JobInfo) -> int:
    """Which of its pictures the address names; the first where it names none that there is."""
    told = st.query_params.get(actions.PICTURE, "1")
    number = int(told) if told.isascii() and told.isdigit() and len(told) < 5 else 1
    return min(max(number - 1, 0), len(job.images) - 1)


def _picture(job: JobInfo, index: int) -> None:
    """The picture in full; of an edit, over the one that it began with."""
    twice = has_before(job)
    if twice:
        compare(job, index, "drawer", tallest=64)
    with st.container(key="pictured-twice" if twice else "pictured"), st.container(key=viewer.frame(job, index)):
        st.image(remote.picture(job.image_id, index).data, width="stretch", alt=canvas.alt_of(job, index))


def _turning(near: Beside) -> None:
    if not near.told:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="pictures"):
        for label, icon, to in (("Previous", "left", near.before), ("Next", "right", near.after)):
            if label == "Next":
                st.caption(near.told, width="content")
            st.button(
                label,
                icon=f":material/chevron_{icon}:",
                key=f"{label}-picture",
                type="tertiary",
                disabled=to is None,
                on_click=viewer.go,
                args=(to,),
            )


def _settings(job: JobInfo, title: str) -> None:
    rows = [("Status", str(job.status)), ("Backend", title)]
    if job.route is not None:
        rows.append(("Why there", job.route))
    if job.request is not None:
        rows += _asked(job.request)
    if len(job.images) > 1:
        rows.append(("Seeds", ", ".join(str(image.seed) for image in job.images)))
    elif job.seed is not None:
        rows.append(("Seed", str(job.seed)))
    if job.images:
        first = job.images[0]
        rows.append(("Size", f"{first.width} × {first.height} px, {megabytes(first.size)}"))
    if job.cost_credits:
        rows.append(("Cost", credit_sum(job.cost_credits)))
    rows.append(("Made", _moment(job.created_at)))
    if job.took is not None:
        rows.append(("Took", duration(job.took.total_seconds())))
    if job.attempt > 1:
        rows.append(("Attempts", str(job.attempt)))
    rows.append(("Id", job.image_id))
    cells = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    st.html(f'<dl class="facts">{cells}</dl>')


def _asked(request: ImageRequest) -> list[tuple[str, str]]:
    named = ("negative_prompt", "checkpoint", "sampler", "scheduler", "steps", "cfg_scale", "strength")
    values = [(name, request.value(name)) for name in named] + sorted(draft.meant(request.options).items())
    return [(name_of(name), _shown(value)) for name, value in values if value not in (None, "", ())]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value)
    return number(value) if isinstance(value, int | float) else str(value)


def _moment(moment: datetime) -> str:
    local = moment.astimezone(clock.zone())
    return f"{local.day} {local:%B %Y, %H:%M:%S}"
