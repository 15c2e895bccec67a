"""Whatever a store gives of a picture, all of it can be had as bytes."""

from collections.abc import AsyncIterator

import pytest

from imaging_core.opened import Opened, whole


async def in_parts() -> AsyncIterator[bytes]:
    for part in (b"pic", b"", b"ture"):
        yield part


@pytest.mark.parametrize("opened", [b"picture", memoryview(b"picture"), in_parts()], ids=["bytes", "view", "stream"])
async def test_whole_gives_all_of_it_as_bytes(opened: Opened) -> None:
    found = await whole(opened)
    assert type(found) is bytes
    assert found == b"picture"
