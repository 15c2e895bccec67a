"""Which backends there are, whether each answers, and what to do when not; imports Streamlit and the client."""

import streamlit as st

from entrypoints.client import BackendInfo, ClientError, without_credentials
from entrypoints.gui import remote, visitor
from entrypoints.gui.components import outage
from entrypoints.gui.words import credit_sum, duration, place_of, plain, section

#: In the session: the service was away when the cards were drawn last.
_AWAY = "settings.away"


@st.fragment(run_every=5)
def backend_cards() -> None:
    """A card for each, kept current by itself."""
    st.markdown("##### Backends")
    if visitor.is_turned_away():
        st.caption("They are shown here once the service accepts a key.")
        return
    try:
        found = remote.backends().backends
    except ClientError as error:
        st.session_state[_AWAY] = True
        outage.note(error)
        return
    if st.session_state.pop(_AWAY, False):
        # The rest of the page waits for the service too.
        st.rerun()
    grid = st.grid(min_column_width=300, gap="small")
    for info in sorted(found, key=lambda info: place_of(info.name)):
        with grid.cell(), st.container(border=True, key=f"backend-{info.name}"):
            _card(info)
    st.caption(f"The API is at `{without_credentials(visitor.address())}`.")


def _card(info: BackendInfo) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"###### {plain(section(info.name, info.title))}")
        if not info.configured:
            st.badge("not set up", icon=":material/key_off:", color="gray")
        elif info.paused is not None:
            st.badge("paused", icon=":material/pause:", color="orange")
        elif info.answers:
            st.badge("answers", icon=":material/check:", color="green")
        else:
            st.badge("does not answer", icon=":material/cloud_off:", color="orange")
    st.markdown(plain(info.message))
    if not info.configured:
        return
    usual = f" A job takes about {duration(info.mean_run_s)}." if info.mean_run_s else ""
    st.caption(f"{info.waiting} waiting, {info.started} under way.{usual}")
    if info.capabilities is None:
        return
    models = info.capabilities.parameter("checkpoint")
    if models and len(models.choices) > 1:
        prices = info.capabilities.credits
        rows = [f"- {plain(m)}" + (f" · {credit_sum(prices[m])}" if m in prices else "") for m in models.choices[:30]]
        more = len(models.choices) - len(rows)
        with st.expander(f"Models ({len(models.choices)})"):
            st.markdown("\n".join(rows) + (f"\n- and {more} more" if more > 0 else ""))
