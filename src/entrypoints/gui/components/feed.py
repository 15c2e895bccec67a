"""Jobs under way and what came of the last ones, kept current by itself; imports Streamlit and the client."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from entrypoints.client import ClientError, JobInfo, JobsPage
from entrypoints.gui import beside, remote
from entrypoints.gui.components import actions, canvas, outage, problems, tile, viewer
from entrypoints.gui.components.drawer import titles
from entrypoints.gui.components.ended_card import is_trouble, picture_card, trouble_card
from entrypoints.gui.components.live_card import live_jobs

#: Seconds between two looks, while something happens and while nothing does.
QUICK_S, CALM_S = 0.8, 4.0

#: Most live cards, and most ended jobs beneath them.
MOST_LIVE, MOST_ENDED = 6, 13

#: Most failed or cancelled jobs above the newest picture, and for how long they stand there.
MOST_TROUBLES = 2
NEWS = timedelta(minutes=15)

#: What the page is called.
NAME = "Imaging"

_WATCHED, _AWAY = "watched", "away"

EXAMPLES = (
    "A lighthouse on a cliff at dusk, storm clouds, warm light in the window",
    "A quiet mountain lake at sunrise, mist over the water, pine forest",
    "A neon-lit city street in the rain, reflections, cinematic",
    "A castle on a hill in autumn, golden hour, birds in the sky, oil painting",
)


def feed(backends: object, nothing_yet: Callable[[], object] | None = None) -> None:
    """The feed. `backends` is what the page was drawn for; it is drawn anew when that is no longer so.

    `nothing_yet` draws what stands there before the first job.
    """
    quick = bool(st.session_state.get(_WATCHED))
    st.fragment(_feed, run_every=QUICK_S if quick else CALM_S)(backends, nothing_yet or _nothing_yet)


def _feed(backends: object, nothing_yet: Callable[[], object]) -> None:
    try:
        running, ended = remote.open_jobs(), remote.ended_jobs(limit=MOST_ENDED)
        if _stale(running, backends):
            st.rerun()
        _draw(running, ended, nothing_yet)
    except ClientError as error:
        st.session_state[_AWAY] = True
        outage.note(error)


def _draw(running: JobsPage, ended: JobsPage, nothing_yet: Callable[[], object]) -> None:
    names = titles()
    # Who has turned to another tab sees there when it is done.
    busy = len(running.jobs)
    st.set_page_config(page_title=f"({busy}{'+' if running.next_cursor else ''}) {NAME}" if busy else NAME)
    st.html('<div id="feed"></div>')
    if running.jobs:
        live_jobs(running, names, most=MOST_LIVE)
    viewer.listed(beside.shown(ended.jobs))
    if ended.jobs:
        _ended(ended.jobs, names)
    elif not running.jobs:
        nothing_yet()
    if ended.next_cursor is not None:
        st.page_link(st.session_state[actions.GALLERY], label="All pictures", icon=":material/photo_library:")


def _stale(running: JobsPage, backends: object) -> bool:
    """Whether the page was drawn for another pace, for other backends than there are now, or while the service was away."""
    returned = st.session_state.pop(_AWAY, False)
    if returned:
        problems.service_is_back()
    busy = bool(running.jobs)
    other_pace = bool(st.session_state.get(_WATCHED)) != busy
    st.session_state[_WATCHED] = busy
    return returned or other_pace or signature() != backends


def signature() -> object:
    """What of the backends the form depends on."""
    known = remote.backends()
    # What a backend says while it answers (credits left) changes all the time, and the form does not show it.
    return known.default, tuple(
        (b.name, b.configured, b.answers, None if b.answers else b.message, b.paused, b.capabilities)
        for b in known.backends
    )


def _ended(jobs: Sequence[JobInfo], names: dict[str, str]) -> None:
    newest = next((i for i, job in enumerate(jobs) if not is_trouble(job)), len(jobs))
    # What went wrong lately and since the last good picture is news; the rest is history.
    since = datetime.now(UTC) - NEWS
    news = [job for job in jobs[:newest] if (job.finished_at or job.created_at) > since][:MOST_TROUBLES]
    for job in news:
        trouble_card(job, names.get(job.backend, job.backend))
    if newest < len(jobs):
        picture_card(jobs[newest], names.get(jobs[newest].backend, jobs[newest].backend))
    earlier = (*jobs[len(news) : newest], *jobs[newest + 1 :])
    if earlier:
        st.markdown("##### Earlier")
        tile.grid(tuple(earlier), "feed")


def _nothing_yet() -> None:
    st.html(
        f'<div class="empty">{canvas.glyph()}<h2>Your pictures appear here</h2>'
        "<p>Describe a picture, press <b>Generate</b>, and watch it come into being. "
        "Or begin with one of these:</p></div>"
    )
    with st.container(key="examples", horizontal=True, horizontal_alignment="center", gap="xsmall"):
        for number, example in enumerate(EXAMPLES):
            st.button(example, key=f"example-{number}", on_click=actions.use_prompt, args=(example,), wrap=True)
