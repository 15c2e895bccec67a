"""The parts that forms are made of, each drawn where its backend has it; imports Streamlit, the client and the core's values."""

import streamlit as st

from entrypoints.client import BackendInfo
from entrypoints.gui import draft
from entrypoints.gui.components import problems
from entrypoints.gui.components.fields import field
from entrypoints.gui.components.seed import seed
from entrypoints.gui.words import plain
from imaging_core.capabilities import Capabilities
from imaging_core.parameters import Parameter


def why_jobs_wait(info: BackendInfo) -> None:
    """That the backend is stopped or does not answer, if it is so."""
    if info.paused is not None:
        st.warning(
            plain(f"An operator has paused this backend. Jobs are taken and wait. {info.paused.reason}".strip()),
            icon=":material/pause:",
        )
    elif not info.answers:
        st.warning(plain(f"{info.message} Jobs can be queued all the same; they wait until it is back."))


def words(capabilities: Capabilities, name: str, label: str, placeholder: str, height: int) -> None:
    """A prompt, if the backend takes it."""
    form = capabilities.backend
    if not capabilities.parameter(name, draft.checkpoint_of(capabilities, st.session_state)):
        return
    key = draft.key_of(form, name)
    st.session_state.setdefault(key, "")
    # No max_chars: its counter is noise until there is too much, and then the service says so beside the field.
    st.text_area(
        label,
        key=key,
        height=height,
        placeholder=placeholder,
        on_change=lambda: problems.mend(form, name),
        persist_state="session",
    )
    problems.show(form, name)


def models(capabilities: Capabilities) -> None:
    """The model, and how it samples."""
    backend = capabilities.backend
    model = capabilities.parameter("checkpoint")
    if model and len(model.choices) > 1:
        field(model, backend)
    checkpoint = draft.checkpoint_of(capabilities, st.session_state)
    found = [p for name in ("sampler", "scheduler") if (p := capabilities.parameter(name, checkpoint))]
    if found:
        for column, parameter in zip(st.columns(len(found)), found, strict=True):
            with column:
                field(parameter, backend)


def looks(capabilities: Capabilities, checkpoint: str | None) -> None:
    """Style, number of pictures and seed."""
    backend = capabilities.backend
    count = capabilities.parameter("count")
    styles = [p for n in ("style_preset", "styles") if (p := capabilities.parameter(n, checkpoint)) and p.choices]
    # One row, as wide as its fields: the form should fit a laptop's screen.
    columns = iter(st.columns([2] * len(styles) + [1] * bool(count)) if styles or count else ())
    for parameter in styles:
        with next(columns):
            field(parameter, backend)
    if count:
        with next(columns):
            _count(count, backend)
    seed(backend)


def _count(count: Parameter, backend: str) -> None:
    st.number_input(
        "Pictures",
        1,
        int(count.maximum or 1),
        step=1,
        key=draft.prepare(count, backend, st.session_state),
        on_change=lambda: problems.mend(backend, "count"),
        persist_state="session",
    )
    problems.show(backend, "count")


def negative(capabilities: Capabilities) -> None:
    """What should be kept out."""
    words(capabilities, draft.NEGATIVE_PROMPT, "Negative prompt", "What should not be in it (optional)", 68)


def advanced(capabilities: Capabilities, checkpoint: str | None, *, with_negative: bool = False) -> None:
    """Everything else that the backend can do, folded away."""
    backend = capabilities.backend
    parameters = draft.shown(draft.applicable(capabilities, checkpoint), backend, st.session_state)
    if not parameters:
        return
    names = {p.name for p in parameters} | ({draft.NEGATIVE_PROMPT} if with_negative else set())
    wrong = any(problems.of(backend).get(name) for name in names)
    with st.expander("Advanced", icon=":material/tune:", expanded=wrong, key=f"{backend}.advanced"):
        if with_negative:
            negative(capabilities)
        for parameter in parameters:
            field(parameter, backend)
        st.button(
            "Back to defaults",
            type="tertiary",
            icon=":material/restart_alt:",
            key=f"{backend}.reset",
            on_click=draft.reset,
            args=(capabilities, st.session_state),
        )


def names(capabilities: Capabilities, checkpoint: str | None) -> frozenset[str]:
    """Fields that show their own problems."""
    applicable = draft.applicable(capabilities, checkpoint)
    shown = draft.shown(applicable, capabilities.backend, st.session_state)
    return frozenset(p.name for p in (*applicable, *shown) if p in shown or p.name in draft.placed(applicable))
