"""Answers that wait for a job: `Prefer: wait` on submits, `?wait=` on what tells of it; over real HTTP."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_setting import RunningApi, ended, held, status_of, submit, until


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(max_wait_s=5.0).serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.hold()
    with api.client() as client:
        yield client
    api.release()


@pytest.mark.parametrize("path", ["/images", "/local/images"])
def test_a_submit_that_prefers_to_wait_answers_with_the_end(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={"prompt": "x"}, headers={"Prefer": "respond-async, wait=4"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=4"
    body = answer.json()
    assert (body["status"], body["image_count"]) == ("finished", 1)
    assert answer.headers["location"] == f"/status/{body['image_id']}"
    assert "retry-after" not in answer.headers
    assert body == status_of(client, body["image_id"])


def test_a_submit_whose_job_takes_longer_is_taken_as_ever(client: httpx.Client) -> None:
    begun = time.monotonic()
    answer = client.post("/local/images", json={"prompt": "hold"}, headers={"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - begun < 3
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.headers["retry-after"] == "2"
    assert set(answer.json()) == {"image_id", "status", "backend"}


def test_a_wait_is_cut_to_the_longest_that_is_allowed(client: httpx.Client) -> None:
    answer = client.post("/images", json={"prompt": "x"}, headers={"Prefer": 'Wait="600"; x=y'})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=5")


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=-1", "wait=soon", "waiting=5", "wait=9999999999", ",,;="])
def test_a_preference_that_is_not_understood_is_left_alone(client: httpx.Client, prefer: str) -> None:
    answer = client.post("/local/images", json={"prompt": "hold"}, headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_a_failed_job_ends_the_wait_too_and_a_retry_can_wait(client: httpx.Client) -> None:
    failed = client.post("/images", json={"prompt": "refuse"}, headers={"Prefer": "wait=4"})
    assert (failed.status_code, failed.json()["status"]) == (200, "failed")
    again = client.post(f"/jobs/{failed.json()['image_id']}/retry", headers={"Prefer": "wait=4"})
    assert (again.status_code, again.json()["status"]) == (200, "failed")
    assert again.json()["retry_of"] == failed.json()["image_id"]


@pytest.mark.parametrize("path", ["/status/{}", "/jobs/{}"])
def test_a_long_poll_returns_with_the_end(client: httpx.Client, api: RunningApi, path: str) -> None:
    image_id = held(client)
    threading.Timer(0.3, api.release).start()
    begun = time.monotonic()
    answer = client.get(path.format(image_id), params={"wait": 5})
    assert 0.2 < time.monotonic() - begun < 3
    assert (answer.status_code, answer.json()["status"]) == (200, "finished")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("path", ["/status/{}", "/jobs/{}"])
def test_a_long_poll_with_an_etag_returns_with_any_change(client: httpx.Client, path: str) -> None:
    image_id = submit(client, "/local/images", prompt="hold")
    queued = submit(client, "/local/images", prompt="hold after")
    etag = client.get(path.format(queued)).headers["etag"]
    until(lambda: status_of(client, image_id), lambda status: status["status"] == "started")
    same = client.get(path.format(queued), params={"wait": 1})
    assert same.headers["retry-after"] == "2"
    etag = same.headers["etag"]
    begun = time.monotonic()
    unchanged = client.get(path.format(queued), params={"wait": 1}, headers={"If-None-Match": etag})
    assert time.monotonic() - begun > 0.9
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, etag)
    timer = threading.Timer(0.2, lambda: httpx.post(f"{client.base_url}/jobs/{queued}/cancel"))
    timer.start()
    changed = client.get(path.format(queued), params={"wait": 5}, headers={"If-None-Match": etag})
    timer.join()
    assert (changed.status_code, changed.json()["status"]) == (200, "cancelled")


def test_progress_is_a_change(client: httpx.Client, api: RunningApi) -> None:
    first = held(client)
    second = submit(client, "/local/images", prompt="hold")
    etag = client.get(f"/status/{second}").headers["etag"]
    client.post(f"/jobs/{first}/cancel")
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["progress"] != 0.5:
        answer = client.get(f"/status/{second}", params={"wait": 5}, headers={"If-None-Match": etag})
        assert answer.status_code == 200
        etag = answer.headers["etag"]
        seen.append(answer.json())
    assert len(seen) < 6


def test_an_ended_job_is_never_waited_for(client: httpx.Client) -> None:
    image_id = submit(client)
    ended(client, image_id)
    begun = time.monotonic()
    answer = client.get(f"/status/{image_id}?wait=30")
    again = client.get(f"/status/{image_id}?wait=30", headers={"If-None-Match": answer.headers["etag"]})
    assert (answer.status_code, again.status_code) == (200, 304)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("wait", ["", "-1", "1.5", "soon", "9" * 10, "\u0661", "1e3"])
def test_a_wait_that_is_no_number_is_422(client: httpx.Client, wait: str) -> None:
    image_id = submit(client)
    answer = client.get(f"/status/{image_id}", params={"wait": wait})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "wait")


def test_who_goes_away_is_waited_for_no_longer(client: httpx.Client, api: RunningApi) -> None:
    image_id = held(client)

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    client.get(f"/status/{image_id}?wait=1")
    before = api.within(tasks)
    wires = []
    for _ in range(20):
        wire = socket.create_connection(("127.0.0.1", api.port), timeout=5)
        wire.sendall(f"GET /status/{image_id}?wait=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wires.append(wire)
    until(lambda: api.within(tasks), lambda count: count >= before + 20)
    for wire in wires:
        wire.close()
    until(lambda: api.within(tasks), lambda count: count <= before)
