"""A mailbox is bounded, keeps its order, and never lets a status go back."""

import asyncio

import pytest

from entrypoints.api.closing import Closing
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.event_frames import Frame
from entrypoints.api.event_listener import ROOM, Listener
from entrypoints.api.problems import Problem
from scripted import World
from virtual_time import in_virtual_time, loop_time


def _frame(name: str, *, job_id: str = "a", version: int = 1, lossy: bool = False, terminal: bool = False) -> Frame:
    return Frame(job_id=job_id, owner=None, version=version, terminal=terminal, lossy=lossy, data=f"{name};".encode())


async def _taken(listener: Listener) -> str:
    return b"".join(frame.data for frame in await listener.take(1)).decode()


@in_virtual_time
async def test_events_come_in_order_and_the_newest_progress_after_them() -> None:
    listener = Listener(job_id=None, sees=None)
    for n in range(3):
        listener.tell(_frame(f"p{n}", lossy=True))
        listener.tell(_frame(f"q{n}", job_id="b", lossy=True))
    listener.tell(_frame("c", job_id="c"))
    assert await _taken(listener) == "c;p2;q2;"


@in_virtual_time
async def test_progress_of_before_an_event_is_not_told_after_it() -> None:
    listener = Listener(job_id=None, sees=None)
    listener.tell(_frame("p", lossy=True))
    listener.tell(_frame("end", version=2, terminal=True))
    assert await _taken(listener) == "end;"


@in_virtual_time
async def test_what_is_older_than_what_was_seen_is_skipped() -> None:
    listener = Listener(job_id="a", sees=None)
    listener.tell(_frame("old", version=1))
    listener.knows("a", 3)
    listener.tell(_frame("older", version=2))
    listener.tell(_frame("same", version=3))
    listener.tell(_frame("end", version=4, terminal=True))
    assert await _taken(listener) == "same;end;"


@in_virtual_time
async def test_a_reader_that_falls_behind_is_sent_away_with_what_it_has() -> None:
    listener = Listener(job_id=None, sees=None)
    for n in range(ROOM + 10):
        listener.tell(_frame(str(n)))
    assert listener.closed
    assert len(await listener.take(1)) == ROOM
    assert await listener.take(1) == []


@in_virtual_time
async def test_a_wait_ends_with_an_event_the_time_or_the_mailbox() -> None:
    listener = Listener(job_id=None, sees=None)
    assert await listener.take(15) == []
    assert loop_time() == 15
    asyncio.get_running_loop().call_later(2, listener.tell, _frame("x"))
    assert [frame.data for frame in await listener.take(15)] == [b"x;"]
    asyncio.get_running_loop().call_later(0.5, listener.close)
    assert await listener.take(15) == []
    assert loop_time() == 17.5


def test_only_ones_own_events_are_wanted() -> None:
    everything, own, one = (
        Listener(job_id=None, sees=None),
        Listener(job_id=None, sees="me"),
        Listener(job_id="a", sees=None),
    )
    assert [listener.wants("a", "me") for listener in (everything, own, one)] == [True, True, True]
    assert [listener.wants("b", "you") for listener in (everything, own, one)] == [True, False, False]
    assert not own.wants("a", None)


async def test_so_many_may_listen_with_one_key_and_no_more() -> None:
    feed = EventFeed(World().service, Closing(), most_per_key=2)
    first, _ = feed.join(key="alice"), feed.join(job_id="a", key="alice")
    with pytest.raises(Problem) as refused:
        feed.join(key="alice")
    assert refused.value.status == 429

    # Others, and those without a key, have nothing to do with it.
    feed.join(key="bob")
    for _ in range(3):
        feed.join()
    feed.leave(first)
    feed.leave(first)
    feed.join(key="alice")
    with pytest.raises(Problem):
        feed.join(key="alice")
