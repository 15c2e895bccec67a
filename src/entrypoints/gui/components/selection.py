"""Pictures that somebody has picked in the gallery, over several pages, and what is done to all of them; imports Streamlit."""

from collections.abc import MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from entrypoints.client import ApiError, ClientError, JobInfo
from entrypoints.gui import bundle, clock, remote
from entrypoints.gui.components import actions
from entrypoints.gui.components.saving import zip_button
from entrypoints.gui.words import megabytes, pictures, plain

#: In the session: the picked jobs by id, and whether tiles are picked or opened.
PICKED, PICKING = "gallery.picked", "gallery.picking"

#: Jobs that are deleted at a time.
_AT_ONCE = 4


def picked() -> MutableMapping[str, JobInfo]:
    """The picked jobs, in the order they were picked."""
    found: MutableMapping[str, JobInfo] = st.session_state.setdefault(PICKED, {})
    return found


def picking() -> bool:
    """Whether a click on a tile picks it."""
    return bool(st.session_state.get(PICKING))


def box(job: JobInfo, label: str) -> None:
    """A box over a whole tile."""
    key = f"pick-{job.image_id}"

    def turn() -> None:
        if st.session_state[key]:
            picked()[job.image_id] = job
        else:
            picked().pop(job.image_id, None)

    st.session_state[key] = job.image_id in picked()
    # Nobody sees the label, but a prompt in it could be a link or a picture from elsewhere.
    st.checkbox(plain(f"Pick {label}"), key=key, on_change=turn)


def bar(shown: Sequence[JobInfo]) -> None:
    """What is picked, and what can be done with it; `shown` are the jobs of this page."""
    chosen = tuple(picked().values())
    with st.container(key="picked-bar", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(_sum(chosen), width="content")
        rest = [job for job in shown if job.image_id not in picked()]
        st.button(
            "Pick page",
            icon=":material/select_all:",
            key="picked-page",
            disabled=not rest,
            on_click=lambda: picked().update({job.image_id: job for job in rest}),
        )
        st.button(
            "Pick none", icon=":material/deselect:", key="picked-none", disabled=not chosen, on_click=picked().clear
        )
        _download(chosen)
        _delete(chosen)


def _sum(jobs: Sequence[JobInfo]) -> str:
    if not jobs:
        return "**Nothing picked yet**"
    count = sum(len(job.images) for job in jobs)
    return f"**{len(jobs)} picked** · {pictures(count)}, {megabytes(bundle.weight(jobs))}"


def _download(jobs: Sequence[JobInfo]) -> None:
    zip_button("Download zip", jobs, f"pictures-{clock.now():%Y-%m-%d-%H%M}.zip", "zip", too_many="pick fewer")


def _delete(jobs: Sequence[JobInfo]) -> None:
    with st.popover("Delete", icon=":material/delete:", key="ask-picked", disabled=not jobs):
        count = sum(len(job.images) for job in jobs)
        what = f"{_jobs(len(jobs))} with {pictures(count)}" if count else _jobs(len(jobs))
        st.write(f"{what} will be removed for good.")
        st.button(
            f"Delete {_jobs(len(jobs))} for good",
            type="primary",
            icon=":material/delete_forever:",
            key="delete-picked",
            on_click=delete,
            args=(jobs,),
        )


def delete(jobs: Sequence[JobInfo]) -> None:
    """Forget these jobs and their pictures; those that could not be deleted stay picked."""
    client = remote.client()

    def one(job: JobInfo) -> ClientError | None:
        try:
            client.delete(job.image_id)
        except ApiError as error:
            return None if error.status in (404, 410) else error
        except ClientError as error:
            return error
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        faults = list(pool.map(one, jobs))
    gone = [job for job, fault in zip(jobs, faults, strict=True) if fault is None]
    for job in gone:
        picked().pop(job.image_id, None)
    actions.look_again()
    if gone:
        actions.say(f"{_jobs(len(gone))} deleted.", ":material/delete:")
    if fault := next(filter(None, faults), None):
        told = f"{_jobs(len(jobs) - len(gone))} could not be deleted: {plain(str(fault))}"
        actions.say(told, ":material/error:")


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
