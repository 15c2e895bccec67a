"""Everything that waits or runs, by backend, and what can be done about it; imports Streamlit, the client and the components."""

import streamlit as st

from entrypoints.client import ClientError
from entrypoints.gui import remote
from entrypoints.gui.components import canvas, operating, outage
from entrypoints.gui.components.queue_past import past
from entrypoints.gui.components.queue_rows import lines
from entrypoints.gui.components.worker_list import worker_list
from entrypoints.gui.words import place_of

#: Seconds between two looks at the queue, at the workers, and at the last hour.
NOW_S, WORKERS_S, PAST_S = 2.0, 5.0, 20.0


def page() -> None:
    """Draw it."""
    try:
        remote.backends()
        operator = remote.workers() is not None
    except ClientError as error:
        outage.page(error)
        return
    st.fragment(_now, run_every=NOW_S)(operator)
    st.fragment(past, run_every=PAST_S)()
    if operator:
        st.fragment(worker_list, run_every=WORKERS_S)()
    operating.ask()


def _now(operator: bool) -> None:
    try:
        jobs, more = remote.queue()
        backends = [info for info in remote.backends().backends if info.configured]
        names = remote.key_names() if operator else {}
    except ClientError as error:
        outage.note(error)
        return
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="queue-head"
    ):
        count = sum(info.waiting + info.started for info in backends) if operator and more else len(jobs)
        st.markdown(_summary(count, exact=operator or not more))
        if jobs:
            st.button(
                "Cancel all …",
                icon=":material/close:",
                key="cancel-all",
                on_click=operating.wish,
                args=("cancel", None),
            )
    if not jobs and not any(info.paused for info in backends):
        st.html(
            f'<div class="empty">{canvas.glyph()}<h2>Nothing is waiting</h2>'
            "<p>Jobs appear here from the moment they are queued until they have ended. Make some on Create.</p></div>"
        )
    for info in sorted(backends, key=lambda info: place_of(info.name)):
        here = tuple(job for job in jobs if job.backend == info.name)
        lines(info, here, names, operator=operator, everything=operator and not more)
    if more:
        st.caption("Of long lines only what was queued first is shown: it runs next.")


def _summary(count: int, *, exact: bool) -> str:
    if not count:
        return "##### The queue"
    jobs = "1 open job" if count == 1 else f"{count} open jobs"
    return f"##### {'' if exact else 'More than '}{jobs}"
