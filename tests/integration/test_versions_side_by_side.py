"""Workers of two versions on one repository: neither loses what only the other knows, nor runs what it does not know.

May import the adapters, the core and the neighbouring test modules.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from adapters.redis import RedisJobRepository, RedisLink
from adapters.sqlite import SqliteJobRepository, open_database
from contracts.samples import a_job
from imaging_core.errors import BackendUnreachable
from imaging_core.images import Operation
from imaging_core.jobs import Job, JobStatus
from imaging_core.memory import MemoryGate, MemoryImageStore, MemoryJobEvents, MemoryJobRepository
from imaging_core.policies import RetryPolicy
from imaging_core.ports import JobQuery, JobRepository
from imaging_core.records import job_from_record, job_to_record
from imaging_core.runner import JobRunner
from imaging_core.runner_parts import RunnerParts
from imaging_core.webhooks import Webhook
from redis_server import shared_server
from scripted import ScriptedGenerator

#: What a newer version might write beside what this one knows.
NEWER = {"x_mood": {"colour": ["blue", None], "depth": 2.5}, "x_parents": ["a" * 32], "x_draft": False}


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobRepository]:
    match request.param:
        case "memory":
            yield MemoryJobRepository(MemoryJobEvents())
        case "sqlite":
            async with open_database(tmp_path) as database:
                yield SqliteJobRepository(database)
        case _:
            link = RedisLink(shared_server(request.config).url, prefix=f"versions-{tmp_path.name}:")
            yield RedisJobRepository(link)
            await link.aclose()


def runner(jobs: JobRepository, generator: ScriptedGenerator) -> JobRunner:
    parts = RunnerParts(
        jobs=jobs,
        store=MemoryImageStore(),
        gate=MemoryGate({}),
        events=MemoryJobEvents(),
        generators={generator.backend: generator},
        worker="older",
        retry=RetryPolicy(first_delay_s=0.001),
    )
    return JobRunner(parts)


async def test_a_newer_job_keeps_its_fields_through_a_whole_life_with_an_older_worker(jobs: JobRepository) -> None:
    job = a_job()
    newer = job_from_record({**job_to_record(attrs.evolve(job, request=attrs.evolve(job.request, seed=7))), **NEWER})
    await jobs.add(newer)
    generator = ScriptedGenerator().then(BackendUnreachable("Not now."))
    worker = runner(jobs, generator)

    while not (stored := await jobs.get(job.id)).status.terminal:
        await worker.run_next("alpha")

    # It was claimed, parked, claimed again and finished, each a write of the older version's.
    assert (stored.status, len(generator.calls), len(stored.failures)) == (JobStatus.FINISHED, 2, 1)
    assert NEWER.items() <= job_to_record(stored).items()
    (listed,) = (await jobs.list(JobQuery())).jobs
    assert NEWER.items() <= job_to_record(listed).items()


@pytest.mark.parametrize(
    ("job", "schema"),
    [
        (a_job(), 1),
        (Job(id="1" * 32, backend="alpha", request=a_job().request, created_at=a_job().created_at), 1),
        (
            Job(
                id="2" * 32,
                backend="alpha",
                request=a_job().request,
                created_at=a_job().created_at,
                webhook=Webhook(url="https://example.com/told"),
            ),
            2,
        ),
        (
            Job(
                id="3" * 32,
                backend="alpha",
                request=attrs.evolve(a_job().request, operation=Operation.UPSCALE),
                created_at=a_job().created_at,
            ),
            2,
        ),
        (
            Job(
                id="4" * 32,
                backend="alpha",
                request=a_job().request,
                created_at=a_job().created_at,
                asked=attrs.evolve(a_job().request, steps=None),
            ),
            1,
        ),
    ],
    ids=["sample", "plain", "webhook", "upscale", "auto"],
)
def test_a_job_asks_for_no_newer_worker_than_it_needs(job: Job, schema: int) -> None:
    assert job.schema == schema
    assert job_to_record(job)["schema"] == schema
    assert job_from_record(job_to_record(job)).schema == schema
