"""Takes a picture's own settings over into the form; imports Streamlit, the client and the core's values."""

import streamlit as st

from entrypoints.client import BackendInfo, Backends, ClientError, Provenance
from entrypoints.gui import draft, remote
from entrypoints.gui.words import name_of, plain
from imaging_core.images import MAX_SEED, ImageRequest

_SENT, _TOLD = "read_back", "read_back_told"


def read_back(backends: Backends, section: str | None) -> None:
    """Where a picture is dropped in; what it says goes on the form of the backend that made it, if that is there."""
    with st.expander("Use a picture's settings", icon=":material/image_search:", key="read-back"):
        st.file_uploader(
            "Picture whose settings to use",
            type=["png", "jpg", "jpeg", "webp"],
            key=_SENT,
            on_change=_take_over,
            args=(backends, section),
            help="One made here, or by AUTOMATIC1111, Forge and others that write their settings into the file.",
        )
        if told := st.session_state.get(_TOLD):
            st.caption(told)


def _take_over(backends: Backends, section: str | None) -> None:
    sent = st.session_state.get(_SENT)
    st.session_state.pop(_TOLD, None)
    if sent is None:
        return
    try:
        found = remote.client().read_picture(sent.getvalue())
    except ClientError as error:
        st.session_state[_TOLD] = plain(str(error))
        return
    st.session_state[_TOLD] = take_over(found, backends, section)


def take_over(found: Provenance, backends: Backends | None = None, section: str | None = None) -> str:
    """Put what the file says on the form, of the backend that made it or of `section`; gives what to say about it."""
    info = _backend_for(found, backends or remote.backends(), section or st.session_state.get(draft.SECTION))
    if found.settings is None:
        return "The file does not say how it was made."
    if info is None or info.capabilities is None:
        return "No backend is there now whose form could be filled."
    seed = found.settings.get("seed")
    known = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= MAX_SEED
    lost = draft.fill(
        _request(found),
        info.capabilities,
        st.session_state,
        seed=seed if known else None,  # type: ignore[arg-type]
    )
    if lost:
        return f"The picture's settings are on the form, but for {', '.join(map(name_of, lost))}."
    return "The picture's settings are on the form."


def _backend_for(found: Provenance, backends: Backends, section: str | None) -> BackendInfo | None:
    named = backends.named()
    made_by = (found.record or {}).get("backend")
    for name in (made_by, section, backends.default):
        info = named.get(name) if isinstance(name, str) else None
        if info is not None and info.configured and info.capabilities is not None:
            return info
    return None


def _request(found: Provenance) -> ImageRequest:
    """As far as it can be one: the file may hold anything, and the form looks at each value."""
    settings = dict(found.settings or {})
    prompt, negative = settings.pop("prompt", ""), settings.pop("negative_prompt", "")
    request = ImageRequest(prompt=str(prompt), negative_prompt=str(negative))
    return request.with_values({name: value for name, value in settings.items() if name != "seed"})
