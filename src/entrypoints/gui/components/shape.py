"""Chooses the picture's shape: an aspect ratio, or a size in px from presets or by hand; imports Streamlit and the core's values."""

import streamlit as st

from entrypoints.gui import draft, presets
from entrypoints.gui.components import problems
from entrypoints.gui.components.fields import field
from imaging_core.capabilities import Capabilities

_ICONS = {
    "1:1": "crop_square",
    "3:2": "crop_3_2",
    "2:3": "crop_portrait",
    "16:9": "crop_16_9",
    "9:16": "crop_9_16",
    "5:4": "crop_5_4",
    "4:5": "crop_portrait",
    "21:9": "crop_7_5",
    "9:21": "crop_9_16",
    draft.CUSTOM: "tune",
}


def _label(ratio: str) -> str:
    return f":material/{_ICONS.get(ratio, 'crop_free')}: {'Custom' if ratio == draft.CUSTOM else ratio}"


def shape(capabilities: Capabilities, checkpoint: str | None) -> None:
    """The chooser; nothing for a backend that offers neither ratios nor sizes."""
    if ratios := capabilities.parameter("aspect_ratio", checkpoint):
        key = draft.prepare(ratios, capabilities.backend, st.session_state)
        st.pills(
            "Shape",
            presets.ratio_order(ratios.choices),
            key=key,
            required=ratios.default is not None,
            format_func=_label,
            persist_state="session",
        )
        if st.session_state[key] is None:
            _unchosen(capabilities, checkpoint)
        problems.show(capabilities.backend, "aspect_ratio")
    elif capabilities.parameter("width", checkpoint) and capabilities.parameter("height", checkpoint):
        _size(capabilities, checkpoint)


def _unchosen(capabilities: Capabilities, checkpoint: str | None) -> None:
    """What the picture's size is while no ratio says it, where the backend has one."""
    sides = [parameter for n in ("width", "height") if (parameter := capabilities.parameter(n, checkpoint))]
    if len(sides) == 2:
        wide, high = (st.session_state.get(draft.key_for(capabilities.backend, p), p.default) for p in sides)
        st.caption(f"None chosen: {wide} × {high} px, as under Advanced.")


def _size(capabilities: Capabilities, checkpoint: str | None) -> None:
    backend, state = capabilities.backend, st.session_state
    found = {size.ratio: size for size in presets.sizes(capabilities, checkpoint)}
    parameters = [capabilities.parameter(name, checkpoint) for name in ("width", "height")]
    wide, high = (draft.prepare(p, backend, state) for p in parameters if p)
    key = draft.key_of(backend, "shape")
    if state.get(key) not in (*found, draft.CUSTOM):
        same = (size.ratio for size in found.values() if (size.width, size.height) == (state[wide], state[high]))
        state[key] = next(same, draft.CUSTOM)

    def choose() -> None:
        if size := found.get(state[key]):
            state[wide], state[high] = size.width, size.height
        problems.mend(backend, "width", "height")

    st.pills(
        "Shape",
        [*found, draft.CUSTOM],
        key=key,
        required=True,
        format_func=_label,
        on_change=choose,
        persist_state="session",
    )
    if state[key] == draft.CUSTOM:
        for column, parameter, label in zip(st.columns(2), parameters, ("Width, px", "Height, px"), strict=True):
            if parameter:
                with column:
                    field(parameter, backend, label=label)
    else:
        st.caption(f"{state[wide]} × {state[high]} px")
        problems.show(backend, "width", "height")
