"""What jobs feel while ended ones are forgotten, and how long the write-ahead log grows; imports the repository and the core.

GROWTH_JOBS says among how many (20,000). What others read meanwhile is a page somewhere in the history, without a pause.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import attrs

from adapters.directory import DirectoryImageStore
from adapters.sqlite import SqliteJobRepository, open_database
from benchmarks import history
from benchmarks.figures import Figure, at_most, percentile
from imaging_core.ids import new_job_id
from imaging_core.images import ImageRequest
from imaging_core.janitor import Janitor
from imaging_core.jobs import Job
from imaging_core.repository import JobQuery, JobRepository

#: How long each way is looked at, in s, and the time between two jobs.
LOOK_S, APART_S = 10.0, 0.02
_AT_ONCE = 200


@attrs.define(kw_only=True)
class _Seen:
    lives: list[float] = attrs.field(factory=list)
    pages: list[float] = attrs.field(factory=list)
    #: Longest write-ahead log, in bytes.
    log: int = 0


def retention(runs: int) -> list[Figure]:
    """A job's add, claim and end, and a page, with the janitor at work and without; once, as it empties the history."""
    del runs
    lives = Figure(
        name="add, claim and end of a job, median",
        unit="ms",
        targets=(at_most("beside retention", 3, against="alone"),),
    )
    pages = Figure(name="a page of 50, 95 of 100", unit="ms")
    log = Figure(name="longest write-ahead log", unit="MB", targets=(at_most("beside retention", 64, against=None),))
    for name, seen in asyncio.run(_looked_at(int(os.environ.get("GROWTH_JOBS", "20000")))).items():
        lives.add(name, percentile(seen.lives, 0.5) * 1000)
        pages.add(name, percentile(seen.pages, 0.95) * 1000)
        log.add(name, seen.log / 1e6)
    return [lives, pages, log]


async def _looked_at(size: int) -> dict[str, _Seen]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with open_database(folder) as database:
            jobs = SqliteJobRepository(database)
            ended = history.jobs(0, size, of=size)
            while new := list(islice(ended, _AT_ONCE)):
                await jobs.add_all(new)
            alone = await _look(jobs, folder, size)
            store = DirectoryImageStore(folder / "pictures", reserve_bytes=0)
            async with _forgetting(Janitor(jobs, store, keep_days=0.0)):
                return {"alone": alone, "beside retention": await _look(jobs, folder, size)}


@asynccontextmanager
async def _forgetting(janitor: Janitor) -> AsyncIterator[None]:
    at_work = asyncio.create_task(janitor.forget_expired())
    try:
        yield
        assert not at_work.done(), "everything was forgotten: GROWTH_JOBS must be larger"
    finally:
        at_work.cancel()
        await asyncio.wait({at_work})


async def _look(jobs: JobRepository, folder: Path, size: int) -> _Seen:
    seen, ends = _Seen(), time.monotonic() + LOOK_S

    async def live() -> None:
        while (began := time.monotonic()) < ends:
            request = ImageRequest(prompt="a red fox in the snow, at dawn, 4k", seed=1)
            await jobs.add(Job(id=new_job_id(), backend="other", request=request, created_at=await jobs.now()))
            job = await jobs.claim_next("other", worker="w", token="t" * 16, lease_s=60)
            assert job is not None
            await jobs.save(job.succeeded([], now=await jobs.now()), token="t" * 16)
            seen.lives.append(time.monotonic() - began)
            seen.log = max(seen.log, (folder / "imaging.db-wal").stat().st_size)
            await asyncio.sleep(APART_S)

    async def read() -> None:
        while (began := time.monotonic()) < ends:
            await jobs.list(JobQuery(cursor=str(random.randrange(2, size))))
            seen.pages.append(time.monotonic() - began)

    await asyncio.gather(live(), live(), read())
    return seen
