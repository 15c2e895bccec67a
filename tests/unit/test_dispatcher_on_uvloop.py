"""A stop on the loop that the processes really use, whose `call_later(0)` gives a handle without a moment."""

import asyncio

import pytest
import uvloop

from scripted import Hanging, ScriptedGenerator, World


async def _hand_two_over(first: Hanging, second: Hanging) -> None:
    world = World(ScriptedGenerator().then(first, second))
    dispatcher = world.dispatcher(slots=2)
    for hanging in (first, second):
        await world.submit()
        dispatcher.ring("alpha")
        await hanging.begun.wait()

    await dispatcher.drain(0.0)


def test_two_jobs_are_handed_over_at_once(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Hanging(), Hanging()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hand_two_over(first, second))

    assert first.stopped.is_set()
    assert second.stopped.is_set()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
