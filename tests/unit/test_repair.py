"""A repair finds everything a crash can leave, mends what it may, and touches nothing else."""

import os
import time
from pathlib import Path

import attrs
import pytest

from adapters.directory import DirectoryImageStore
from contracts.samples import NOON, a_job, a_ref, a_result, png
from imaging_core.ids import new_job_id
from imaging_core.jobs import Job
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.repair import FindingKind, Repair, RepairReport

LONG_AGO = time.time() - 7200


class House:
    """Jobs in memory and pictures in a folder."""

    def __init__(self, folder: Path) -> None:
        self.jobs = MemoryJobRepository(MemoryJobEvents(), lambda: NOON)
        self.store = DirectoryImageStore(folder, reserve_bytes=0)
        self.folder = folder

    async def finished(self) -> Job:
        """A finished job with two pictures."""
        job = await self.jobs.add(a_job(NOON))
        started = await self.jobs.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert started is not None
        stored = await self.store.put(job.id, 0, a_result(2), first_image=0)
        return await self.jobs.save(started.succeeded(stored.images, now=NOON), token="t")

    def path(self, job_id: str) -> Path:
        """Where its pictures are."""
        return self.folder / job_id[:2] / job_id

    def age(self, job_id: str) -> None:
        """As if it had been written two hours ago."""
        for path in (*self.path(job_id).iterdir(), self.path(job_id)):
            os.utime(path, (LONG_AGO, LONG_AGO))

    async def repair(self, *, mend: bool = True, young_s: float = 3600.0, keep: str | None = None) -> RepairReport:
        """One run."""
        return await Repair(self.jobs, self.store, mend=mend, young_s=young_s, keep_unknown=keep).run()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_where_all_is_well_nothing_is_found(house: House) -> None:
    await house.finished()
    await house.jobs.add(a_job(NOON))

    report = await house.repair()

    assert report.clean
    assert (report.findings, report.jobs, report.pictures) == ((), 1, 2)


async def test_an_empty_house_is_clean(house: House) -> None:
    assert (await house.repair()).clean


@pytest.mark.parametrize("mend", [True, False])
async def test_old_pictures_of_an_unknown_job_are_removed_when_asked(house: House, mend: bool) -> None:
    kept, stray = await house.finished(), new_job_id()
    await house.store.put(stray, 0, a_result(), first_image=0)
    house.age(stray)

    report = await house.repair(mend=mend)

    assert [(f.kind, f.subject, f.mended) for f in report.findings] == [(FindingKind.PICTURES_WITHOUT_JOB, stray, mend)]
    assert report.clean is mend
    assert house.path(stray).exists() is not mend
    assert len(await house.store.find(kept.id)) == 1


async def test_what_a_submit_brought_before_a_crash_is_removed_once_it_is_old(house: House) -> None:
    # Inputs are stored right before their job is added.
    stray = new_job_id()
    await house.store.put_inputs(stray, {"init_image": png(64, 64), "mask": png(64, 64)})
    first = await house.repair()
    assert (first.findings, first.left_alone) == ((), 1)
    house.age(stray)

    report = await house.repair()

    assert [(f.kind, f.subject, f.mended) for f in report.findings] == [(FindingKind.PICTURES_WITHOUT_JOB, stray, True)]
    assert not house.path(stray).exists()
    assert (await house.repair()).findings == ()


async def test_young_pictures_of_an_unknown_job_are_left_alone_unless_told(house: House) -> None:
    stray = new_job_id()
    await house.store.put(stray, 0, a_result(), first_image=0)

    first = await house.repair()
    assert (first.findings, first.left_alone, first.clean) == ((), 1, True)
    assert house.path(stray).exists()

    assert len((await house.repair(young_s=0.0)).findings) == 1
    assert not house.path(stray).exists()


async def test_what_may_belong_to_others_is_told_and_kept(house: House) -> None:
    stray = new_job_id()
    await house.store.put(stray, 0, a_result(), first_image=0)

    report = await house.repair(young_s=0.0, keep="two installations share the folder.")

    assert not report.clean
    assert "two installations" in report.findings[0].message
    assert house.path(stray).exists()


async def test_pictures_of_a_deleted_job_are_removed_at_any_age(house: House) -> None:
    job = await house.finished()
    await house.jobs.delete(job)

    report = await house.repair()

    assert [(f.kind, f.subject) for f in report.findings] == [(FindingKind.PICTURES_OF_DELETED_JOB, job.id)]
    assert report.clean
    assert not house.path(job.id).exists()


