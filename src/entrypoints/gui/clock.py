"""What time it is for the visitor, wherever the page's server stands; imports Streamlit and stdlib."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone() -> tzinfo:
    """The visitor's time zone as their browser tells it, else this machine's."""
    name = st.context.timezone
    try:
        if name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # A browser may know zones that this machine's tables do not have.
        pass
    return datetime.now(UTC).astimezone().tzinfo or UTC


def now() -> datetime:
    """The moment, by the visitor's clock."""
    return datetime.now(zone())
