"""The command `imaging compact`, for the embedded mode's database; imports the adapter."""

import asyncio
import sys

from adapters.sqlite.compacting import compact
from adapters.sqlite.database import DATABASE_FILE
from entrypoints.settings import Settings, SettingsError


async def run_compact(settings: Settings) -> int:
    """Give back to the disk what deleted jobs took in the database. Raises Unavailable and SettingsError."""
    path = settings.data_dir / DATABASE_FILE
    if not path.exists():
        raise SettingsError(
            f"IMAGING_DATA_DIR: there are no jobs in {settings.data_dir}. Set it to the folder that `imaging up` uses."
        )
    before, after = await asyncio.to_thread(compact, settings.data_dir)
    sys.stdout.write(f"{path}: {_mb(before)} before, {_mb(after)} now.\n")
    return 0


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
