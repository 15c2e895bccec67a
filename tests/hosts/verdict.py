"""What the WebUIs' own journals prove: that none ever had two calls, and how often each loaded a checkpoint.

May import the neighbouring fakes.
"""

from collections.abc import Sequence

from fakes.sdwebui import FakeWebUI
from imaging_core.ports import Preference


def overlapping(webuis: Sequence[FakeWebUI]) -> list[str]:
    """The calls that were at a WebUI together with another."""
    return [f"{webui.port}: {call.task_id}" for webui in webuis for call in webui.log() if call.overlapped]


def switches(webuis: Sequence[FakeWebUI]) -> int:
    """How often one checkpoint took the place of another, over all of them."""
    loads = [sum(event["event"] == "load" for event in webui.events()) for webui in webuis]
    return sum(count - 1 for count in loads if count)


def most_switches(jobs: int, webuis: int, checkpoints: int) -> int:
    """How many there may be for jobs that were all queued before the first began.

    The first in line is passed over so often before an instance must switch for it; besides, each instance may run out
    of jobs for each checkpoint.
    """
    return jobs // (Preference().passes + 1) + webuis * checkpoints


def made(webuis: Sequence[FakeWebUI]) -> list[int]:
    """How many pictures each of them made."""
    return [sum(call.outcome == "ok" for call in webui.log()) for webui in webuis]
