"""The form: what to draw, on which backend, with which settings; imports Streamlit, the client and the core's values."""

from typing import Any

import streamlit as st

from entrypoints.client import BackendInfo, ClientError
from entrypoints.gui import draft, remote, source
from entrypoints.gui.components import form_parts, problems, sending
from entrypoints.gui.components.cost import cost
from entrypoints.gui.components.shape import shape
from imaging_core.capabilities import Capabilities
from imaging_core.images import Operation


def composer(info: BackendInfo, capabilities: Capabilities) -> None:
    """The form of one backend."""
    with st.container(key="composer", border=True):
        checkpoint = draft.checkpoint_of(capabilities, st.session_state)
        form_parts.why_jobs_wait(info)
        placeholder = "Describe the picture: subject, place, light, mood, style …"
        form_parts.words(capabilities, draft.PROMPT, "Prompt", placeholder, 120)
        form_parts.negative(capabilities)
        form_parts.models(capabilities)
        shape(capabilities, checkpoint)
        form_parts.looks(capabilities, checkpoint)
        form_parts.advanced(capabilities, checkpoint)
        _generate(info, capabilities, form_parts.names(capabilities, checkpoint))


def _generate(info: BackendInfo, capabilities: Capabilities, fields: frozenset[str]) -> None:
    with st.container(key="send"):
        # Beside the button, which stays in sight: what stands above it may not be.
        problems.beside_the_button(capabilities.backend, fields)
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
        cost(info, capabilities, draft.read(capabilities, st.session_state), Operation.GENERATE)
        sending.link()


def submit(capabilities: Capabilities) -> None:
    """Queue what the form holds; says what is wrong, or that it is queued."""
    wanted = draft.read(capabilities, st.session_state)
    # Named settings, some of which are arguments of their own.
    settings: dict[str, Any] = dict(wanted.settings)
    try:
        remote.client().submit(
            wanted.request.prompt,
            backend=wanted.backend,
            idempotency_key=sending.key_for(wanted),
            **settings,
        )
    except ClientError as error:
        problems.note(wanted.backend, error)
        return
    sending.taken(wanted.request.count)
    # The form goes its own way from here: a reload should not bring an earlier job's settings back.
    st.query_params.pop(source.LIKE, None)
