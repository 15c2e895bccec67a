"""What the directory store reads on the event loop: files that are in memory, into memory that is used again."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import attrs
import pytest

from adapters.directory import DirectoryImageStore
from adapters.directory.warm import MOST_ROOMS, WITHOUT_THREAD
from contracts.samples import a_result
from directory_setting import InFolder
from imaging_core.errors import ImageNotAvailable
from imaging_core.images import ImageRef
from kernel_memory import all_in_memory


async def from_memory(store: DirectoryImageStore, ref: ImageRef) -> memoryview:
    """A picture that is read on the event loop."""
    opened = await store.open(ref)
    assert isinstance(opened, memoryview)
    return opened


class TestMemory(InFolder):
    async def test_a_picture_that_was_just_stored_or_read_takes_no_thread(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_in_memory(monkeypatch)
        data = a_result().images[0].data
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        reopened = DirectoryImageStore(folder)
        assert await reopened.open(ref) == data

        for warm in (store, reopened):
            opening = warm.open(ref)
            # It runs to its end at once, where a thread would be waited for.
            with pytest.raises(StopIteration) as ended:
                opening.send(None)
            assert ended.value.value == data

    async def test_memory_is_used_again_once_nobody_has_any_of_what_was_read_into_it(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_in_memory(monkeypatch)
        result = a_result(2)
        first, second = (await store.put(job_id, 0, result, first_image=0)).images
        opened = await from_memory(store, first)
        memory, part = opened.obj, opened[10:20]
        del opened

        other = await from_memory(store, second)
        assert other.obj is not memory
        assert part == result.images[0].data[10:20]

        del part
        assert (await from_memory(store, second)).obj is memory

    async def test_many_pictures_at_once_are_each_in_memory_of_its_own(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_in_memory(monkeypatch)
        result = a_result(MOST_ROOMS + 2)
        stored = await store.put(job_id, 0, result, first_image=0)

        for _ in range(2):
            opened = [await from_memory(store, ref) for ref in stored.images]
            assert opened == [image.data for image in result.images]
            # No more than so many are kept for later, so a crowd of slow readers leaves nothing behind.
            kept = [one for one in opened if memoryview(one.obj).nbytes == WITHOUT_THREAD]
            assert len(kept) == MOST_ROOMS
            del opened, kept

    async def test_a_file_of_another_length_is_not_given_from_memory_either(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_in_memory(monkeypatch)
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        # As long as the memory that it is read into.
        monkeypatch.setattr("adapters.directory.warm.WITHOUT_THREAD", ref.size)
        for size in (ref.size - 1, ref.size + 1):
            with pytest.raises(ImageNotAvailable, match="damaged"):
                await store.open(attrs.evolve(ref, size=size))

    async def test_a_large_picture_is_read_in_a_thread_even_from_memory(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        all_in_memory(monkeypatch)
        monkeypatch.setattr("adapters.directory.warm.WITHOUT_THREAD", len(a_result().images[0].data) - 1)
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]

        opening = asyncio.create_task(store.open(ref))
        # Its first step reads nothing, and leaves the loop free.
        await asyncio.sleep(0)

        assert not opening.done()
        assert await opening == a_result().images[0].data

    @pytest.mark.parametrize("answer", [errno.EAGAIN, errno.ENOTSUP, errno.EIO])
    async def test_what_is_not_in_memory_or_on_a_network_is_read_in_a_thread(
        self, store: DirectoryImageStore, job_id: str, answer: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads: list[threading.Thread] = []
        pread = os.pread

        def refused(*_: object) -> int:
            raise OSError(answer, os.strerror(answer))

        def noted(descriptor: int, most: int, offset: int) -> bytes:
            threads.append(threading.current_thread())
            return pread(descriptor, most, offset)

        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        monkeypatch.setattr(os, "preadv", refused, raising=False)
        monkeypatch.setattr(os, "pread", noted)

        for _ in range(2):
            assert await store.open(ref) == a_result().images[0].data
        assert len(threads) == 2
        assert threading.main_thread() not in threads
