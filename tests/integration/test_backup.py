"""A backup of a running service is whole, and restores into a service that has all of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from adapters.directory import DirectoryImageStore
from adapters.sqlite import SqliteDatabase, SqliteJobEvents, SqliteJobRepository, open_database
from adapters.sqlite.snapshot import take_snapshot
from contracts.samples import NOON, a_job, a_result
from entrypoints.backup import run_backup, run_restore
from entrypoints.settings import load_settings
from imaging_core.errors import ImagingError
from imaging_core.ids import new_job_id
from imaging_core.jobs import Job, JobStatus
from imaging_core.memory import MemoryGate
from imaging_core.policies import RetryPolicy, RunLimits
from imaging_core.runner import JobRunner, Ran
from imaging_core.runner_parts import RunnerParts
from imaging_process import Imaging, clean_environment, end_of, submit
from s3_endpoint import KEY, SECRET, shared_endpoint
from scripted import ScriptedGenerator

#: A command, its folder and the data folder: exit status and everything it said.
Here = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The commands in this process, which is quicker than one of their own."""

    async def run(
        command: str, folder: Path, data: Path, *, link: bool = True, storage_url: str | None = None
    ) -> tuple[int, str]:
        settings = load_settings({}, data_dir=data, storage_url=storage_url)
        try:
            made = run_backup(settings, folder, link=link) if command == "backup" else run_restore(settings, folder)
            code = await made
        except ImagingError as error:
            return 1, str(error)
        return code, "".join(capsys.readouterr())

    return run


