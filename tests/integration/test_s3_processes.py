"""Pictures in a bucket while API and workers are processes of their own over Redis: nothing goes by way of a disk."""

import asyncio
import io
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import obstore
import pytest
from PIL import Image

from adapters.s3 import S3Place
from contracts.samples import png
from entrypoints.client import ImagingClient
from entrypoints.doctor import run_doctor
from entrypoints.lifespan import embedded
from entrypoints.repair import run_repair
from entrypoints.settings import load_settings
from imaging_process import Imaging, end_of, submit, until
from redis_server import RedisServer
from s3_endpoint import KEY, SECRET, shared_endpoint


@attrs.frozen(kw_only=True)
class Stack:
    """What runs: two APIs, of which the second sends callers to the bucket, and two workers."""

    api: Imaging
    redirecting: Imaging
    place: S3Place
    folder: Path
    settings: dict[str, str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Each process has a data folder of its own, as on hosts of their own."""
    hosts = [tmp_path_factory.mktemp(f"host{n}") for n in range(4)]
    place = shared_endpoint(request.config).place(prefix="live")
    assert place.endpoint is not None
    with RedisServer() as redis:
        settings = {
            "IMAGING_REDIS_URL": redis.url,
            "IMAGING_STORAGE_URL": place.url,
            "IMAGING_S3_ENDPOINT": place.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "IMAGING_DEMO": "1",
            "IMAGING_DEMO_STEP_S": "0",
        }
        with (
            Imaging("api", folder=hosts[0], **settings) as api,
            Imaging("api", folder=hosts[1], IMAGING_S3_REDIRECT="1", **settings) as redirecting,
            Imaging("worker", folder=hosts[2], **settings) as first,
            Imaging("worker", folder=hosts[3], **settings) as second,
        ):
            for process in (api, redirecting, first, second):
                process.start()
            for process, sentence in (
                (api, "API ready"),
                (redirecting, "API ready"),
                (first, "ready"),
                (second, "ready"),
            ):
                process.says(sentence)
            yield Stack(api=api, redirecting=redirecting, place=place, folder=hosts[0], settings=settings)
            for process in (redirecting, first, second, api):
                process.signal(signal.SIGTERM)
                assert process.ended() == 0, process.output
                assert SECRET not in process.output
        for host in hosts:
            assert not (host / "data" / "pictures").exists()


def finished(stack: Stack) -> str:
    """The id of a job that has finished."""
    image_id = submit(stack.api.url, prompt="a lighthouse", backend="demo", width=64, height=64)
    assert end_of(stack.api.url, image_id)["status"] == "finished"
    return image_id


def status(stack: Stack, image_id: str) -> dict[str, Any]:
    """How a job stands."""
    told: dict[str, Any] = httpx.get(f"{stack.api.url}/jobs/{image_id}").raise_for_status().json()
    return told


def test_every_picture_of_many_jobs_comes_back_whole(stack: Stack) -> None:
    ids = [submit(stack.api.url, prompt=f"a hill {n}", backend="demo", width=64, height=64, seed=n) for n in range(8)]

    for image_id in ids:
        ended = end_of(stack.api.url, image_id)
        assert ended["status"] == "finished", ended
        answer = httpx.get(f"{stack.api.url}/image/{image_id}").raise_for_status()
        Image.open(io.BytesIO(answer.content)).load()


def test_tags_ranges_and_thumbnails_are_those_of_a_folder(stack: Stack) -> None:
    url = f"{stack.api.url}/image/{finished(stack)}"

    whole = httpx.get(url)
    assert httpx.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    part = httpx.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    small = httpx.get(f"{url}/thumbnail").raise_for_status()
    assert Image.open(io.BytesIO(small.content)).size == (64, 64)


def test_a_picture_to_edit_goes_from_the_api_to_the_worker_through_the_bucket(stack: Stack) -> None:
    with ImagingClient(stack.api.url) as client:
        edited = client.edit("a lighthouse at night", png(64, 64), backend="demo")
        assert client.wait(edited.image_id, timeout_s=60).status == "finished"


def test_who_may_see_a_picture_is_sent_to_the_bucket_for_it_and_others_are_not(stack: Stack) -> None:
    image_id = finished(stack)
    url = f"{stack.redirecting.url}/image/{image_id}"

    sent = httpx.get(url)
    assert (sent.status_code, sent.headers["cache-control"]) == (307, "no-store")
    assert "X-Amz-Expires=900" in sent.headers["location"]
    whole = httpx.get(f"{stack.api.url}/image/{image_id}")
    assert httpx.get(sent.headers["location"]).content == whole.content
    assert httpx.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    assert httpx.get(f"{stack.redirecting.url}/image/{'0' * 32}").status_code == 404
    with ImagingClient(stack.redirecting.url) as client:
        assert client.image(image_id).data == whole.content


def test_jobs_that_are_accepted_while_the_bucket_is_away_get_their_pictures(
    stack: Stack, request: pytest.FixtureRequest
) -> None:
    finished(stack)
    endpoint = shared_endpoint(request.config)
    endpoint.freeze()
    try:
        ids = [submit(stack.api.url, prompt=f"a lake {n}", backend="demo", width=64, height=64) for n in range(6)]
        until(lambda: "started" in {status(stack, image_id)["status"] for image_id in ids}, "a job that is under way")
    finally:
        endpoint.thaw()

    for image_id in ids:
        assert end_of(stack.api.url, image_id)["status"] == "finished"
        assert httpx.get(f"{stack.api.url}/image/{image_id}").status_code == 200
        assert status(stack, image_id)["attempt"] == 1


async def test_doctor_and_repair_look_into_the_bucket(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**stack.settings, "IMAGING_DATA_DIR": str(stack.folder)}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()

    assert await run_doctor(settings) == 0
    told = capsys.readouterr().out
    assert f"ok   Pictures: {stack.place.url} can be written." in told
    assert SECRET not in told
    assert KEY not in told

    obstore.put(stack.place.client(), f"00/{'0' * 32}/0-{'0' * 64}.png", b"left by a crash")
    assert await run_repair(settings, mend=True, now=True, embedded=False, as_json=False) == 0
    assert f"mended pictures-without-job {'0' * 32}" in capsys.readouterr().out
    assert await run_repair(settings, mend=False, now=True, embedded=False, as_json=False) == 0
    assert capsys.readouterr().out.endswith("nothing is wrong.\n")


def test_a_deleted_job_leaves_nothing_in_the_bucket(stack: Stack) -> None:
    image_id = finished(stack)

    assert httpx.delete(f"{stack.api.url}/jobs/{image_id}").status_code == 204

    assert [meta for page in obstore.list(stack.place.client(), f"{image_id[:2]}/{image_id}") for meta in page] == []


async def test_a_process_that_closes_ends_the_threads_of_its_bucket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = shared_endpoint(request.config).place()
    for name, value in {
        "IMAGING_STORAGE_URL": place.url,
        "IMAGING_S3_ENDPOINT": str(place.endpoint),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "IMAGING_DEMO": "1",
        "IMAGING_DATA_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    before = set(threading.enumerate())

    async with embedded(load_settings()):
        threads = [one for one in set(threading.enumerate()) - before if one.name.startswith("imaging-s3")]
        assert threads

    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
