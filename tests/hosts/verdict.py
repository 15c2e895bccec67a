"""What was kept: by the WebUIs' own journals that none ever had two calls, by the API that every picture is there.

May import the standard library, httpx, Pillow and the neighbouring modules of the tests.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from PIL import Image

from fakes.sdwebui import FakeWebUI
from imaging_core.ports import Preference
from imaging_process import Imaging


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


def decoded(url: str, finished: Sequence[str]) -> int:
    """How many of those jobs' pictures come through the API and decode. Raises when one does not."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for image_id in finished:
            answer = client.get(f"/image/{image_id}").raise_for_status()
            with Image.open(io.BytesIO(answer.content)) as picture:
                picture.load()
                assert picture.size == (64, 64)
    return len(finished)


def repair_finds(folder: Path, settings: Mapping[str, str]) -> list[str]:
    """What `imaging repair --check` finds wrong with the jobs and the store, however young."""
    with Imaging("repair", "--check", "--now", "--json", folder=folder, **settings) as repair:
        repair.start().ended()
        report = json.loads(repair.output.splitlines()[-1])
    return [f"{finding['kind']} {finding['subject']}" for finding in report["findings"]]
