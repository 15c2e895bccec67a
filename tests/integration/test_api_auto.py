"""`"backend": "auto"` over real HTTP: submit, batch and estimate go where they can, and say why."""

from collections.abc import Iterator

import httpx
import pytest

from api_setting import RunningApi, ended, submit


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with RunningApi().serving() as api, api.client() as client:
        yield client


def test_a_submit_goes_to_the_first_that_takes_it_and_the_job_says_why(client: httpx.Client) -> None:
    here = ended(client, submit(client, backend="auto", sampler_name="Euler"))
    cloud = ended(client, submit(client, backend="auto", aspect_ratio="16:9"))
    named = ended(client, submit(client, backend="local"))

    assert (here["backend"], here["route"]) == ("local", "The service chose 'local'. It is ready, and comes first.")
    assert cloud["backend"] == "stability"
    assert "'local' does not take it: aspect_ratio" in cloud["route"]
    assert named["route"] is None
    job = client.get(f"/jobs/{cloud['image_id']}").json()
    assert job["route"] == cloud["route"]


def test_an_estimate_says_where_it_would_go(client: httpx.Client) -> None:
    found = client.post("/estimate", json={"prompt": "x", "backend": "auto", "aspect_ratio": "16:9"}).json()

    assert (found["backend"], found["credits"], found["accepted"]) == ("stability", 3.0, True)
    assert "does not take it" in found["route"]


def test_a_batch_may_leave_it_to_the_service(client: httpx.Client) -> None:
    wanted = {"shared": {"backend": "auto"}, "requests": [{"prompt": "x"}, {"prompt": "x", "aspect_ratio": "1:1"}]}

    answer = client.post("/images/batch", json=wanted)

    assert answer.status_code == 202, answer.text
    assert [job["backend"] for job in answer.json()["jobs"]] == ["local", "stability"]


def test_what_none_can_make_is_refused_with_what_each_says(client: httpx.Client) -> None:
    answer = client.post("/images", json={"prompt": "x", "backend": "auto", "steps": 999, "aspect_ratio": "1:1"})

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "backend"
    assert "'local' does not take it" in error["message"]
    assert "'stability' does not take it" in error["message"]
