"""What the command line does around every command."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from entrypoints import cli
from entrypoints.settings import Settings


@pytest.fixture
def uncollected() -> Iterator[None]:
    """As the console script begins a command that lasts."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_garbage_is_collected_from_the_first_wait_on() -> None:
    collects = []

    async def command(_: Settings) -> int:
        collects.append(gc.isenabled())
        await asyncio.sleep(0)
        collects.append(gc.isenabled())
        return 7

    assert await cli._called(command, Settings()) == 7
    assert collects == [False, True]