def imaging(command: str, folder: Path, data: Path, **settings: str) -> tuple[int, str]:
    """Exit status and everything it said."""
    done = subprocess.run(
        [Path(sys.executable).parent / "imaging", command, folder],
        env=clean_environment({"IMAGING_DATA_DIR": str(data), **settings}),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


async def a_finished_job(data: Path) -> Job:
    """A data folder at rest with one finished job of two pictures, which it gives."""
    store = DirectoryImageStore(data / "pictures", reserve_bytes=0)
    async with open_database(data) as database:
        jobs = SqliteJobRepository(database)
        job = await jobs.add(a_job(NOON))
        started = await jobs.claim_next("alpha", worker="w", token="t", lease_s=60)
        assert started is not None
        stored = await store.put(job.id, 0, a_result(2), first_image=0)
        return await jobs.save(started.succeeded(stored.images, now=NOON), token="t")


def test_a_backup_under_load_has_every_picture_of_its_finished_jobs(tmp_path: Path) -> None:
    copy, data = tmp_path / "copy", tmp_path / "restored"
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0.01") as service:
        service.started("is up")
        ids = [submit(service.url, prompt=f"a hill {n}", width=64, height=64, steps=2) for n in range(12)]
        end_of(service.url, ids[3])
        # What an edit begins with has names of its own.
        edited = httpx.post(
            f"{service.url}/images/edits", json={"image_id": ids[3], "prompt": "the same in winter", "strength": 0.5}
        ).json()["image_id"]
        end_of(service.url, edited)
        began = httpx.get(f"{service.url}/image/{edited}/input").content

        code, output = imaging("backup", copy, tmp_path / "data")
        assert code == 0, output

        pictures = {image_id: httpx.get(f"{service.url}/image/{image_id}").content for image_id in ids[:1]}
        code, output = imaging("restore", copy, tmp_path / "data")
        assert code == 1
        assert "not empty" in output
        service.signal(signal.SIGINT)
        service.ended()

    code, output = imaging("restore", copy, data)
    assert code == 0, output
    check = subprocess.run(
        [Path(sys.executable).parent / "imaging", "repair", "--check", "--now", "--json"],
        env=clean_environment({"IMAGING_DATA_DIR": str(data)}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert json.loads(check.stdout)["jobs"] >= 1
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DATA_DIR=str(data), IMAGING_DEMO_STEP_S="0") as restored:
        restored.started("is up")
        # What was still open goes on where it was.
        assert {end_of(restored.url, image_id)["status"] for image_id in ids} == {"finished"}
        for image_id, picture in pictures.items():
            assert httpx.get(f"{restored.url}/image/{image_id}").content == picture
        assert httpx.get(f"{restored.url}/image/{edited}/input").content == began


@pytest.mark.parametrize("link", [True, False])
async def test_everything_comes_back_as_it_was(tmp_path: Path, here: Here, link: bool) -> None:
    job = await a_finished_job(tmp_path / "data")
    stray = DirectoryImageStore(tmp_path / "data" / "pictures", reserve_bytes=0)
    await stray.put(new_job_id(), 0, a_result(), first_image=0)
    begun_with = {"init_image": b"a picture", "mask": b"a mask"}
    keys = await stray.put_inputs(job.id, begun_with)

    code, output = await here("backup", tmp_path / "copy", tmp_path / "data", link=link)
    assert code == 0, output
    assert not (tmp_path / ".copy.partial").exists()
    assert (await here("restore", tmp_path / "copy", tmp_path / "back"))[0] == 0

    store = DirectoryImageStore(tmp_path / "back" / "pictures", reserve_bytes=0)
    async with open_database(tmp_path / "back") as database:
        assert await SqliteJobRepository(database).get(job.id) == job
    assert [ref for call in await store.find(job.id) for ref in call.images] == list(job.images)
    assert [await store.open(ref) for ref in job.images] == [image.data for image in a_result(2).images]
    assert await store.job_ids() == [job.id]
    for name, key in keys.items():
        assert (tmp_path / "back" / "pictures" / key[:2] / key).read_bytes() == begun_with[name]
    links = (tmp_path / "copy" / "pictures" / job.images[0].key[:2] / job.images[0].key).stat().st_nlink
    assert links == (2 if link else 1)


async def test_a_lost_picture_is_told_and_the_rest_is_saved(tmp_path: Path, here: Here) -> None:
    job = await a_finished_job(tmp_path / "data")
    (tmp_path / "data" / "pictures" / job.images[0].key[:2] / job.images[0].key).unlink()

    code, output = await here("backup", tmp_path / "copy", tmp_path / "data")

    assert code == 1
    assert f"missing in {tmp_path / 'data'}: picture {job.images[0].key}" in output
    assert (await here("restore", tmp_path / "copy", tmp_path / "back"))[0] == 0


async def test_a_damaged_picture_that_an_edit_begins_with_is_told(tmp_path: Path, here: Here) -> None:
    job = await a_finished_job(tmp_path / "data")
    store = DirectoryImageStore(tmp_path / "data" / "pictures", reserve_bytes=0)
    key = (await store.put_inputs(job.id, {"init_image": b"a picture"}))["init_image"]
    (tmp_path / "data" / "pictures" / key[:2] / key).write_bytes(b"another")

    code, output = await here("backup", tmp_path / "copy", tmp_path / "data")

    assert code == 1
    assert f"damaged in {tmp_path / 'data'}: picture pictures/{key[:2]}/{key}" in output


@pytest.mark.parametrize("harm", ["change", "remove", "forge", "unfinished"])
async def test_a_damaged_backup_is_refused_before_anything_is_written(tmp_path: Path, here: Here, harm: str) -> None:
    job = await a_finished_job(tmp_path / "data")
    assert (await here("backup", tmp_path / "copy", tmp_path / "data", link=False))[0] == 0
    picture = tmp_path / "copy" / "pictures" / job.images[1].key[:2] / job.images[1].key
    manifest = tmp_path / "copy" / "manifest.json"
    match harm:
        case "change":
            picture.write_bytes(picture.read_bytes()[:-1] + b"?")
        case "remove":
            picture.unlink()
        case "forge":
            manifest.write_text(manifest.read_text().replace("pictures/", "pictures/../../"))
        case "unfinished":
            manifest.unlink()

    code, output = await here("restore", tmp_path / "copy", tmp_path / "back")

    assert code == 1
    assert str(tmp_path / "copy") in output
    assert not (tmp_path / "back").exists()


async def test_a_backup_overwrites_nothing(tmp_path: Path, here: Here) -> None:
    await a_finished_job(tmp_path / "data")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").touch()

    code, output = await here("backup", tmp_path / "copy", tmp_path / "data")

    assert code == 1
    assert "not empty" in output
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine"]


async def test_a_folder_without_jobs_is_named(tmp_path: Path, here: Here) -> None:
    code, output = await here("backup", tmp_path / "copy", tmp_path / "nowhere")

    assert code == 1
    assert "IMAGING_DATA_DIR" in output
    assert not (tmp_path / "nowhere").exists()


async def test_a_backup_with_pictures_is_not_restored_beside_a_bucket(tmp_path: Path, here: Here) -> None:
    await a_finished_job(tmp_path / "data")
    assert (await here("backup", tmp_path / "copy", tmp_path / "data"))[0] == 0

    code, output = await here("restore", tmp_path / "copy", tmp_path / "other", storage_url="s3://bucket")

    assert code == 1
    assert "has pictures, and IMAGING_STORAGE_URL names a bucket" in output
    assert not (tmp_path / "other").exists()


def test_pictures_in_a_bucket_stay_there_and_their_jobs_come_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = shared_endpoint(request.config).place()
    assert place.endpoint is not None
    bucket = {
        "IMAGING_STORAGE_URL": place.url,
        "IMAGING_S3_ENDPOINT": place.endpoint,
        "IMAGING_S3_ACCESS_KEY_ID": KEY,
        "IMAGING_S3_SECRET_ACCESS_KEY": SECRET,
    }
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0", **bucket) as service:
        service.started("is up")
        image_id = submit(service.url, prompt="a hill", width=64, height=64)
        assert end_of(service.url, image_id)["status"] == "finished"
        picture = httpx.get(f"{service.url}/image/{image_id}").content
        service.signal(signal.SIGINT)
        assert service.ended() == 0

    for command, data in (("backup", tmp_path / "data"), ("restore", tmp_path / "restored")):
        code, output = imaging(command, tmp_path / "copy", data, **bucket)
        assert code == 0, output
        assert f"The pictures are in {place.url} and stay there." in output

    with Imaging(
        "up", "--no-gui", folder=tmp_path, **{**bucket, "IMAGING_DATA_DIR": str(tmp_path / "restored")}
    ) as service:
        service.started("is up")
        assert httpx.get(f"{service.url}/image/{image_id}").content == picture
    assert not list(tmp_path.rglob("*.png"))


async def test_a_picture_that_is_newer_than_the_restored_jobs_is_adopted_and_not_made_again(tmp_path: Path) -> None:
    # As with pictures in a bucket, where a restore finds all of them: the job waits in what is restored, and ended since.
    data, older = tmp_path / "data", tmp_path / "older.db"
    store, generator = DirectoryImageStore(tmp_path / "pictures", reserve_bytes=0), ScriptedGenerator(credits=3.0)

    async def run_next(jobs: SqliteJobRepository, database: SqliteDatabase) -> Job:
        parts = RunnerParts(
            jobs=jobs,
            store=store,
            gate=MemoryGate({}),
            events=SqliteJobEvents(database),
            generators={"alpha": generator},
            worker="w",
            limits=RunLimits(),
            retry=RetryPolicy(),
        )
        outcome = await JobRunner(parts).run_next("alpha")
        assert isinstance(outcome, Ran), outcome
        return outcome.job

    async with open_database(data) as database:
        jobs = SqliteJobRepository(database)
        await jobs.add(a_job(await jobs.now()))
        take_snapshot(data, older)
        first = await run_next(jobs, database)
        assert (first.status, len(generator.calls)) == (JobStatus.FINISHED, 1)
    for file in data.glob("imaging.db*"):
        file.unlink()
    older.replace(data / "imaging.db")

    async with open_database(data) as database:
        again = await run_next(SqliteJobRepository(database), database)

    assert (again.status, again.images, len(generator.calls)) == (JobStatus.FINISHED, first.images, 1)
