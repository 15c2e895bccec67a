"""The workers that are alive, for whoever runs the service; imports Streamlit and the client."""

import html
from datetime import UTC, datetime

import streamlit as st

from entrypoints.client import ClientError, WorkerInfo
from entrypoints.gui import remote
from entrypoints.gui.words import duration, section

_COLUMNS = ("Worker", "Slots busy", "Version", "Up for", "Heard of")


def worker_list() -> None:
    """A table of them; nothing while the service is away, which the rest of the page says already."""
    try:
        found = remote.workers() or ()
        titles = {info.name: section(info.name, info.title) for info in remote.backends().backends}
    except ClientError:
        return
    st.markdown("##### Workers")
    if not found:
        st.html(
            '<div class="notice" role="status">No worker is alive: whatever is queued waits until one starts '
            "(<code>imaging worker</code>).</div>"
        )
        return
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    rows = "".join(_row(worker, titles) for worker in found)
    st.html(
        f'<div class="scrolls"><table class="workers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(worker: WorkerInfo, titles: dict[str, str]) -> str:
    now = datetime.now(UTC)
    slots = ", ".join(
        f"{titles.get(name, name)} {worker.busy.get(name, 0)}/{count}" for name, count in worker.slots.items()
    )
    up, heard = (duration((now - at).total_seconds()) for at in (worker.started_at, worker.seen_at))
    cells = (worker.name, slots, worker.version or "–", up, f"{heard} ago")
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
