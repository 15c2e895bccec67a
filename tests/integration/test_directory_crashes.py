"""A directory store that crashes anywhere leaves a whole call or nothing, and never stands in its own way."""

import asyncio
import errno
import itertools
import os
import stat
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.directory import DirectoryImageStore, draft
from contracts.image_store import read
from contracts.samples import a_picture, a_result, png
from imaging_core.errors import StorageFull, Unavailable
from imaging_core.ids import new_job_id


@pytest.fixture(params=["nameless", "named"], autouse=True)
def drafts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the file system can keep a file without a name, as Linux's own can and NFS cannot."""
    if request.param == "named":
        monkeypatch.setattr(draft, "_open_nameless", lambda _: None)
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def store(folder: Path) -> DirectoryImageStore:
    return DirectoryImageStore(folder)


@pytest.fixture
def job_id() -> str:
    return new_job_id()


def files_in(folder: Path) -> list[str]:
    """Every file below a folder, by name."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def place_of(folder: Path, job_id: str) -> Path:
    return folder / job_id[:2] / job_id


class Crash(BaseException):
    """The power is gone."""


@contextmanager
def crash_at(step: int) -> Iterator[list[str]]:
    """Let the power fail just before the given step that changes the disk; nothing after it happens. Lists the steps."""
    done: list[str] = []

    def fails(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(done) >= step:
                raise Crash
            done.append(name)
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("mkdir", "write", "fsync", "rename", "link", "unlink", "rmdir"):
            patch.setattr(os, name, fails(name, getattr(os, name)))
        yield done


@contextmanager
def syncs(*, failing_while: Callable[[], bool] = lambda: False) -> Iterator[list[int]]:
    """Lists what is synced, by inode; a sync fails like a broken disk's while that says so."""
    real, synced = os.fsync, list[int]()

    def sync(descriptor: int) -> None:
        if failing_while():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield synced


async def steps_of_a_put(folder: Path) -> list[str]:
    with crash_at(1000) as done:
        await DirectoryImageStore(folder).put(new_job_id(), 0, a_result(2), first_image=0)
    return done


