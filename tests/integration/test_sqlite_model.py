"""The SQLite repository answers as the model does, whatever is done to both, to the microsecond."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis.stateful import run_state_machine_as_test

from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository
from contracts.repository_model import SETTINGS, RepositoryModel
from imaging_core.ports import JobEvents, JobRepository


class SqliteModel(RepositoryModel):
    """A database in a folder of its own, on the model's clock."""

    async def open(self) -> tuple[JobRepository, JobEvents]:
        self.folder = TemporaryDirectory(prefix="imaging-model-")
        self.database = SqliteDatabase(Path(self.folder.name), clock=lambda: self.time)
        await self.database.open()
        return SqliteJobRepository(self.database), SqliteJobEvents(self.database)

    async def close(self) -> None:
        await self.database.close()
        self.folder.cleanup()


def test_sqlite_behaves_as_the_model() -> None:
    run_state_machine_as_test(SqliteModel, settings=SETTINGS)
