"""The life of a job as a client sees it, over real HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api_setting import RunningApi, check_shape, ended, status_of, submit, until


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.hold()
    with api.client() as client:
        yield client
    api.release()


def _problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{kind}"
    assert body["status"] == status
    return body


def test_a_submit_answers_at_once_and_the_picture_follows(client: httpx.Client) -> None:
    answer = client.post("/images", json={"prompt": "a lighthouse", "aspect_ratio": "16:9", "model": "ultra"})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"image_id": body["image_id"], "status": "queued", "backend": "stability"}
    assert answer.headers["location"] == f"/status/{body['image_id']}"
    assert answer.headers["retry-after"] == "2"
    check_shape(client, body, "Accepted")

    status = ended(client, body["image_id"])
    assert (status["status"], status["progress"], status["image_count"]) == ("finished", 1.0, 1)
    assert status["attempt"] == 1
    assert status["created_at"] <= status["started_at"] <= status["finished_at"]
    assert status["created_at"].endswith("Z")
    check_shape(client, status, "Status")

    picture = client.get(f"/image/{body['image_id']}")
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_local_images_takes_the_names_that_webui_clients_send(client: httpx.Client) -> None:
    image_id = submit(
        client,
        "/local/images",
        model="tinyB",
        sampler_name="Euler a",
        scheduler="karras",
        steps=5,
        cfg_scale=4,
        width=128,
        height=64,
        seed=-1,
        n_iter=2,
        batch_size=3,
        clip_skip=2,
        styles=["film"],
        tiling=True,
        negative_prompt=None,
    )
    assert ended(client, image_id)["image_count"] == 6
    request = client.get(f"/jobs/{image_id}").json()["request"]
    assert request["checkpoint"] == "tinyB"
    assert request["sampler"] == "Euler a"
    assert (request["count"], request["batch_size"]) == (6, 3)
    assert request["cfg_scale"] == 4.0
    assert request["options"] == {"clip_skip": 2, "styles": ["film"], "tiling": True}
    assert request["seed"] >= 1


@pytest.mark.parametrize(("path", "seed"), [("/images", 0), ("/images", -1), ("/local/images", -1)])
def test_the_engines_words_for_a_random_seed_draw_one(client: httpx.Client, path: str, seed: int) -> None:
    assert status_of(client, submit(client, path, seed=seed))["seed"] >= 1


@pytest.mark.parametrize(
    ("fields", "count", "batch_size"),
    [({"batch_size": 2}, 2, 2), ({"n_iter": 3}, 3, 1), ({"count": 5, "batch_size": 2}, 5, 2), ({}, 1, 1)],
)
def test_pictures_are_counted_as_the_webui_counts_them(
    client: httpx.Client, fields: dict[str, int], count: int, batch_size: int
) -> None:
    request = client.get(f"/jobs/{submit(client, '/local/images', **fields)}").json()["request"]
    assert (request["count"], request["batch_size"]) == (count, batch_size)


def test_a_field_only_the_backend_knows_is_passed_on(client: httpx.Client) -> None:
    image_id = submit(client, mood=["calm", "wild"])
    assert client.get(f"/jobs/{image_id}").json()["request"]["options"]["mood"] == ["calm", "wild"]


def test_images_goes_to_another_backend_when_one_is_named(client: httpx.Client) -> None:
    answer = client.post("/images", json={"prompt": "x", "backend": "local", "sampler_name": "Euler a", "steps": 3})
    assert answer.json()["backend"] == "local"
    request = client.get(f"/jobs/{answer.json()['image_id']}").json()["request"]
    assert (request["sampler"], request["steps"]) == ("Euler a", 3)


def test_status_tells_the_progress_and_the_place_in_the_queue(client: httpx.Client, api: RunningApi) -> None:
    first = submit(client, "/local/images", prompt="hold one")
    running = until(lambda: status_of(client, first), lambda status: status["progress"] == 0.5)
    assert (running["status"], running["step"], running["steps"], running["eta_s"]) == ("started", 10, 20, 3.2)
    assert running["preview_url"] == f"/image/{first}/preview"
    second, third = submit(client, "/local/images"), submit(client, "/local/images")
    assert [status_of(client, i)["queue_position"] for i in (second, third)] == [1, 2]
    check_shape(client, status_of(client, third), "Status")
    api.release()
    assert ended(client, third)["queue_position"] is None


def test_status_is_304_while_nothing_changed(client: httpx.Client, api: RunningApi) -> None:
    image_id = submit(client, prompt="hold on")
    until(lambda: status_of(client, image_id), lambda status: status["progress"] == 0.5)
    first = client.get(f"/status/{image_id}")
    assert first.headers["retry-after"] == "2"
    again = client.get(f"/status/{image_id}", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    api.release()
    ended(client, image_id)
    changed = client.get(f"/status/{image_id}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "retry-after" not in changed.headers
    assert client.get(f"/status/{image_id}", headers={"If-None-Match": "*"}).status_code == 304


def test_a_failed_job_says_why_what_to_do_and_whether_it_cost(client: httpx.Client) -> None:
    status = ended(client, submit(client, prompt="refuse this"))
    assert status["status"] == "failed"
    assert status["progress"] is None
    failure = status["failure"]
    assert (failure["code"], failure["charged"]) == ("content_moderated", "no")
    assert failure["reason"] == "The provider's filter said no."
    assert "Rephrase" in failure["advice"]
    assert status["previous_failures"] == []
    check_shape(client, status, "Status")


def test_a_parked_job_says_why_it_waits_and_until_when(client: httpx.Client) -> None:
    image_id = submit(client, prompt="stumble")
    status = until(lambda: status_of(client, image_id), lambda status: status["parked"] is not None)
    check_shape(client, status, "Status")
    assert status["status"] == "started"
    assert status["parked"]["reason"] == "retry"
    assert status["parked"]["until"] > status["started_at"]
    assert status["failure"] is None
    assert [failure["reason"] for failure in status["previous_failures"]] == ["The backend answered 500."]
    assert client.post(f"/jobs/{image_id}/cancel").json()["status"] == "cancelled"
    assert status_of(client, image_id)["parked"] is None


def test_a_job_tells_its_request_its_calls_and_its_cost(client: httpx.Client) -> None:
    image_id = submit(client, count=2, seed=7)
    ended(client, image_id)
    job = client.get(f"/jobs/{image_id}").json()
    check_shape(client, job, "Detail")
    assert [call["state"] for call in job["calls"]] == ["answered", "answered"]
    assert job["cost_credits"] == 6.0
    assert [image["seed"] for image in job["images"]] == [7, 8]
    assert "token" not in str(job)


def test_jobs_are_listed_newest_first_in_pages_and_by_filter(client: httpx.Client) -> None:
    ids = [submit(client, "/local/images") for _ in range(5)]
    for image_id in ids:
        ended(client, image_id)
    first = client.get("/jobs", params={"limit": 3, "backend": "local"}).json()
    check_shape(client, first, "JobList")
    assert [job["image_id"] for job in first["jobs"]] == ids[:1:-1]
    second = client.get("/jobs", params={"limit": 2, "backend": "local", "cursor": first["next_cursor"]}).json()
    assert [job["image_id"] for job in second["jobs"]] == ids[1::-1]

    refused = submit(client, prompt="refuse")
    ended(client, refused)
    failed = client.get("/jobs", params={"status": ["failed", "cancelled"]}).json()["jobs"]
    assert failed[0]["image_id"] == refused
    assert {job["status"] for job in failed} <= {"failed", "cancelled"}
    assert client.get("/jobs", params={"backend": "no-such"}).json() == {"jobs": [], "next_cursor": None}


def test_cancelling_a_queued_job_is_done_at_once_and_a_started_one_soon(client: httpx.Client) -> None:
    started = submit(client, "/local/images", prompt="hold one")
    until(lambda: status_of(client, started), lambda status: status["status"] == "started")
    queued = submit(client, "/local/images")
    answer = client.post(f"/jobs/{queued}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    check_shape(client, answer.json(), "Status")
    assert client.post(f"/jobs/{queued}/cancel").status_code == 200

    answer = client.post(f"/jobs/{started}/cancel")
    assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
    assert ended(client, started)["status"] == "cancelled"


def test_a_finished_job_can_be_neither_cancelled_nor_retried(client: httpx.Client) -> None:
    image_id = submit(client)
    ended(client, image_id)
    _problem(client.post(f"/jobs/{image_id}/cancel"), 409, "conflict")
    _problem(client.post(f"/jobs/{image_id}/retry"), 409, "conflict")


def test_a_failed_job_can_be_tried_again_with_the_same_seed(client: httpx.Client) -> None:
    old = submit(client, prompt="refuse", seed=99)
    ended(client, old)
    answer = client.post(f"/jobs/{old}/retry")
    assert answer.status_code == 202
    new = answer.json()["image_id"]
    assert new != old
    assert answer.headers["location"] == f"/status/{new}"
    assert (status_of(client, new)["retry_of"], status_of(client, new)["seed"]) == (old, 99)


def test_a_deleted_job_is_gone_for_good(client: httpx.Client, api: RunningApi) -> None:
    image_id = submit(client, prompt="hold")
    until(lambda: status_of(client, image_id), lambda status: status["status"] == "started")
    _problem(client.delete(f"/jobs/{image_id}"), 409, "conflict")
    api.release()
    ended(client, image_id)
    answer = client.delete(f"/jobs/{image_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (f"/status/{image_id}", f"/image/{image_id}", f"/image/{image_id}/preview", f"/jobs/{image_id}"):
        _problem(client.get(path), 410, "deleted")
    _problem(client.post(f"/jobs/{image_id}/cancel"), 410, "deleted")
    _problem(client.delete(f"/jobs/{image_id}"), 410, "deleted")


def test_a_known_idempotency_key_is_answered_while_its_backend_is_away(client: httpx.Client, api: RunningApi) -> None:
    # Only the backend knows these fields, and it cannot be asked.
    body, known = {"prompt": "x", "mood": ["calm"], "seed": 4}, {"Idempotency-Key": "away-1"}
    batch, known_batch = {"shared": body, "requests": [{}, {"seed": 5}]}, {"Idempotency-Key": "away-2"}
    first = client.post("/images", json=body, headers=known)
    first_batch = client.post("/images/batch", json=batch, headers=known_batch)
    api.cloud.there = False
    try:
        again = client.post("/images", json=body, headers=known)
        assert (again.status_code, again.json()["image_id"]) == (202, first.json()["image_id"])
        again_batch = client.post("/images/batch", json=batch, headers=known_batch)
        ids = [[job["image_id"] for job in answer.json()["jobs"]] for answer in (first_batch, again_batch)]
        assert ids[0] == ids[1]

        _problem(client.post("/images", json={**body, "seed": 5}, headers=known), 422, "idempotency-mismatch")
        for new in ({"Idempotency-Key": "away-3"}, {}):
            _problem(client.post("/images", json=body, headers=new), 503, "unavailable")
            _problem(client.post("/images", json={**body, "no_such": 1}, headers=new), 503, "unavailable")
        _problem(client.post("/estimate", json=body), 503, "unavailable")
    finally:
        api.cloud.there = True


def test_one_idempotency_key_is_one_job(client: httpx.Client, api: RunningApi) -> None:
    body = {"prompt": "a lighthouse", "seed": 5}

    def post(_: int) -> str:
        with api.client() as own:
            image_id: str = own.post("/images", json=body, headers={"Idempotency-Key": "k1"}).json()["image_id"]
            return image_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(16)))) == 1
    other = client.post("/images", json={**body, "seed": 6}, headers={"Idempotency-Key": "k1"})
    _problem(other, 422, "idempotency-mismatch")
    assert client.post("/images", json=body, headers={"Idempotency-Key": "k2"}).status_code == 202
    for key in ("", "x" * 256, "with space"):
        problem = _problem(client.post("/images", json=body, headers={"Idempotency-Key": key}), 422, "invalid-request")
        assert problem["errors"][0]["field"] == "Idempotency-Key"
