"""Data folders for tests of the SQLite adapter; imports that adapter and the samples."""

from pathlib import Path

from adapters.sqlite import SqliteJobRepository, open_database
from contracts.samples import a_job
from imaging_core.jobs import Job


async def a_folder_with_a_job(folder: Path) -> Job:
    """A job in that folder, whose database is closed again."""
    async with open_database(folder) as database:
        return await SqliteJobRepository(database).add(a_job())


def names_in(folder: Path) -> list[str]:
    """Everything in it, sorted."""
    return sorted(path.name for path in folder.iterdir())
