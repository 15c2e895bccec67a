"""A disk that runs full while something is written; imports pytest."""

import errno
import os
import threading
from collections.abc import Callable

import pytest


def fill_up(monkeypatch: pytest.MonkeyPatch, *, room: int) -> Callable[[], None]:
    """From now on so many bytes fit: the write that reaches the end is cut short, and the next one fails.

    Gives what makes room again.
    """
    write, left, one_at_a_time = os.write, [room], threading.Lock()

    def write_while_there_is_room(descriptor: int, data: bytes) -> int:
        with one_at_a_time:
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(descriptor, data[: left[0]])
            left[0] -= written
            return written

    def make_room() -> None:
        left[0] = 10**9

    monkeypatch.setattr(os, "write", write_while_there_is_room)
    return make_room
