"""The form: what to draw, on which backend, with which settings; imports Streamlit, the client and the core's values."""

import secrets
from typing import Any

import streamlit as st

from entrypoints.client import BackendInfo, ClientError
from entrypoints.gui import draft, remote
from entrypoints.gui.components import problems
from entrypoints.gui.components.fields import field
from entrypoints.gui.components.seed import seed
from entrypoints.gui.components.shape import shape
from entrypoints.gui.words import credit_sum, duration, number, pictures, plain
from imaging_core.capabilities import Capabilities
from imaging_core.images import plan_calls
from imaging_core.parameters import Parameter

_PENDING, _QUEUED = "pending", "queued"


def composer(info: BackendInfo, capabilities: Capabilities) -> None:
    """The form of one backend."""
    with st.container(key="composer", border=True):
        checkpoint = draft.checkpoint_of(capabilities, st.session_state)
        if not info.answers:
            st.warning(f"{info.message} Jobs can be queued all the same; they wait until it is back.")
        _prompts(capabilities)
        _models(capabilities)
        shape(capabilities, checkpoint)
        _looks(capabilities, checkpoint)
        _advanced(capabilities, checkpoint)
        problems.rest(capabilities.backend, _names(capabilities, checkpoint))
        problems.summary(capabilities.backend)
        _generate(info, capabilities)


def _prompts(capabilities: Capabilities) -> None:
    backend = capabilities.backend
    # No max_chars: its counter is noise until there is too much, and then the service says so beside the field.
    st.session_state.setdefault(draft.PROMPT, "")
    st.text_area(
        "Prompt",
        key=draft.PROMPT,
        height=120,
        placeholder="Describe the picture: subject, place, light, mood, style …",
        on_change=lambda: problems.mend(backend, "prompt"),
        persist_state="session",
    )
    problems.show(backend, "prompt")
    if capabilities.parameter("negative_prompt"):
        st.session_state.setdefault(draft.NEGATIVE_PROMPT, "")
        st.text_area(
            "Negative prompt",
            key=draft.NEGATIVE_PROMPT,
            height=68,
            placeholder="What should not be in it (optional)",
            on_change=lambda: problems.mend(backend, "negative_prompt"),
            persist_state="session",
        )
        problems.show(backend, "negative_prompt")


def _models(capabilities: Capabilities) -> None:
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


def _looks(capabilities: Capabilities, checkpoint: str | None) -> None:
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


def _advanced(capabilities: Capabilities, checkpoint: str | None) -> None:
    backend = capabilities.backend
    parameters = draft.shown(draft.applicable(capabilities, checkpoint), backend, st.session_state)
    if not parameters:
        return
    wrong = any(problems.of(backend).get(p.name) for p in parameters)
    with st.expander("Advanced", icon=":material/tune:", expanded=wrong, key=f"{backend}.advanced"):
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


def _names(capabilities: Capabilities, checkpoint: str | None) -> frozenset[str]:
    """Fields that show their own problems."""
    applicable = draft.applicable(capabilities, checkpoint)
    shown = draft.shown(applicable, capabilities.backend, st.session_state)
    return frozenset(p.name for p in (*applicable, *shown) if p in shown or p.name in draft.placed(applicable))


def _generate(info: BackendInfo, capabilities: Capabilities) -> None:
    st.button(
        "Generate",
        type="primary",
        icon=":material/auto_awesome:",
        shortcut="Mod+Enter",
        width="stretch",
        key="generate",
        on_click=submit,
        args=(capabilities,),
    )
    request = draft.read(capabilities, st.session_state).request
    told = []
    if capabilities.paid:
        calls, price = len(plan_calls(request)), capabilities.price(request)
        sum_ = f" ({calls} × {number(price / calls)})" if calls > 1 else ""
        told.append(f"Costs **{credit_sum(price)}**{sum_}.")
    if info.mean_run_s:
        told.append(f"Usually takes about {duration(info.mean_run_s)}.")
    if capabilities.notice:
        told.append(plain(capabilities.notice))
    if told:
        st.caption(" ".join(told))
    if queued := st.session_state.get(_QUEUED):
        # On a narrow window the feed is out of sight, beneath the form.
        st.html(f'<a class="to-feed" href="#feed" target="_self" role="status">{queued} See below ↓</a>')


def submit(capabilities: Capabilities) -> None:
    """Queue what the form holds; says what is wrong, or that it is queued."""
    wanted = draft.read(capabilities, st.session_state)
    # Named settings, some of which are arguments of their own.
    settings: dict[str, Any] = dict(wanted.settings)
    try:
        remote.client().submit(
            wanted.request.prompt,
            backend=wanted.backend,
            idempotency_key=_key_for(wanted),
            **settings,
        )
    except ClientError as error:
        problems.note(wanted.backend, error)
        return
    st.session_state.pop(_PENDING, None)
    problems.clear()
    st.session_state[_QUEUED] = f"{pictures(wanted.request.count).capitalize()} queued."


def _key_for(wanted: draft.Draft) -> str:
    """One key until the service has taken the request: pressing again after a lost answer makes no second job."""
    before = st.session_state.get(_PENDING)
    if before is None or before[0] != wanted:
        st.session_state[_PENDING] = before = (wanted, secrets.token_hex(16))
    key: str = before[1]
    return key
