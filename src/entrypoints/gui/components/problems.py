"""Shows what is wrong beside the field it is about, and keeps it until the field changes; imports Streamlit and the client."""

import html

import streamlit as st

from entrypoints.client import ApiError, ClientError, ServiceUnreachable
from entrypoints.gui.words import name_of, plain

_KEY = "problems"

_AWAY = (
    "Not queued: the imaging service is not answering. What you typed stays. Press Generate again once it is back; "
    "the same request is never queued twice."
)


def note(backend: str, error: ClientError) -> None:
    """Remember why a submit was turned away; what is about no field goes above the button."""
    problems: dict[str, str] = dict(error.field_errors) if isinstance(error, ApiError) else {}
    if isinstance(error, ServiceUnreachable):
        problems = {"": _AWAY}
    elif not problems:
        problems = {"": str(error)}
    st.session_state[_KEY] = {backend: problems}


def note_fields(backend: str, problems: dict[str, str]) -> None:
    """Remember what is wrong with these fields, before anything was sent."""
    st.session_state[_KEY] = {backend: problems}


def clear() -> None:
    """Forget them: the request went through."""
    st.session_state.pop(_KEY, None)


def service_is_back() -> None:
    """Forget what was only about its being away."""
    for problems in st.session_state.get(_KEY, {}).values():
        if problems.get("") == _AWAY:
            del problems[""]


def of(backend: str) -> dict[str, str]:
    """What is wrong with that backend's form, by field."""
    found: dict[str, str] = st.session_state.get(_KEY, {}).get(backend, {})
    return found


def mend(backend: str, *fields: str) -> None:
    """For a field's on_change: somebody is about to put it right."""
    for field in fields:
        of(backend).pop(field, None)


def show(backend: str, *fields: str) -> None:
    """The sentences about these fields, if any."""
    for field in fields:
        if message := of(backend).get(field):
            text = message[:1].upper() + message[1:]
            st.html(f'<p class="problem" role="alert">{html.escape(text)}</p>')


def beside_the_button(backend: str, placed: frozenset[str]) -> None:
    """What is wrong beyond the fields that showed theirs, and which fields to look at: they may be out of sight."""
    for field, message in of(backend).items():
        if field not in placed:
            st.error(plain(f"{name_of(field)}: {message}" if field else message), icon=":material/error:")
    if names := [name_of(field) for field in of(backend) if field]:
        st.html(f'<p class="problem summary">Not queued. Please look at: {html.escape(", ".join(names))}.</p>')
