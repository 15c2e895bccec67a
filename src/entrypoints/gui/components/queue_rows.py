"""The line before one backend: whether it is paused, what runs, what waits and whose it is; imports Streamlit and the client."""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import BackendInfo, JobInfo
from entrypoints.gui.components import actions, operating
from entrypoints.gui.words import ago, duration, plain, section, shortened
from imaging_core.jobs import JobStatus

#: Most jobs of one backend that are drawn, until all are asked for.
MOST = 10


def lines(
    info: BackendInfo, jobs: Sequence[JobInfo], names: Mapping[str, str], *, operator: bool, everything: bool
) -> None:
    """One backend with its open jobs: those under way, then the others as they are in line.

    `everything` says that no open job is left out of `jobs`.
    """
    with st.container(border=True, key=f"line-{info.name}", gap="small"):
        _head(info, _counts(info, jobs if everything else None), operator=operator)
        if info.paused is not None:
            st.html(f'<div class="notice" role="status">{html.escape(pause_words(info))}</div>')
        ordered = sorted(jobs, key=_order)
        whole = len(ordered) <= MOST + 1 or st.session_state.get(f"queue.whole.{info.name}")
        with st.container(gap=None, key=f"rows-{info.name}"):
            for job in ordered if whole else ordered[:MOST]:
                _row(job, names)
        if not whole:
            st.button(
                f"Show {len(ordered) - MOST} more",
                key=f"whole-{info.name}",
                type="tertiary",
                icon=":material/expand_more:",
                on_click=_show_whole,
                args=(info.name,),
            )


def pause_words(info: BackendInfo) -> str:
    """Since when a backend is paused, and why."""
    if info.paused is None:
        return ""
    when = ago(info.paused.since, datetime.now(UTC).astimezone())
    said = f" {info.paused.reason}" if info.paused.reason else ""
    return f"Paused by an operator, {when}: what waits goes on once it is resumed.{said}"


def _counts(info: BackendInfo, jobs: Sequence[JobInfo] | None) -> str:
    """How many run and wait: those that are seen, if that is everybody's; what is told of a backend is some seconds old."""
    started, waiting = info.started, info.waiting
    if jobs is not None:
        started = sum(1 for job in jobs if job.status is JobStatus.STARTED)
        waiting = len(jobs) - started
    return f"{started} under way, {waiting} waiting{' in all' if jobs is None else ''}"


def _head(info: BackendInfo, counts: str, *, operator: bool) -> None:
    title = section(info.name, info.title)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
            st.markdown(f"###### {plain(title)}")
            if info.paused is not None:
                st.badge("paused", icon=":material/pause:", color="orange")
            elif not info.answers:
                st.badge("does not answer", icon=":material/cloud_off:", color="orange")
            st.caption(counts)
        if operator and info.paused is None:
            st.button(
                "Pause …",
                icon=":material/pause:",
                key=f"pause-{info.name}",
                help=f"Begin no more jobs on {plain(title)} until it is resumed",
                on_click=operating.wish,
                args=("pause", info.name),
            )
        elif operator:
            st.button(
                "Resume",
                icon=":material/play_arrow:",
                type="primary",
                key=f"resume-{info.name}",
                help=f"Begin the jobs that wait for {plain(title)}",
                on_click=operating.resume,
                args=(info.name, title),
            )


def _order(job: JobInfo) -> tuple[bool, int, datetime]:
    return job.status is not JobStatus.STARTED, job.queue_position or 0, job.created_at


def _show_whole(backend: str) -> None:
    st.session_state[f"queue.whole.{backend}"] = True


def _row(job: JobInfo, names: Mapping[str, str]) -> None:
    prompt = shortened(job.request.prompt, 140) if job.request and job.request.prompt else "No prompt"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row-{job.image_id}"):
        st.html(
            f'<div class="row"><span class="place" data-status="{job.status}">{html.escape(_place(job))}</span>'
            f'<span class="what">{html.escape(prompt)}</span>'
            f'<span class="quiet">{html.escape(_facts(job, names))}</span></div>'
        )
        st.button(
            "Cancel",
            key=f"cancel-row-{job.image_id}",
            icon=":material/close:",
            type="tertiary",
            help=plain(f"Cancel: {shortened(prompt, 60)}"),
            disabled=job.cancel_requested,
            on_click=actions.cancel,
            args=(job.image_id,),
        )


def _place(job: JobInfo) -> str:
    if job.status is JobStatus.STARTED:
        return "runs" if job.parked is None else "waits"
    return f"{job.queue_position}." if job.queue_position else "…"


def _facts(job: JobInfo, names: Mapping[str, str]) -> str:
    since = (datetime.now(UTC) - (job.started_at or job.created_at)).total_seconds()
    age = f"{'began' if job.started_at else 'queued'} {duration(since)} ago"
    if job.cancel_requested:
        age = "stopping …"
    owner = f"of {names.get(job.owner, job.owner)}" if names and job.owner else ""
    count = f"{job.count} pictures" if job.count > 1 else ""
    return " · ".join(filter(None, (age, count, owner)))
