"""Jobs are kept as long as was asked, and forgotten with their pictures then; half-written files do not stay either."""

import os
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.directory import DirectoryImageStore
from adapters.sqlite import SqliteJobRepository, open_database
from contracts.samples import NOON, a_job, a_result
from imaging_core.errors import JobDeleted, StorageFull, Unavailable
from imaging_core.janitor import Janitor
from imaging_core.jobs import Job
from imaging_process import Imaging, end_of, submit, until


class Installation:
    """A data folder whose clock is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.time = NOON
        self.store = DirectoryImageStore(folder / "pictures", reserve_bytes=0)

    def clock(self) -> datetime:
        return self.time

    async def finished(self, jobs: SqliteJobRepository, keep_days: float | None = None) -> Job:
        """A finished job with a picture."""
        job = await jobs.add(a_job(self.time, keep_days=keep_days))
        started = await jobs.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert started is not None
        stored = await self.store.put(job.id, 0, a_result(), first_image=0)
        return await jobs.save(started.succeeded(stored.images, now=self.time), token="t")


@pytest.fixture
def house(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.fixture
async def jobs(house: Installation, tmp_path: Path) -> AsyncIterator[SqliteJobRepository]:
    async with open_database(tmp_path, clock=house.clock) as database:
        yield SqliteJobRepository(database)


async def test_a_job_goes_with_its_pictures_when_its_days_are_over(
    house: Installation, jobs: SqliteJobRepository
) -> None:
    short, plain, long = [await house.finished(jobs, days) for days in (1.0, None, 90.0)]
    janitor = Janitor(jobs, house.store, keep_days=30.0)

    assert await janitor.forget_expired() == 0
    house.time += timedelta(days=2)
    assert await janitor.forget_expired() == 1
    house.time += timedelta(days=30)
    assert await janitor.forget_expired() == 1

    for gone in (short, plain):
        with pytest.raises(JobDeleted):
            await jobs.get(gone.id)
    assert await jobs.get(long.id) == long
    assert await house.store.job_ids() == [long.id]


async def test_without_a_setting_a_job_that_says_nothing_stays(house: Installation, jobs: SqliteJobRepository) -> None:
    await house.finished(jobs)
    house.time += timedelta(days=4000)

    assert await Janitor(jobs, house.store).forget_expired() == 0


async def test_more_than_one_batch_goes_at_once(house: Installation, jobs: SqliteJobRepository) -> None:
    for _ in range(101):
        job = await jobs.add(a_job(house.time, keep_days=1.0))
        await jobs.save(job.cancelled(now=house.time))
    house.time += timedelta(days=2)

    assert await Janitor(jobs, house.store).forget_expired() == 101


async def test_an_outage_in_the_middle_loses_none_of_the_others(
    house: Installation, jobs: SqliteJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = [await house.finished(jobs, keep_days=1.0) for _ in range(3)]
    house.time += timedelta(days=2)
    delete = jobs.delete

    async def failing(job: Job, **changes: Any) -> None:
        if job.id == expired[1].id:
            raise Unavailable("The disk fails.")
        await delete(job, **changes)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "delete", failing)
        with pytest.raises(Unavailable):
            await Janitor(jobs, house.store).forget_expired()

    assert await house.store.job_ids() == [expired[1].id]
    assert await Janitor(jobs, house.store).forget_expired() == 1


async def test_while_the_store_is_away_no_record_goes_and_while_it_is_full_they_do(
    house: Installation, jobs: SqliteJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = [await house.finished(jobs, keep_days=1.0) for _ in range(2)]
    house.time += timedelta(days=2)
    trouble: Unavailable = Unavailable("The bucket is away.")

    async def check() -> None:
        raise trouble

    monkeypatch.setattr(house.store, "check", check)
    with pytest.raises(Unavailable, match="away"):
        await Janitor(jobs, house.store).forget_expired()
    assert [await jobs.get(job.id) for job in expired] == expired

    trouble = StorageFull("There is no room.")
    assert await Janitor(jobs, house.store).forget_expired() == 2
    assert await house.store.job_ids() == []


async def test_the_janitor_sweeps_old_half_written_files(house: Installation, jobs: SqliteJobRepository) -> None:
    job = await house.finished(jobs)
    folder = Path(house.store.root) / job.id[:2] / job.id
    for name, age_s in ((".tmp-old", 7200), (".tmp-young", 60)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age_s,) * 2)

    assert await Janitor(jobs, house.store).sweep() == 1
    assert (folder / ".tmp-young").exists()
    assert not (folder / ".tmp-old").exists()


def test_the_service_forgets_jobs_and_their_ids_answer_410(tmp_path: Path) -> None:
    settings = {"IMAGING_DEMO_STEP_S": "0", "IMAGING_SWEEP_S": "0.02", "IMAGING_KEEP_DAYS": "0.00001"}
    half = tmp_path / "data" / "pictures" / ".tmp-half"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    os.utime(half, (0, 0))
    with Imaging("up", "--no-gui", folder=tmp_path, **settings) as imaging:
        imaging.started("is up")
        kept = submit(imaging.url, prompt="a hill", width=64, height=64, keep_days=2)
        gone = submit(imaging.url, prompt="a hill", width=64, height=64)

        until(lambda: httpx.get(f"{imaging.url}/image/{gone}").status_code == 410, "the end of the job")
        assert httpx.get(f"{imaging.url}/status/{gone}").status_code == 410
        until(lambda: not (half.parent / gone[:2] / gone).exists(), "the end of its pictures")
        assert end_of(imaging.url, kept)["keep_days"] == 2
        assert httpx.get(f"{imaging.url}/image/{kept}").status_code == 200
        assert not half.exists()

        wrong = httpx.post(f"{imaging.url}/images", json={"prompt": "x", "keep_days": 0})
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["field"] == "keep_days"
