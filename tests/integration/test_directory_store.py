"""What the directory store does besides keeping its port's promises: full and strange disks, strangers' files."""

import asyncio
import errno
import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adapters.directory import DirectoryImageStore
from contracts.image_store import read
from contracts.samples import a_result, png
from directory_setting import InFolder
from full_disk import fill_up
from imaging_core.errors import ImageNotAvailable, StorageFull, Unavailable
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage
from imaging_core.opened import whole

ROOT = Path(__file__).parents[2]


def files_in(folder: Path) -> list[str]:
    """Every file below a folder, by name."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def place_of(folder: Path, job_id: str) -> Path:
    return folder / job_id[:2] / job_id


def a_large_result() -> Generated:
    side = 1800
    data = png(side, side, packed=False)
    return Generated(images=(GeneratedImage(data=data, media_type="image/png", width=side, height=side, seed=1),))


class TestDisks(InFolder):
    async def test_no_room_leaves_no_file_at_all(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_room = fill_up(monkeypatch, room=1000)
        with pytest.raises(StorageFull) as full:
            await store.put(job_id, 0, a_large_result(), first_image=0)

        assert str(full.value) == (
            f"There is no room for another picture in {folder} (No space left on device). Free disk space or delete "
            "old pictures."
        )
        assert files_in(folder) == []
        make_room()
        assert (await store.put(job_id, 0, a_result(), first_image=0)).images

    def test_a_file_size_limit_of_the_system_is_no_room(self, folder: Path) -> None:
        program = f"""
import asyncio, resource, sys
sys.path[:0] = [{str(ROOT / "src")!r}, {str(ROOT / "tests")!r}]
from adapters.directory import DirectoryImageStore
from contracts.samples import a_result
from imaging_core.errors import StorageFull
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage

async def main():
    store, job_id = DirectoryImageStore(sys.argv[1]), new_job_id()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
    large = GeneratedImage(data=bytes(2_000_000), media_type="image/png", width=1, height=1, seed=1)
    try:
        await store.put(job_id, 0, Generated(images=(a_result().images[0], large)), first_image=0)
    except StorageFull:
        print("full", len(await store.find(job_id)))
    print("stored", len((await store.put(job_id, 0, a_result(), first_image=0)).images))

