"""Many jobs in one call, and what one would come to, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_setting import RunningApi, check_shape, ended, submit

CANARY = "kanarienvogel"


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.release()
    with api.client() as client:
        yield client


def _count(client: httpx.Client) -> int:
    return len(client.get("/jobs", params={"limit": 200}).json()["jobs"])


def test_a_batch_gives_one_job_per_request_in_their_order(client: httpx.Client) -> None:
    body = {
        "shared": {"prompt": "a lighthouse", "aspect_ratio": "16:9", "keep_days": 7},
        "requests": [
            {"seed": 5},
            {"prompt": "a forest", "aspect_ratio": None},
            {"backend": "local", "aspect_ratio": None},
        ],
    }
    answer = client.post("/images/batch", json=body)
    assert answer.status_code == 202, answer.text
    check_shape(client, answer.json(), "BatchAccepted")
    jobs = answer.json()["jobs"]
    assert [job["backend"] for job in jobs] == ["stability", "stability", "local"]
    assert len({job["image_id"] for job in jobs}) == 3
    details = [client.get(f"/jobs/{job['image_id']}").json() for job in jobs]
    assert [detail["request"]["prompt"] for detail in details] == ["a lighthouse", "a forest", "a lighthouse"]
    assert details[0]["request"]["seed"] == 5
    assert [detail["request"]["options"].get("aspect_ratio") for detail in details] == ["16:9", "1:1", None]
    assert {detail["keep_days"] for detail in details} == {7.0}
    assert {ended(client, job["image_id"])["status"] for job in jobs} == {"finished"}


def test_one_wrong_request_means_that_none_is_taken(client: httpx.Client) -> None:
    before = _count(client)
    answer = client.post(
        "/images/batch",
        json={
            "shared": {"prompt": CANARY, "cfg_scale": "7"},
            "requests": [
                {},
                {"seed": -5},
                {"backend": "local", "cfg_scale": 7, "sampler_name": CANARY, "steps": 0},
                {"backend": CANARY, "cfg_scale": None},
                {"cfg_scale": None, "prompt": " "},
                {"cfg_scale": None, CANARY: 1},
            ],
        },
    )
    assert answer.status_code == 422
    assert CANARY not in answer.text
    named = {error["field"] for error in answer.json()["errors"]}
    assert {"shared.cfg_scale", "requests[1].seed", "requests[3].backend"} <= named
    assert "requests[5]" in named
    assert _count(client) == before


def test_what_only_the_backend_refuses_is_named_by_place_and_name_too(client: httpx.Client) -> None:
    requests = [{"prompt": "x", "backend": "local"}] * 2
    answer = client.post(
        "/images/batch",
        json={
            "shared": {"sampler_name": "No such"},
            "requests": [*requests, {"prompt": "x", "backend": "local", "steps": 0}],
        },
    )
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors].count("shared.sampler_name") == 1
    assert "requests[2].steps" in [error["field"] for error in errors]


def test_an_unknown_field_is_looked_for_where_it_stands(client: httpx.Client) -> None:
    def places(shared: dict[str, object], *requests: dict[str, object]) -> list[str]:
        answer = client.post("/images/batch", json={"shared": {"prompt": "x"} | shared, "requests": requests})
        assert answer.status_code == 422
        return [error["field"] for error in answer.json()["errors"]]

    # Told once, however many requests it is shared by.
    assert places({CANARY: 1}, {}, {}, {}) == ["shared"]
    assert places({}, {}, {CANARY: 1}) == ["requests[1]"]
    assert places({CANARY: 1}, {}, {f"{CANARY}2": 1}) == ["shared", "requests[1]"]
    assert places({CANARY: 1}, {CANARY: 2}, {CANARY: None}) == ["requests[0]"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], ""),
        ({"prompt": "x"}, ""),
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [{"prompt": "x"}] * 101}, "requests"),
        ({"requests": {"prompt": "x"}}, "requests"),
        ({"requests": [{"prompt": "x"}, 5]}, "requests[1]"),
        ({"shared": [], "requests": [{"prompt": "x"}]}, "shared"),
        ({"requests": [{"prompt": "x", "keep_days": 5}]}, "requests[0].keep_days"),
        ({"shared": {"keep_days": 0}, "requests": [{"prompt": "x"}]}, "shared.keep_days"),
        ({"requests": [{"seed": 5}]}, "requests[0].prompt"),
    ],
)
def test_a_body_of_another_shape_is_422_and_says_where(client: httpx.Client, body: object, field: str) -> None:
    answer = client.post("/images/batch", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_full_batch_is_taken(client: httpx.Client) -> None:
    body = {"shared": {"prompt": "x"}, "requests": [{"seed": seed} for seed in range(1, 101)]}
    jobs = client.post("/images/batch", json=body).json()["jobs"]
    assert len({job["image_id"] for job in jobs}) == 100


def test_one_idempotency_key_is_one_batch(client: httpx.Client) -> None:
    body: dict[str, Any] = {"shared": {"prompt": "x"}, "requests": [{}, {}]}
    key = {"Idempotency-Key": "batch-1"}
    first, again = (client.post("/images/batch", json=body, headers=key) for _ in range(2))
    ids = [job["image_id"] for job in first.json()["jobs"]]
    assert [job["image_id"] for job in again.json()["jobs"]] == ids
    other = client.post("/images/batch", json={**body, "requests": [{}]}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    assert client.post("/images", json={"prompt": "x"}, headers=key).status_code == 422


def test_a_retry_takes_a_key_as_well(client: httpx.Client) -> None:
    old = submit(client, prompt="refuse")
    ended(client, old)
    key = {"Idempotency-Key": "retry-1"}
    first, again = (client.post(f"/jobs/{old}/retry", headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["image_id"] == again.json()["image_id"] != old
    ended(client, first.json()["image_id"])
    other = client.post(f"/jobs/{first.json()['image_id']}/retry", headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")


def test_an_estimate_tells_price_place_and_whether_it_can_run(client: httpx.Client) -> None:
    before = _count(client)
    answer = client.post("/estimate", json={"prompt": "x", "model": "core", "n": 3})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    check_shape(client, body, "Estimate")
    assert (body["backend"], body["credits"], body["calls"], body["count"]) == ("stability", 9.0, 3, 3)
    assert (body["accepted"], body["startable"], body["obstacles"]) == (True, True, [])
    assert (body["request"]["checkpoint"], body["request"]["options"]["aspect_ratio"]) == ("core", "1:1")
    assert body["request"]["seed"] is None
    assert body["queue_position"] == 1
    assert _count(client) == before


def test_an_estimate_of_what_cannot_be_made_says_what_a_submit_would(client: httpx.Client) -> None:
    for sent in (
        {"prompt": ""},
        {"prompt": "x", "model": CANARY},
        {"prompt": "x", "steps": 5},
        {"prompt": "x", "backend": "no"},
    ):
        estimated, submitted = (client.post(path, json=sent) for path in ("/estimate", "/images"))
        assert estimated.status_code == 422
        assert estimated.json() == submitted.json()
    spare = client.post("/estimate", json={"prompt": "x", "backend": "spare"})
    assert (spare.status_code, spare.json()["type"]) == (503, "/problems/backend-not-configured")


def test_an_estimate_counts_who_waits_before(client: httpx.Client, api: RunningApi) -> None:
    api.hold()
    ids = [submit(client, "/local/images", prompt="hold") for _ in range(3)]
    body = client.post("/estimate", json={"prompt": "x", "backend": "local"}).json()
    assert body["queue_position"] in (3, 4)
    assert body["credits"] == 0
    assert not body["paid"]
    api.release()
    for image_id in ids:
        ended(client, image_id)
