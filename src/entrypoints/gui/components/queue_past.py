"""How many jobs waited in the last hour, and how long, as plots; imports Streamlit and the client."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import ClientError, Minute
from entrypoints.gui import remote
from entrypoints.gui.words import ago, duration, number, place_of, section

#: Of a plot, its legend included, in px.
_HEIGHT = 230

Past = Mapping[str, Sequence[Minute]]


def past() -> None:
    """Two plots, or a word that there was nothing; nothing while the service is away, which the page says already."""
    try:
        infos = sorted((i for i in remote.backends().backends if i.configured), key=lambda info: place_of(info.name))
        found = {section(info.name, info.title): remote.history(info.name) for info in infos}
    except ClientError:
        return
    busy = {title: minutes for title, minutes in found.items() if any(m.waiting or m.started for m in minutes)}
    st.markdown("##### The last hour")
    if not busy:
        st.caption("No busy minute yet. The plots begin with the first that is over.")
        return
    depth, wait = st.columns(2)
    with depth:
        st.caption("Jobs waiting, at most in each minute")
        _plot(busy, "waiting", "jobs", depth_words(busy))
    with wait:
        st.caption("Longest wait, in s")
        _plot(busy, "longest_wait_s", "s", wait_words(busy))


def _plot(past: Past, figure: str, unit: str, words: str) -> None:
    values = [
        {"at": minute.at.isoformat(), "backend": title, unit: getattr(minute, figure)}
        for title, minutes in past.items()
        for minute in minutes
    ]
    # Written out for Vega-Lite, which the browser has anyway: Altair would be half a second of imports for the first visitor.
    spec = {
        "data": {"values": values},
        # Before, not after: the minute of now has no width yet, and would not be seen.
        "mark": {"type": "line", "interpolate": "step-before", "strokeWidth": 2},
        "encoding": {
            "x": {"field": "at", "type": "temporal", "title": None, "axis": {"format": "%H:%M", "tickCount": 6}},
            "y": {
                "field": unit,
                "type": "quantitative",
                "title": None,
                # Of noughts alone it would make an axis without any width.
                "scale": {"domainMin": 0} | ({} if any(v[unit] for v in values) else {"domainMax": 1}),
                # There are no half jobs.
                "axis": {"tickMinStep": 1} if unit == "jobs" else {},
            },
            "color": {"field": "backend", "type": "nominal", "title": None, "legend": {"orient": "bottom"}},
            "tooltip": [
                {"field": "backend", "type": "nominal", "title": "Backend"},
                {"field": "at", "type": "temporal", "title": "At", "format": "%H:%M"},
                {"field": unit, "type": "quantitative", "title": unit},
            ],
        },
    }
    st.vega_lite_chart(spec=spec, width="stretch", height=_HEIGHT, alt=words, key=f"past-{figure}")


def depth_words(past: Past) -> str:
    """The plot of the depth for those who cannot see it."""
    return _words("Jobs waiting", past, lambda minute: minute.waiting, number)


def wait_words(past: Past) -> str:
    """The plot of the wait for those who cannot see it."""
    return _words("Longest wait", past, lambda minute: minute.longest_wait_s, duration)


def _words(what: str, past: Past, figure: Callable[[Minute], float], said: Callable[[float], str]) -> str:
    parts, now = [], datetime.now(UTC).astimezone()
    for title, minutes in past.items():
        most = max(minutes, key=figure)
        parts.append(f"{title} {said(figure(minutes[-1]))} now, at most {said(figure(most))} {ago(most.at, now)}")
    return f"{what} in the last hour: {'; '.join(parts)}."
