"""The form for a picture that is there: what to do to it, and with which words; imports Streamlit, the client and this package."""

import hashlib
from typing import Any

import streamlit as st

from entrypoints.client import BackendInfo, ClientError
from entrypoints.gui import draft, remote
from entrypoints.gui.components import form_parts, mask_parts, problems, sending
from entrypoints.gui.components.cost import cost
from entrypoints.gui.components.fields import field
from entrypoints.gui.components.painter import mask_of, painter
from entrypoints.gui.edits import Mode, form_of, modes
from entrypoints.gui.source import Source
from imaging_core.capabilities import Capabilities

#: What the modes and their buttons are called.
_NAMES = {
    Mode.WHOLE: "Whole picture",
    Mode.PART: "A part",
    Mode.ENLARGE: "Enlarge",
}
_DEEDS = {Mode.WHOLE: "Repaint", Mode.PART: "Repaint the part", Mode.ENLARGE: "Enlarge"}
_WORDS = {
    Mode.WHOLE: "Describe the whole picture as it should become …",
    Mode.PART: "Describe what should be in the painted part …",
    Mode.ENLARGE: "What the picture shows",
}

#: Fields about the picture itself, as the service's answers name them.
_OF_THE_PICTURE = ("image", "image_id", "index", "init_image")

#: In the session: the picture whose words were put on the form.
_SUGGESTED = "edit.suggested"


def editor(info: BackendInfo, capabilities: Capabilities, source: Source) -> None:
    """The form of one backend."""
    with st.container(key="composer", border=True):
        form_parts.why_jobs_wait(info)
        mode = _mode(modes(capabilities))
        form = form_of(capabilities, mode)
        painter(source, form.backend, tools=mode is Mode.PART)
        mask_parts.origin(source, masks=mode is Mode.PART)
        mask_parts.again(source)
        _suggest(source)
        problems.show(form.backend, *_OF_THE_PICTURE)
        checkpoint = draft.checkpoint_of(form, st.session_state)
        form_parts.words(form, draft.PROMPT, "Prompt", _WORDS[mode], 90)
        for name in ("strength", "scale"):
            if parameter := form.parameter(name, checkpoint):
                field(parameter, form.backend)
        _larger(source, form, checkpoint)
        form_parts.models(form)
        form_parts.looks(form, checkpoint)
        form_parts.advanced(form, checkpoint, with_negative=True)
        _send(info, form, mode, source, form_parts.names(form, checkpoint) | {*_OF_THE_PICTURE, "mask"})


def _mode(possible: tuple[Mode, ...]) -> Mode:
    state = st.session_state
    if state.get(draft.EDIT_MODE) not in possible:
        state[draft.EDIT_MODE] = possible[0]
    picked = st.segmented_control(
        "What to do",
        possible,
        key=draft.EDIT_MODE,
        required=True,
        format_func=_NAMES.__getitem__,
        label_visibility="collapsed",
        width="stretch",
        persist_state="session",
    )
    return Mode(picked or possible[0])


def _larger(source: Source, form: Capabilities, checkpoint: str | None) -> None:
    scale = form.parameter("scale", checkpoint)
    by = st.session_state.get(draft.key_for(form.backend, scale)) if scale else None
    if isinstance(by, int | float):
        after = f"{round(source.width * by)} × {round(source.height * by)}"
        st.caption(f"From {source.width} × {source.height} px to about {after} px.")


def _suggest(source: Source) -> None:
    """The picture's own words, while there are no others: most edits change them a little."""
    state, key = st.session_state, draft.key_of("/", draft.PROMPT)
    if state.get(_SUGGESTED) != source.id and not state.get(key):
        state[key] = source.words
    state[_SUGGESTED] = source.id


def _send(info: BackendInfo, form: Capabilities, mode: Mode, source: Source, fields: frozenset[str]) -> None:
    wanted = draft.read(form, st.session_state)
    about: dict[str, Any] = {"with_mask": True} if mode is Mode.PART else {}
    if source.image_id is not None:
        about |= {"image_id": source.image_id, "index": source.index}
    with st.container(key="send"):
        # Beside the button, which stays in sight: what stands above it may not be.
        problems.beside_the_button(form.backend, fields)
        # Not a callback: those come before this run has taken in what was painted last.
        pressed = st.button(
            _DEEDS[mode],
            type="primary",
            icon=":material/auto_awesome:",
            shortcut="Mod+Enter",
            width="stretch",
            key="edit",
        )
        # What every picture of that backend is, stands beneath the results; here there is little room.
        cost(info, form, wanted, mode.operation, notice=False, **about)
        sending.link()
    if pressed:
        _submit(info.name, wanted, mode, source)
        st.rerun()


def _submit(backend: str, wanted: draft.Draft, mode: Mode, source: Source) -> None:
    mask = mask_of(source) if mode is Mode.PART else None
    if mode is Mode.PART and mask is None:
        problems.note_fields(wanted.backend, {"mask": "Paint over what should change, or bring a mask."})
        return
    picture: str | bytes = source.image_id or source.data or b""
    settings: dict[str, Any] = dict(wanted.settings)
    if source.index:
        settings["index"] = source.index
    key = sending.key_for((wanted, source.id, hashlib.sha256(mask or b"").hexdigest()))
    client = remote.client()
    try:
        if mode is Mode.ENLARGE:
            if wanted.takes_prompt:
                settings["prompt"] = wanted.request.prompt
            client.upscale(picture, backend=backend, idempotency_key=key, **settings)
        else:
            client.edit(wanted.request.prompt, picture, mask=mask, backend=backend, idempotency_key=key, **settings)
    except ClientError as error:
        problems.note(wanted.backend, error)
        return
    sending.taken(wanted.request.count)
