"""A page of the list at 100 jobs and at 100,000; imports the service's own repositories to fill them."""

import asyncio
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
from imaging_core.ports import JobQuery, JobRepository
from redis_server import RedisServer

FEW, MANY = 100, 100_000
PAGES = 60


def lists(runs: int) -> list[Figure]:
    """The newest page and one from the middle."""
    figure = Figure(
        name="a page of 50 of the list",
        unit="ms",
        targets=tuple(
            at_most(f"{kind}, {MANY:,} jobs", 2, against=f"{kind}, {FEW} jobs") for kind in ("sqlite", "redis")
        ),
    )
    asyncio.run(_lists(figure, runs))
    return [figure]


async def _lists(figure: Figure, runs: int) -> None:
    import tempfile  # noqa: PLC0415  # only here

    with ExitStack() as stack:
        server = stack.enter_context(RedisServer("--appendfsync", "no"))
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        async with open_database(folders[0]) as few, open_database(folders[1]) as many:
            links = [RedisLink(server.url, prefix=prefix) for prefix in ("few:", "many:")]
            subjects: dict[str, JobRepository] = {
                f"sqlite, {FEW} jobs": SqliteJobRepository(few),
                f"sqlite, {MANY:,} jobs": SqliteJobRepository(many),
                f"redis, {FEW} jobs": RedisJobRepository(links[0]),
                f"redis, {MANY:,} jobs": RedisJobRepository(links[1]),
            }
            for name, jobs in subjects.items():
                await _fill(jobs, MANY if f"{MANY:,}" in name else FEW)
            for _ in range(runs):
                for name, jobs in subjects.items():
                    begin = time.perf_counter()
                    for _ in range(PAGES):
                        await jobs.list(JobQuery(limit=50))
                    figure.add(name, (time.perf_counter() - begin) / PAGES * 1000)
            for link in links:
                await link.aclose()


async def _fill(jobs: JobRepository, number: int) -> None:
    began = datetime.now(UTC) - timedelta(days=1)

    async def one(position: int) -> None:
        at = began + timedelta(milliseconds=position)
        request = ImageRequest(prompt=f"a lighthouse, number {position}", seed=position + 1)
        job = await jobs.add(Job(id=new_job_id(), backend="stability", request=request, created_at=at))
        failure = JobFailure(code=FailureCode.TIMEOUT, message="Filled in.", retryable=False, attempt=0, at=at)
        await jobs.save(job.failed(failure, now=at))

    for start in range(0, number, 200):
        await asyncio.gather(*(one(start + step) for step in range(min(200, number - start))))
