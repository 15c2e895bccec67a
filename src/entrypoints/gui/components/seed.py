"""Chooses the seed: a new one for each picture, or one that is kept; imports Streamlit."""

import streamlit as st

from entrypoints.gui import draft
from entrypoints.gui.components import problems
from imaging_core.images import MAX_SEED


def seed(backend: str) -> None:
    """A switch that keeps the seed, the seed, and dice."""
    state = st.session_state
    state.setdefault(draft.KEEP_SEED, False)
    state.setdefault(draft.SEED, None)

    def roll() -> None:
        state[draft.SEED] = draft.draw_seed()
        problems.mend(backend, draft.SEED)

    def kept() -> None:
        if state[draft.KEEP_SEED] and state[draft.SEED] is None:
            roll()

    st.toggle(
        "Keep the seed",
        key=draft.KEEP_SEED,
        on_change=kept,
        help="Off: each picture gets a new seed. On: the same seed and settings give the same picture again.",
        persist_state="session",
    )
    if state[draft.KEEP_SEED]:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="seed-row"):
            st.number_input(
                "Seed",
                0,
                MAX_SEED,
                value=None,
                step=1,
                key=draft.SEED,
                label_visibility="collapsed",
                placeholder="Seed",
                on_change=lambda: problems.mend(backend, draft.SEED),
                persist_state="session",
            )
            st.button("Roll", icon=":material/casino:", key="roll", help="Draw another seed", on_click=roll)
    problems.show(backend, draft.SEED)
