"""A stream that is to end after a while does so however much happens."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from entrypoints.api.closing import Closing
from entrypoints.api.event_frames import Frame
from entrypoints.api.event_listener import Listener
from entrypoints.api.event_stream import EventStream
from virtual_time import in_virtual_time, loop_time


async def _never() -> MutableMapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@pytest.mark.parametrize("lossy", [False, True], ids=["changes", "progress"])
@in_virtual_time
async def test_a_busy_stream_ends_in_time(lossy: bool) -> None:
    listener, left = Listener(job_id=None, sees=None), list[Listener]()
    stream = EventStream(b"", listener, leave=left.append, closing=Closing(), keep_alive_s=15, longest_s=300)
    sent: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def happen() -> None:
        while loop_time() < 1000:
            listener.tell(Frame(job_id="a", owner=None, version=1, terminal=False, lossy=lossy, data=b"x;"))
            await asyncio.sleep(0.25)

    happening = asyncio.create_task(happen())
    await stream({"type": "http"}, _never, send)
    assert loop_time() == pytest.approx(300, abs=1)
    assert left == [listener]
    assert sum(map(len, sent)) > 1000
    happening.cancel()
    await asyncio.wait({happening})
