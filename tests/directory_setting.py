"""What the picture folder is tried on: an empty one of the test's own; imports pytest and the adapter under test."""

from pathlib import Path

import pytest

from adapters.directory import DirectoryImageStore
from imaging_core.ids import new_job_id


class InFolder:
    """A store over a folder that is not there yet, and a job that has nothing in it."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "pictures"

    @pytest.fixture
    def store(self, folder: Path) -> DirectoryImageStore:
        return DirectoryImageStore(folder)

    @pytest.fixture
    def job_id(self) -> str:
        return new_job_id()
