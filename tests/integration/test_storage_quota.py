"""New jobs are refused before pictures take more room than they may, and taken again once there is room."""

import shutil
from pathlib import Path

import httpx
import pytest

from adapters.directory import DirectoryImageStore
from contracts.samples import a_result
from entrypoints.settings import SettingsError, load_settings
from imaging_core.errors import StorageFull
from imaging_core.ids import new_job_id
from imaging_core.quota import StorageQuota, size_text
from imaging_process import Imaging, end_of, submit


async def test_the_room_taken_is_counted_on_without_a_look_at_the_disk(tmp_path: Path) -> None:
    store, result = DirectoryImageStore(tmp_path, reserve_bytes=0), a_result(2)
    length = sum(len(image.data) for image in result.images)
    kept, gone = new_job_id(), new_job_id()
    assert await store.used() == 0

    await store.put(kept, 0, result, first_image=0)
    await store.put(kept, 0, result, first_image=0)
    await store.put(gone, 0, result, first_image=0)
    assert await store.used() == 2 * length

    await store.delete(gone)
    assert await store.used() == length
    # The record beside the pictures is counted only when the disk is looked at; it is small.
    assert length <= await store.measure() <= length + 2000
    shutil.rmtree(tmp_path)
    assert await store.measure() == 0


async def test_the_quota_refuses_from_its_limit_on_and_says_what_to_do(tmp_path: Path) -> None:
    store = DirectoryImageStore(tmp_path, reserve_bytes=0)
    await store.put(job_id := new_job_id(), 0, a_result(), first_image=0)
    used = await store.measure()

    await StorageQuota(store, used + 1).check()
    await StorageQuota(store, None).check()
    with pytest.raises(StorageFull, match="IMAGING_MAX_STORAGE") as refused:
        await StorageQuota(store, used).check()
    assert refused.value.retry_after_s >= 1

    await store.delete(job_id)
    await StorageQuota(store, used).check()


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("2k", 2048), ("1.5M", 3 << 19), ("20G", 20 << 30), ("1 TiB", 1 << 40)]
)
def test_a_size_is_read_as_people_write_it(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_MAX_STORAGE", text)
    assert load_settings().max_storage == size


@pytest.mark.parametrize("text", ["much", "-1", "0", "5X", "G"])
def test_a_size_that_is_none_is_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_MAX_STORAGE", text)
    with pytest.raises(SettingsError, match="IMAGING_MAX_STORAGE"):
        load_settings()


def test_sizes_are_told_in_words() -> None:
    assert [size_text(n) for n in (3, 2048, 5 << 20, 3 << 29, 5 << 40)] == [
        "3 bytes",
        "2.0 KiB",
        "5.0 MiB",
        "1.5 GiB",
        "5.0 TiB",
    ]


def test_the_service_takes_jobs_until_the_room_is_used_up(tmp_path: Path) -> None:
    settings = {"IMAGING_DEMO_STEP_S": "0", "IMAGING_MAX_STORAGE": "1K"}
    with Imaging("up", "--no-gui", folder=tmp_path, **settings) as imaging:
        imaging.started("is up")
        assert httpx.get(f"{imaging.url}/readyz").status_code == 200
        image_id = submit(imaging.url, prompt="a hill", width=64, height=64)
        assert end_of(imaging.url, image_id)["status"] == "finished"

        refused = httpx.post(f"{imaging.url}/images", json={"prompt": "a hill"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "/problems/storage-full"
        assert "IMAGING_MAX_STORAGE" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        ready = httpx.get(f"{imaging.url}/readyz")
        assert ready.status_code == 503
        assert "IMAGING_MAX_STORAGE" in ready.json()["checks"]["storage"]["message"]
        assert httpx.get(f"{imaging.url}/image/{image_id}").status_code == 200

        assert httpx.delete(f"{imaging.url}/jobs/{image_id}").status_code == 204
        submit(imaging.url, prompt="a hill", width=64, height=64)