asyncio.run(main())
"""
        done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)

        assert (done.stdout, done.stderr) == ("full 0\nstored 1\n", "")
        assert len(files_in(folder)) == 2

    async def test_a_picture_written_piece_by_piece_is_whole(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))

        stored = await store.put(job_id, 0, a_result(2), first_image=0)

        assert [await read(store, ref) for ref in stored.images] == [image.data for image in a_result(2).images]

    async def test_a_disk_that_lies_about_what_it_stored_is_found_out(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "write", lambda _, data: len(data))

        with pytest.raises(Unavailable, match=f"picture folder {folder} cannot be used"):
            await store.put(job_id, 0, a_result(), first_image=0)

        assert files_in(folder) == []

    async def test_less_room_than_the_reserve_is_said_before_a_picture_is_paid_for(
        self, folder: Path, job_id: str
    ) -> None:
        store = DirectoryImageStore(folder, reserve_bytes=1 << 60)

        with pytest.raises(StorageFull, match=r"MiB are free for pictures in .*, less than the reserve of"):
            await store.check()

        # A picture that is paid for already may use the reserve.
        assert (await store.put(job_id, 0, a_result(), first_image=0)).images

    @pytest.mark.parametrize(
        ("call", "code", "sentence"),
        [
            ("open", errno.EACCES, r"cannot be used \(Permission denied\). Make it writable for user id \d+"),
            ("open", errno.EROFS, r"cannot be used \(Read-only file system\). Make it writable"),
            ("write", errno.EDQUOT, r"There is no room for another picture in .* \(Disk quota exceeded\)"),
            ("link", errno.EPERM, r"has no hard links .* Choose a folder on another file system"),
            ("fsync", errno.EIO, r"cannot be used \(Input/output error\). Check the disk"),
        ],
    )
    async def test_a_check_says_what_is_wrong_with_the_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, sentence: str
    ) -> None:
        clock = itertools.count(step=10)
        store = DirectoryImageStore(folder, clock=lambda: next(clock))
        await store.check()

        def fail(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(Unavailable, match=sentence):
                await store.check()

        await store.check()
        assert files_in(folder) == []

    async def test_a_check_that_went_well_is_good_for_a_second_and_a_failure_for_no_time(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 100.0
        await DirectoryImageStore(folder).check()
        store = DirectoryImageStore(folder, clock=lambda: now)
        real, synced = os.fsync, list[int]()

        def sync(descriptor: int) -> None:
            synced.append(descriptor)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", sync)

        await asyncio.gather(*(store.check() for _ in range(20)))
        assert len(synced) == 1, "of many one tries"
        now += 0.9
        await store.check()
        assert len(synced) == 1
        now += 0.2
        await store.check()
        assert len(synced) == 2

        now += 1.1
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", _no_room)
            for _ in range(2):
                with pytest.raises(StorageFull):
                    await store.check()
        await store.check()
        assert len(synced) == 5

    async def test_a_put_that_finds_no_room_makes_the_next_check_look(
        self, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = DirectoryImageStore(folder, clock=lambda: 100.0)
        await store.check()
        monkeypatch.setattr(os, "write", _no_room)

        await store.check()
        with pytest.raises(StorageFull):
            await store.put(job_id, 0, a_result(), first_image=0)
        with pytest.raises(StorageFull):
            await store.check()

    async def test_a_folder_that_is_a_file_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        for place in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(Unavailable, match=r"holds something that is no folder .* Move it away"):
                await DirectoryImageStore(place).check()

    async def test_nothing_is_touched_before_the_first_use(self, tmp_path: Path) -> None:
        store = DirectoryImageStore(tmp_path / "pictures")

        assert list(await store.find(new_job_id())) == []
        await store.delete(new_job_id())

        assert os.listdir(tmp_path) == []  # noqa: PTH208  # also names that a glob would hide

    async def test_a_slow_disk_does_not_hold_up_the_loop(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writing, go_on, fsync = threading.Event(), threading.Event(), os.fsync

        def slow(descriptor: int) -> None:
            writing.set()
            assert go_on.wait(10)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", slow)
        putting = asyncio.create_task(store.put(job_id, 0, a_result(), first_image=0))
        await asyncio.to_thread(writing.wait, 10)
        await asyncio.sleep(0)
        assert not putting.done()
        go_on.set()

        assert (await putting).images


class TestStrangers(InFolder):
    async def test_links_are_not_followed(self, store: DirectoryImageStore, folder: Path, tmp_path: Path) -> None:
        for level in range(3):
            job_id = new_job_id()
            ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
            place = [folder / job_id[:2], place_of(folder, job_id), folder / job_id[:2] / ref.key][level]
            elsewhere = tmp_path / f"elsewhere-{level}"
            place.rename(elsewhere)
            place.symlink_to(elsewhere)

            with pytest.raises(ImageNotAvailable):
                await store.open(ref)
            await store.delete(job_id)

            assert elsewhere.exists()
            if elsewhere.is_dir():
                assert files_in(elsewhere)
            place.unlink(missing_ok=True)

    async def test_what_is_no_file_is_no_picture(self, store: DirectoryImageStore, folder: Path, job_id: str) -> None:
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        path = folder / job_id[:2] / ref.key
        path.unlink()
        os.mkfifo(path)

        with pytest.raises(ImageNotAvailable):
            await store.open(ref)

    async def test_a_picture_that_was_cut_short_is_not_given(
        self, store: DirectoryImageStore, folder: Path, job_id: str
    ) -> None:
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        os.truncate(folder / job_id[:2] / ref.key, ref.size - 1)

        with pytest.raises(ImageNotAvailable, match=f"has {ref.size - 1} bytes instead of {ref.size}"):
            await store.open(ref)

    async def test_a_large_picture_that_was_cut_short_is_not_begun(
        self, store: DirectoryImageStore, folder: Path, job_id: str
    ) -> None:
        ref = (await store.put(job_id, 0, a_large_result(), first_image=0)).images[0]
        os.truncate(folder / job_id[:2] / ref.key, ref.size - 1)

        with pytest.raises(ImageNotAvailable, match="is damaged"):
            await store.open(ref)

    async def test_a_stream_that_is_given_up_holds_nothing_open(self, store: DirectoryImageStore, job_id: str) -> None:
        ref = (await store.put(job_id, 0, a_large_result(), first_image=0)).images[0]
        descriptors = len(os.listdir("/dev/fd"))  # noqa: PTH208

        opened = await store.open(ref)
        assert not isinstance(opened, bytes | memoryview)
        first = await anext(opened)

        assert len(first) == 1 << 20
        assert len(os.listdir("/dev/fd")) == descriptors  # noqa: PTH208
        assert await whole(await store.open(ref)) == a_large_result().images[0].data

    async def test_a_damaged_record_is_said(self, store: DirectoryImageStore, folder: Path, job_id: str) -> None:
        await store.put(job_id, 0, a_result(), first_image=0)
        (place_of(folder, job_id) / "0.json").write_text('{"call": 0}')

        with pytest.raises(Unavailable, match=r"record 0\.json of a stored call is damaged"):
            await store.find(job_id)

    async def test_an_id_that_is_none_is_never_a_path(self, store: DirectoryImageStore, folder: Path) -> None:
        for job_id in ("../../etc", "a" * 31, "A" * 32, f"{'a' * 32}\n"):
            with pytest.raises(ValueError, match="not a job id"):
                await store.put(job_id, 0, a_result(), first_image=0)
            await store.delete(job_id)

        assert os.listdir(folder.parent) == []  # noqa: PTH208


def _no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
