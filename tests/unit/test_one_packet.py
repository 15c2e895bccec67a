"""What is written in one turn of the loop goes out at once, in its order, and nothing is lost at the end."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from entrypoints.guarded_http import _OnePacket


class Sent(asyncio.Transport):
    """A transport that notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.calls = 0
        self.closed = False

    def write(self, data: object) -> None:
        assert not self.closed
        self.pieces.append(cast("bytes", data))
        self.calls += 1

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        assert not self.closed
        self.pieces.extend(list_of_data)
        self.calls += 1

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.closed = True


async def test_a_head_and_its_body_are_one_packet() -> None:
    sent = Sent()
    packet = _OnePacket(sent)
    packet.write(b"head ")
    packet.write(b"body")
    assert packet.get_write_buffer_size() == 9
    await asyncio.sleep(0)
    packet.write(b"next")
    await asyncio.sleep(0)
    assert sent.pieces == [b"head body", b"next"]
    assert packet.get_write_buffer_size() == 0


async def test_a_picture_goes_with_its_head_is_not_copied_and_keeps_its_place() -> None:
    sent, picture = Sent(), bytes(1_500_000)
    packet = _OnePacket(sent)
    packet.write(b"head")
    packet.write(picture)
    assert sent.calls == 1
    packet.write(b"next")
    await asyncio.sleep(0)
    assert sent.pieces == [b"head", picture, b"next"]
    assert sent.pieces[1] is picture


async def test_what_was_written_before_a_close_is_sent() -> None:
    sent = Sent()
    packet = _OnePacket(sent)
    packet.write(b"last words")
    packet.close()
    await asyncio.sleep(0)
    assert sent.pieces == [b"last words"]
    assert packet.is_closing()


async def test_nothing_is_sent_after_an_abort() -> None:
    sent = Sent()
    packet = _OnePacket(sent)
    packet.write(b"never read")
    packet.abort()
    await asyncio.sleep(0)
    assert sent.pieces == []
