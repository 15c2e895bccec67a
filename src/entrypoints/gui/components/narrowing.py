"""The gallery's search and filters, kept in the session and told by the address; imports Streamlit and the client."""

from collections.abc import Callable, Mapping
from datetime import date

import streamlit as st

from entrypoints.client import Backends
from entrypoints.gui import wanted
from entrypoints.gui.components.selection import PICKING
from entrypoints.gui.wanted import Wanted
from entrypoints.gui.words import plain, section
from imaging_core.jobs import JobStatus

#: In the session: the value of each widget.
_STATUS, _BACKEND, _MODEL, _MADE = "gallery.status", "gallery.backend", "gallery.model", "gallery.made"
_FAVOURITES, _WORDS = "gallery.favourites", "gallery.words"

#: Most characters of a search that the service takes.
_LONGEST = 500


def narrowing(backends: Backends, changed: Callable[[], None]) -> Wanted:
    """Draw them; gives what is wanted now. `changed` is called when that becomes something else."""
    state = st.session_state
    if _STATUS not in state:
        _begin(wanted.from_address(st.query_params.to_dict()))
    with st.container(key="narrowing", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Search in prompts",
            key=_WORDS,
            icon=":material/search:",
            placeholder="Words, in any order",
            on_change=changed,
            persist_state="session",
        )
        behind = _now().behind
        with st.popover(f"Filters ({behind})" if behind else "Filters", icon=":material/tune:", key="filters"):
            _behind(backends, changed)
        st.toggle("Favourites", key=_FAVOURITES, on_change=changed, persist_state="session")
        st.toggle("Pick several", key=PICKING, help="Download or delete many at once", persist_state="session")
    now = _now()
    _tell(now)
    if now.narrowed or now.status is not JobStatus.FINISHED:
        _said(now, backends, changed)
    return now


def _behind(backends: Backends, changed: Callable[[], None]) -> None:
    names = {info.name: section(info.name, info.title) for info in backends.backends}
    st.segmented_control(
        "Status",
        list(map(str, wanted.ENDED)),
        required=True,
        key=_STATUS,
        on_change=changed,
        format_func=str.capitalize,
        persist_state="session",
    )
    _choice("Backend", names, _BACKEND, changed)
    _choice("Model", {model: model for model in _models(backends, st.session_state[_BACKEND])}, _MODEL, changed)
    # Without a value of its own: the session has one, and two would be told of in the log.
    st.date_input(
        "Made",
        key=_MADE,
        format="YYYY-MM-DD",
        help="One day or the first and the last of several",
        on_change=changed,
        persist_state="session",
    )


def _choice(label: str, names: Mapping[str, str], key: str, changed: Callable[[], None]) -> None:
    """One of these or any; also one that is no longer among them, since jobs outlive what made them."""
    chosen = st.session_state[key]
    st.selectbox(
        label,
        [*names, *([chosen] if chosen and chosen not in names else [])],
        index=None,
        key=key,
        placeholder="Any",
        format_func=lambda name: names.get(name, name),
        accept_new_options=key == _MODEL,
        on_change=changed,
        persist_state="session",
    )


def _models(backends: Backends, backend: str | None) -> list[str]:
    found: dict[str, None] = {}
    for info in backends.backends:
        parameter = info.capabilities and info.capabilities.parameter("checkpoint")
        if parameter and backend in (None, info.name):
            found.update(dict.fromkeys(parameter.choices))
    return list(found)


def _begin(first: Wanted) -> None:
    state = st.session_state
    state[_STATUS], state[_BACKEND], state[_MODEL] = str(first.status), first.backend, first.model
    state[_MADE] = tuple(day for day in (first.since, first.until) if day)
    state[_FAVOURITES] = first.favourites


def _now() -> Wanted:
    state = st.session_state
    made: tuple[date, ...] = state.get(_MADE) or ()
    return Wanted(
        status=JobStatus(state.get(_STATUS) or JobStatus.FINISHED),
        backend=state.get(_BACKEND),
        model=state.get(_MODEL),
        since=made[0] if made else None,
        until=made[-1] if made else None,
        favourites=bool(state.get(_FAVOURITES)),
        words=" ".join((state.get(_WORDS) or "").split())[:_LONGEST],
    )


def _tell(now: Wanted) -> None:
    told = now.address()
    for name in wanted.NAMES:
        if name in told:
            st.query_params[name] = told[name]
        else:
            st.query_params.pop(name, None)


def _said(now: Wanted, backends: Backends, changed: Callable[[], None]) -> None:
    """What narrows the gallery out of sight, and the way back to everything."""
    names = {info.name: section(info.name, info.title) for info in backends.backends}
    days = " to ".join(dict.fromkeys(day.isoformat() for day in (now.since, now.until) if day))
    said = (
        "" if now.status is JobStatus.FINISHED else str(now.status).capitalize(),
        names.get(now.backend or "", now.backend or ""),
        now.model or "",
        days,
    )

    def clear() -> None:
        _begin(Wanted())
        st.session_state[_WORDS] = ""
        changed()

    with st.container(key="narrowed", horizontal=True, vertical_alignment="center", gap="xsmall"):
        if any(said):
            st.caption(plain(" · ".join(filter(None, said))), width="content")
        st.button("Show everything", type="tertiary", icon=":material/close:", key="show-everything", on_click=clear)
