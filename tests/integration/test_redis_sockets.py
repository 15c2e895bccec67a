"""A Redis on the same host may be reached through a socket's file, by the jobs and by the doorbell alike."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener, default_broker_url
from adapters.redis import RedisJobEvents, RedisJobRepository, RedisLink, check_durability
from contracts.samples import a_job
from imaging_core.errors import Unavailable
from imaging_core.events import EventKind, event_of
from redis_server import RedisServer


@pytest.fixture
def url() -> Iterator[str]:
    # A socket's path must be short, which a test's own folder may not be.
    with tempfile.TemporaryDirectory(prefix="imaging-") as folder:
        path = Path(folder) / "redis.sock"
        with RedisServer("--unixsocket", str(path)):
            yield f"unix://{path}"


async def test_jobs_and_their_events_go_through_a_socket_file(url: str) -> None:
    link = RedisLink(url)
    events = RedisJobEvents(link)
    try:
        await check_durability(link)
        start = await events.cursor()
        job = a_job()
        jobs = RedisJobRepository(link)
        await jobs.add(job, events=[event_of(job, EventKind.QUEUED, at=job.created_at)])
        async with asyncio.timeout(10):
            heard = await anext(aiter(events.subscribe(after=start)))
        assert (await jobs.get(job.id)).id == heard.job_id == job.id
    finally:
        await events.aclose()
        await link.aclose()


async def test_a_ring_goes_through_a_socket_file(url: str) -> None:
    rung = asyncio.Event()

    async def heard(_backend: str) -> None:
        rung.set()

    broker_url = default_broker_url(url)
    queue = DramatiqJobQueue(broker_url)
    listener = DramatiqListener(broker_url, ["alpha"], heard)
    await listener.start()
    try:
        await queue.ring("alpha", a_job().id)
        async with asyncio.timeout(10):
            await rung.wait()
    finally:
        await listener.stop()
        await queue.aclose()


async def test_a_socket_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    link = RedisLink(f"unix://{tmp_path}/none.sock")
    try:
        with pytest.raises(Unavailable, match=r"none\.sock does not answer"):
            await link.command("PING")
    finally:
        await link.aclose()
