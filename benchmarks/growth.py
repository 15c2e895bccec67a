"""A page of the list as jobs grow to 100,000; imports the service's own repositories to fill them."""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.redis import RedisJobRepository, RedisLink
from adapters.sqlite import SqliteJobRepository, open_database
from benchmarks.figures import Figure, at_most
from imaging_core.errors import FailureCode
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job, JobFailure, new_job_id
from imaging_core.repository import JobQuery, JobRepository
from redis_server import RedisServer

SIZES = (100, 1_000, 10_000, 100_000)
PAGES = 60
#: Jobs per atomic add while filling.
AT_ONCE = 100


def lists(runs: int) -> list[Figure]:
    """The newest page at each size."""
    figure = Figure(
        name="a page of 50 of the list",
        unit="ms",
        targets=tuple(
            at_most(f"{kind}, {SIZES[-1]:,} jobs", 2, against=f"{kind}, {SIZES[0]:,} jobs")
            for kind in ("sqlite", "redis")
        ),
    )
    asyncio.run(_lists(figure, runs))
    return [figure]


async def _lists(figure: Figure, runs: int) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer("--appendfsync", "no"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        link = RedisLink(server.url)
        async with open_database(folder) as database:
            for kind, jobs in (("sqlite", SqliteJobRepository(database)), ("redis", RedisJobRepository(link))):
                await _grow(figure, kind, jobs, runs)
        await link.aclose()


async def _grow(figure: Figure, kind: str, jobs: JobRepository, runs: int) -> None:
    there = 0
    for size in SIZES:
        for start in range(there, size, AT_ONCE):
            await _fill(jobs, start, min(AT_ONCE, size - start))
        there = size
        for _ in range(runs):
            begin = time.perf_counter()
            for _ in range(PAGES):
                await jobs.list(JobQuery(limit=50))
            figure.add(f"{kind}, {size:,} jobs", (time.perf_counter() - begin) / PAGES * 1000)


async def _fill(jobs: JobRepository, start: int, number: int) -> None:
    """Ended jobs, as history is."""
    began = datetime.now(UTC) - timedelta(days=1)
    new = []
    for position in range(start, start + number):
        request = ImageRequest(prompt=f"a lighthouse, number {position}", seed=position + 1)
        at = began + timedelta(milliseconds=position)
        new.append(Job(id=new_job_id(), backend="stability", request=request, created_at=at))
    stored = await jobs.add_all(new)
    now = datetime.now(UTC)
    failure = JobFailure(code=FailureCode.TIMEOUT, message="Filled in.", retryable=False, attempt=0, at=now)
    await asyncio.gather(*(jobs.save(job.failed(failure, now=now)) for job in stored))
