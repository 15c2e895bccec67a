"""Answers that could last for ever hear that the API stops."""

import asyncio

import pytest
from starlette.applications import Starlette

from entrypoints.api.closing import Closing, closing_of
from virtual_time import in_virtual_time, loop_time


def test_an_app_has_one_closing_whoever_asks_first() -> None:
    app = Starlette()

    assert closing_of(app) is closing_of(app)
    assert closing_of(app) is not closing_of(Starlette())
    assert not closing_of(app).begun


@in_virtual_time
async def test_who_waits_is_woken_and_who_comes_later_need_not_wait() -> None:
    closing = Closing()
    asyncio.get_running_loop().call_later(3, closing.begin)

    await closing.wait()
    await closing.wait()

    assert (closing.begun, loop_time()) == (True, 3)


@in_virtual_time
async def test_callbacks_are_called_once_and_only_within_their_block() -> None:
    closing = Closing()
    heard: list[str] = []
    with closing.telling(lambda: heard.append("gone")):
        pass
    with closing.telling(lambda: heard.append("there")):
        closing.begin()
        closing.begin()
    with closing.telling(lambda: heard.append("late")):
        assert heard == ["there", "late"]


@in_virtual_time
async def test_a_wait_gives_what_came_or_none_when_the_api_stops_first() -> None:
    closing = Closing()
    stopped: list[float] = []

    async def lasting(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            stopped.append(loop_time())
            raise
        return "came"

    async def failing() -> None:
        raise ValueError("its own error")

    assert await closing.unless_begun(lasting(1)) == "came"
    with pytest.raises(ValueError, match="its own error"):
        await closing.unless_begun(failing())
    asyncio.get_running_loop().call_later(2, closing.begin)
    assert await closing.unless_begun(lasting(60)) is None
    assert stopped == [3]
    assert await closing.unless_begun(lasting(60)) is None
