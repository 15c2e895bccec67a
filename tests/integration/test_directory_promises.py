"""The directory store keeps every promise of its port."""

import errno
import os
from pathlib import Path

import pytest

from adapters.directory import DirectoryImageStore
from contracts.image_store import ImageStoreContract
from imaging_core.ports import ImageStore


class TestDirectoryStore(ImageStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ImageStore:
        return DirectoryImageStore(tmp_path / "pictures")

    @pytest.fixture
    def full_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
        """A disk on which 20 kB fit: the write that reaches the end is cut short, and the next one fails."""
        write, room = os.write, [20_000]

        def write_while_there_is_room(descriptor: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(descriptor, data[: room[0]])
            room[0] -= written
            return written

        monkeypatch.setattr(os, "write", write_while_there_is_room)
        return DirectoryImageStore(tmp_path / "pictures")

    async def reopened(self, store: ImageStore) -> ImageStore:
        assert isinstance(store, DirectoryImageStore)
        return DirectoryImageStore(store.root)