class TestCrashes:
    async def test_a_picture_and_its_name_are_on_the_disk_before_its_record_has_one(self, folder: Path) -> None:
        steps = await steps_of_a_put(folder)

        syncs = [n for n, step in enumerate(steps) if step == "fsync"]
        *pictures, record = [n for n, step in enumerate(steps) if step in ("link", "rename")]
        assert (len(pictures), steps[record]) == (2, "link")
        # Two pictures, the record, and the three folders that lead to theirs.
        assert sum(sync < min(pictures) for sync in syncs) == 6
        assert any(max(pictures) < sync < record for sync in syncs)
        assert any(record < sync for sync in syncs)

    async def test_every_file_is_synced_after_its_last_byte_and_before_any_has_a_name(
        self, store: DirectoryImageStore, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        last_write, synced, unsynced = dict[int, int](), dict[int, int](), list[dict[int, int]]()
        real_write, real_sync, steps = os.write, os.fsync, itertools.count()

        def write(descriptor: int, data: bytes) -> int:
            written = real_write(descriptor, data)
            last_write[os.fstat(descriptor).st_ino] = next(steps)
            return written

        def sync(descriptor: int) -> None:
            begun = next(steps)
            real_sync(descriptor)
            synced[os.fstat(descriptor).st_ino] = begun

        def naming(real: Callable[..., None]) -> Callable[..., None]:
            def name(*args: Any, **kwargs: Any) -> None:
                unsynced.append({file: n for file, n in last_write.items() if synced.get(file, -1) < n})
                real(*args, **kwargs)

            return name

        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "fsync", sync)
        for step in ("link", "rename"):
            monkeypatch.setattr(os, step, naming(getattr(os, step)))
        await store.put(job_id, 0, a_result(2), first_image=0)

        assert len(last_write) == 3
        assert unsynced == [{}, {}, {}]

    @pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    async def test_a_sync_of_bytes_that_fails_leaves_nothing(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch, reason: int
    ) -> None:
        real = os.fsync

        def sync(descriptor: int) -> None:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(reason, os.strerror(reason))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", sync)
        with pytest.raises(Unavailable) as failed:
            await store.put(job_id, 0, a_result(2), first_image=0)

        assert isinstance(failed.value, StorageFull) is (reason != errno.EIO)
        assert files_in(folder) == []

    async def test_a_call_whose_last_sync_failed_is_told_of_only_once_it_is_on_the_disk(
        self, store: DirectoryImageStore, folder: Path, job_id: str
    ) -> None:
        place = place_of(folder, job_id)
        with syncs(failing_while=(place / "0.json").exists), pytest.raises(Unavailable):
            await store.put(job_id, 0, a_result(), first_image=0)

        def again() -> tuple[Coroutine[Any, Any, Any], ...]:
            # Another's retry, and whoever takes the job over: neither knows which folders were synced.
            other = DirectoryImageStore(folder)
            return other.put(job_id, 0, a_result(), first_image=0), DirectoryImageStore(folder).find(job_id)

        for telling in again():
            with syncs(failing_while=lambda: True), pytest.raises(Unavailable):
                await telling
        for telling in again():
            with syncs() as synced:
                assert await telling
            assert [where.stat().st_ino for where in (place.parent, folder, place)] == synced

    async def test_a_picture_that_is_told_of_is_replaced_by_one_that_is_on_the_disk(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.put(job_id, 0, a_result(), first_image=0)
        (picture,) = place_of(folder, job_id).glob("0-*")
        # Another's record is on its way: its picture is there, and this writer has not seen the record.
        (place_of(folder, job_id) / "0.json").unlink()
        rename, synced = os.rename, list[int]()
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))

        def replace(source: str, name: str, **folders: int) -> None:
            assert (os.stat(source, dir_fd=folders["src_dir_fd"]).st_ino in synced) is (name == picture.name)
            rename(source, name, **folders)

        monkeypatch.setattr(os, "rename", replace)
        before = picture.stat().st_ino
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        assert picture.stat().st_ino != before
        assert await read(store, stored.images[0]) == a_picture().data

    @pytest.mark.parametrize("what", ["call", "inputs"])
    async def test_the_folders_that_lead_to_a_picture_are_on_the_disk_whoever_made_them(
        self, store: DirectoryImageStore, folder: Path, job_id: str, what: str
    ) -> None:
        place = place_of(folder, job_id)
        # By a writer that died before it could sync anything.
        place.mkdir(parents=True)
        with syncs() as synced:
            if what == "call":
                await store.put(job_id, 0, a_result(), first_image=0)
            else:
                await store.put_inputs(job_id, {"mask": png(64, 64)})

        assert {where.stat().st_ino for where in (folder, place.parent, place)} <= set(synced)

    @pytest.mark.parametrize("first", ["check", "put", "put_inputs"])
    async def test_the_folders_that_lead_to_a_new_root_are_on_the_disk_whatever_made_it(
        self, tmp_path: Path, job_id: str, first: str
    ) -> None:
        root = tmp_path / "data" / "pictures"
        store = DirectoryImageStore(root, reserve_bytes=0)
        with syncs() as synced:
            if first == "check":
                await store.check()
            elif first == "put":
                await store.put(job_id, 0, a_result(), first_image=0)
            else:
                await store.put_inputs(job_id, {"mask": png(64, 64)})

        assert {where.stat().st_ino for where in (tmp_path, root.parent)} <= set(synced)

    async def test_a_crash_at_any_step_leaves_the_whole_call_or_nothing_and_never_stands_in_the_way(
        self, tmp_path: Path, drafts: str
    ) -> None:
        steps = await steps_of_a_put(tmp_path / "trial")
        found_before = set()
        for step in range(len(steps)):
            store, job_id = DirectoryImageStore(tmp_path / f"{step}"), new_job_id()
            with pytest.raises(Crash), crash_at(step):
                await store.put(job_id, 0, a_result(2, seed=1), first_image=0)

            left = files_in(tmp_path / f"{step}")
            assert drafts == "named" or not [name for name in left if name.startswith(".tmp-")], steps[step]
            before = list(await store.find(job_id))
            found_before.add(len(before))
            stored = await store.put(job_id, 0, a_result(2, seed=100), first_image=0)

            assert before in ([], [stored])
            assert list(await store.find(job_id)) == [stored]
            assert [await read(store, ref) for ref in stored.images] == [
                a_picture(seed=ref.seed).data for ref in stored.images
            ]
            await store.sweep_temporary(older_than_s=0)
            assert len(files_in(tmp_path / f"{step}")) == 3, f"only two pictures and a record stay after {steps[step]}"
        assert found_before == {0, 1}

    async def test_a_crash_at_any_step_of_a_delete_leaves_nothing_to_find_after_another(self, tmp_path: Path) -> None:
        for step in range(20):
            store, job_id = DirectoryImageStore(tmp_path / f"{step}"), new_job_id()
            stored = await store.put(job_id, 0, a_result(2), first_image=0)
            try:
                with crash_at(step):
                    await store.delete(job_id)
            except Crash:
                found = list(await store.find(job_id))
                assert [await read(store, ref) for call in found for ref in call.images] in (
                    [],
                    [a_picture(seed=ref.seed).data for ref in stored.images],
                )
                await store.delete(job_id)
            else:
                assert step > 3
            assert files_in(tmp_path / f"{step}") == []
            assert list(await store.find(job_id)) == []

    async def test_writers_of_the_same_pictures_do_not_remove_each_others(
        self, store: DirectoryImageStore, folder: Path, job_id: str
    ) -> None:
        others = [DirectoryImageStore(folder) for _ in range(8)]

        got = await asyncio.gather(*(other.put(job_id, 0, a_result(3), first_image=0) for other in others))

        assert all(stored == got[0] for stored in got)
        assert [await read(store, ref) for ref in got[0].images] == [image.data for image in a_result(3).images]
        assert len(files_in(folder)) == 4

    async def test_a_job_deleted_while_its_pictures_are_stored_gets_them_anew(
        self, store: DirectoryImageStore, folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link, deleted = os.link, [False]

        def delete_first(*args: Any, **kwargs: Any) -> None:
            if not deleted[0]:
                deleted[0] = True
                asyncio.run(DirectoryImageStore(folder).delete(job_id))
            link(*args, **kwargs)

        monkeypatch.setattr(os, "link", delete_first)
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        assert deleted == [True]
        assert await read(store, stored.images[0]) == a_picture().data

    async def test_what_crashed_writers_left_is_swept_once_it_is_old(
        self, store: DirectoryImageStore, folder: Path, job_id: str
    ) -> None:
        await store.check()
        stored = await store.put(job_id, 0, a_result(), first_image=0)
        stranger = folder / "notes.txt"
        stranger.write_text("mine")
        for place in (folder, place_of(folder, job_id)):
            (place / ".tmp-old").write_text("x")
            os.utime(place / ".tmp-old", (1, 1))
            (place / ".tmp-new").write_text("x")

        assert await store.sweep_temporary(older_than_s=3600) == 2
        assert await store.sweep_temporary(older_than_s=3600) == 0

        assert sorted(name for name in files_in(folder) if name.startswith(".tmp-")) == [".tmp-new", ".tmp-new"]
        assert stranger.read_text() == "mine"
        assert await read(store, stored.images[0]) == a_picture().data

    async def test_the_jobs_with_pictures_can_be_named(self, store: DirectoryImageStore, folder: Path) -> None:
        assert await store.job_ids() == []
        ids = sorted(new_job_id() for _ in range(3))
        for job_id in ids:
            await store.put(job_id, 0, a_result(), first_image=0)
        (folder / "lost+found").mkdir()

        assert sorted(await store.job_ids()) == ids
