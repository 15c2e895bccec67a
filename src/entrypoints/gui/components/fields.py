"""One widget for one parameter of a backend, within its limits; imports Streamlit and the core's values."""

from collections.abc import Callable

import streamlit as st

from entrypoints.gui import draft
from entrypoints.gui.components import problems
from entrypoints.gui.words import name_of
from imaging_core.parameters import Parameter, ParameterKind

#: Whole numbers with at most so many values get a slider.
_SLIDER_STEPS = 200


def field(parameter: Parameter, backend: str, *, label: str | None = None) -> None:
    """The widget of a parameter, and what is wrong with its value."""
    key = draft.prepare(parameter, backend, st.session_state)
    label = label or name_of(parameter.name)
    hint = parameter.description or None

    def mend() -> None:
        problems.mend(backend, parameter.name)

    match parameter.kind:
        case ParameterKind.TEXT:
            st.text_input(
                label, key=key, help=hint, max_chars=parameter.max_length, on_change=mend, persist_state="session"
            )
        case ParameterKind.FLAG:
            st.toggle(label, key=key, help=hint, on_change=mend, persist_state="session")
        case ParameterKind.CHOICE:
            _choice(parameter, key, label, hint, mend)
        case ParameterKind.CHOICES:
            st.multiselect(
                label,
                parameter.choices,
                key=key,
                help=hint,
                format_func=name_of,
                placeholder="None",
                on_change=mend,
                persist_state="session",
            )
        case ParameterKind.INTEGER:
            _integer(parameter, key, label, hint, mend)
        case ParameterKind.NUMBER:
            _number(parameter, key, label, hint, mend)
    problems.show(backend, parameter.name)


def _choice(parameter: Parameter, key: str, label: str, hint: str | None, mend: Callable[[], None]) -> None:
    # Names of models and samplers are shown as they are; words such as "analog-film" as people write them.
    verbatim = parameter.name in ("checkpoint", "sampler", "scheduler", "vae", "hr_upscaler")
    st.selectbox(
        label,
        parameter.choices,
        key=key,
        help=hint,
        index=None if parameter.default is None else 0,
        format_func=str if verbatim else name_of,
        placeholder="None" if parameter.name == "style_preset" else "Automatic",
        on_change=mend,
        persist_state="session",
    )


def _integer(parameter: Parameter, key: str, label: str, hint: str | None, mend: Callable[[], None]) -> None:
    low = None if parameter.minimum is None else int(parameter.minimum)
    high = None if parameter.maximum is None else int(parameter.maximum)
    step = parameter.multiple_of or 1
    bounded = low is not None and high is not None and low < high and (high - low) // step <= _SLIDER_STEPS
    if bounded and parameter.default is not None:
        st.slider(label, low, high, step=step, key=key, help=hint, on_change=mend, persist_state="session")
        return
    st.number_input(
        label,
        low,
        high,
        value=None,
        step=step,
        key=key,
        help=hint,
        placeholder="Automatic",
        on_change=mend,
        persist_state="session",
    )


def _number(parameter: Parameter, key: str, label: str, hint: str | None, mend: Callable[[], None]) -> None:
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None and low < high and parameter.default is not None:
        step = 0.01 if high - low <= 2 else 0.05 if high - low <= 5 else 0.5
        st.slider(
            label, float(low), float(high), step=step, key=key, help=hint, on_change=mend, persist_state="session"
        )
        return
    st.number_input(
        label,
        None if low is None else float(low),
        None if high is None else float(high),
        value=None,
        key=key,
        help=hint,
        placeholder="Automatic",
        on_change=mend,
        persist_state="session",
    )