async def test_a_finished_job_without_its_picture_is_told_and_stays(house: House) -> None:
    job = await house.finished()
    picture = house.folder / job.images[1].key[:2] / job.images[1].key
    picture.unlink()

    report = await house.repair()

    assert [(f.kind, f.subject, f.mended) for f in report.findings] == [(FindingKind.PICTURE_MISSING, job.id, False)]
    assert not report.clean
    assert await house.jobs.get(job.id) == job


@pytest.mark.parametrize("length", [0, 1])
async def test_a_changed_picture_is_told(house: House, length: int) -> None:
    job = await house.finished()
    picture = house.folder / job.images[0].key[:2] / job.images[0].key
    data = picture.read_bytes()
    picture.write_bytes(data[: len(data) - 1 - length] + b"?")

    report = await house.repair()

    assert [(f.kind, f.subject) for f in report.findings] == [(FindingKind.PICTURE_DAMAGED, job.id)]


async def test_every_page_of_jobs_is_looked_at(house: House) -> None:
    for _ in range(201):
        job = await house.jobs.add(a_job(NOON))
        started = await house.jobs.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert started is not None
        await house.jobs.save(attrs.evolve(started.succeeded([a_ref()], now=NOON), id=job.id), token="t")

    report = await house.repair(mend=False)

    assert (report.jobs, len(report.findings)) == (201, 201)


@pytest.mark.parametrize("mend", [True, False])
async def test_old_half_written_files_are_removed_and_young_ones_kept(house: House, mend: bool) -> None:
    job = await house.finished()
    old, young = house.path(job.id) / ".tmp-old", house.folder / ".tmp-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (LONG_AGO, LONG_AGO))

    report = await house.repair(mend=mend)

    subjects = [(f.kind, f.subject) for f in report.findings]
    assert subjects == [(FindingKind.TEMPORARY_FILE, f"{job.id[:2]}/{job.id}/.tmp-old")]
    assert old.exists() is not mend
    assert young.exists()


def stray_in(house: House, job: Job) -> Path:
    """A picture beside the recorded ones, as a writer leaves it that crashes before its record."""
    stray = house.path(job.id) / f"0-{'5' * 64}.png"
    stray.write_bytes(b"whole, and nobody's")
    return stray


@pytest.mark.parametrize("mend", [True, False])
async def test_a_picture_that_no_record_of_an_ended_job_names_is_removed_once_it_is_old(
    house: House, mend: bool
) -> None:
    job = await house.finished()
    stray = stray_in(house, job)

    assert (await house.repair(mend=mend)).findings == ()
    report = await house.repair(mend=mend, young_s=0.0)

    assert [(f.kind, f.subject, f.mended) for f in report.findings] == [
        (FindingKind.UNNAMED_PICTURE, f"{job.id[:2]}/{job.id}/{stray.name}", mend)
    ]
    assert stray.exists() is not mend
    assert report.pictures == 2
    assert (await house.repair(mend=False, young_s=0.0)).clean is mend


async def test_a_picture_that_a_finished_job_names_stays_also_when_the_record_of_its_call_is_lost(house: House) -> None:
    job = await house.finished()
    stray = stray_in(house, job)
    # As a power cut takes it whose disk failed before.
    (house.path(job.id) / "0.json").unlink()

    report = await house.repair(young_s=0.0)

    assert [f.subject.rpartition("/")[2] for f in report.findings] == [stray.name]
    assert {path.name for path in house.path(job.id).iterdir()} == {ref.key.partition("/")[2] for ref in job.images}


async def test_a_picture_without_a_record_of_a_job_that_runs_is_left_to_its_worker(house: House) -> None:
    job = await house.jobs.add(a_job(NOON))
    house.path(job.id).mkdir(parents=True)
    stray = stray_in(house, job)

    assert (await house.repair(young_s=0.0)).findings == ()
    assert stray.exists()


async def test_beside_a_record_that_cannot_be_read_nothing_is_removed(house: House) -> None:
    job = await house.finished()
    (house.path(job.id) / "0.json").write_text("{")

    await house.repair(young_s=0.0)

    assert len(list(house.path(job.id).glob("*.png"))) == 2
