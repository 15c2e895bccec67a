"""The directory store keeps every promise of its port."""

from pathlib import Path

import attrs
import pytest

from adapters.directory import DirectoryImageStore
from adapters.directory.draft import TEMPORARY
from contracts.image_store import ImageStoreContract
from contracts.samples import a_result
from full_disk import fill_up
from imaging_core.ids import new_job_id
from imaging_core.ports import ImageStore


class TestDirectoryStore(ImageStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ImageStore:
        return DirectoryImageStore(tmp_path / "pictures")

    @pytest.fixture
    def full_store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
        """A disk on which 20 kB fit."""
        fill_up(monkeypatch, room=20_000)
        return DirectoryImageStore(tmp_path / "pictures")

    async def test_11_no_file_has_a_name_before_its_proof_is_there(self, tmp_path: Path) -> None:
        store, job_id = DirectoryImageStore(tmp_path), new_job_id()
        names: list[str] = []

        def proof() -> None:
            names.extend(path.name for path in (tmp_path / job_id[:2] / job_id).iterdir())

        await store.put(job_id, 0, attrs.evolve(a_result(), proof=proof), first_image=0)

        assert [name for name in names if not name.startswith(TEMPORARY)] == []
        assert len(list((tmp_path / job_id[:2] / job_id).iterdir())) == 2

    async def reopened(self, store: ImageStore) -> ImageStore:
        assert isinstance(store, DirectoryImageStore)
        return DirectoryImageStore(store.root)
