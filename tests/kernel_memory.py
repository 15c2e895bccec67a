"""A kernel that has every file in memory and says so; imports pytest and the standard library."""

import os

import pytest


def all_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever file system the tests are on, this one tells what is in memory, and everything is."""

    def read(descriptor: int, buffers: list[memoryview], offset: int, _flags: int) -> int:
        (buffer,) = buffers
        data = pread(descriptor, len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)

    pread = os.pread
    monkeypatch.setattr("adapters.directory.folder._NOWAIT", 8)
    monkeypatch.setattr(os, "preadv", read, raising=False)
