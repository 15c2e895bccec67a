"""Finding jobs again: filters, pages that go on past what does not fit, and favourites, over real HTTP."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from api_setting import RunningApi, ended, status_of, submit, until
from imaging_core.keys import Scope
from key_setting import LockedApi


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def _found(client: httpx.Client, **filters: Any) -> list[str]:
    """Ids of all jobs that fit, however many pages that takes."""
    found: list[str] = []
    cursor = None
    while True:
        answer = client.get("/jobs", params={**filters, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += (job["image_id"] for job in answer.json()["jobs"])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


def test_jobs_are_found_by_words_checkpoint_and_pictures(client: httpx.Client) -> None:
    dusk = submit(client, prompt="a Windmill at dusk", model="ultra")
    dawn = submit(client, prompt="a windmill at dawn")
    refused = submit(client, prompt="refuse a windmill at dusk")
    for image_id in (dusk, dawn, refused):
        ended(client, image_id)

    assert _found(client, q="windmill") == [refused, dawn, dusk]
    assert _found(client, q="DUSK mill") == [refused, dusk]
    assert _found(client, q="windmill", pictures="true") == [dawn, dusk]
    assert _found(client, q="windmill", pictures="false") == [refused, dawn, dusk]
    assert _found(client, q="windmill", checkpoint="ultra") == _found(client, q="windmill", model="ultra") == [dusk]
    assert _found(client, q="windmill", status="failed", pictures="true") == []
    assert _found(client, q="no such words") == []


def test_jobs_are_found_by_the_time_of_their_submit(client: httpx.Client) -> None:
    image_id = submit(client, prompt="a clock tower")
    created = datetime.fromisoformat(status_of(client, image_id)["created_at"])
    elsewhere = created.astimezone(timezone(timedelta(hours=5, minutes=30)))
    second = timedelta(seconds=1)

    assert _found(client, q="clock", created_from=elsewhere.isoformat()) == [image_id]
    assert _found(client, q="clock", created_from=(created + second).isoformat()) == []
    assert _found(client, q="clock", created_before=(created + second).isoformat()) == [image_id]
    assert _found(client, q="clock", created_before=(created - second).strftime("%Y-%m-%dt%H:%M:%Sz")) == []


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"status": "done"}, "status"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_before": "2026-11-22"}, "created_before"),
        ({"created_before": "2026-11-22T10:00:00"}, "created_before"),
        ({"created_from": "2026-06-31T10:00:00Z"}, "created_from"),
        ({"created_from": "2026-11-22T10:00:00+25:00"}, "created_from"),
        ({"created_from": "1763831400"}, "created_from"),
        ({"favourite": "perhaps"}, "favourite"),
        ({"pictures": "2"}, "pictures"),
        ({"q": "x" * 501}, "q"),
        ({"checkpoint": "core", "model": "ultra"}, "model"),
        ({"favorite": "true"}, ""),
    ],
)
def test_a_filter_that_means_nothing_is_refused_by_name(
    client: httpx.Client, filters: dict[str, str], field: str
) -> None:
    answer = client.get("/jobs", params=filters)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("filters", "right"),
    [
        ({"favourite": "perhaps"}, "must be true or false."),
        ({"status": "done"}, "must be one of 'queued', 'started', "),
    ],
)
def test_a_filter_that_means_nothing_is_told_what_would(
    client: httpx.Client, filters: dict[str, str], right: str
) -> None:
    assert right in client.get("/jobs", params=filters).json()["detail"]


def test_a_favourite_is_marked_found_and_let_go(client: httpx.Client) -> None:
    kept, other = submit(client, prompt="a fountain"), submit(client, prompt="a fountain")
    for image_id in (kept, other):
        assert ended(client, image_id)["favourite"] is False
    before = client.get(f"/status/{kept}").headers["etag"]

    first, again = [client.put(f"/jobs/{kept}/favourite") for _ in range(2)]
    assert (first.status_code, first.json()["favourite"]) == (200, True)
    assert first.json() == again.json() == status_of(client, kept)
    assert client.get(f"/jobs/{kept}").json()["favourite"] is True
    # Whoever has the status from before is told the new one.
    assert client.get(f"/status/{kept}", headers={"If-None-Match": before}).status_code == 200
    assert _found(client, favourite="true", q="fountain") == [kept]
    assert _found(client, favourite="false", q="fountain") == [other]
    assert client.get("/jobs", params={"favourite": "true"}).json()["jobs"][0]["favourite"] is True

    for _ in range(2):
        assert client.delete(f"/jobs/{kept}/favourite").json()["favourite"] is False
    assert client.get(f"/status/{kept}").headers["etag"] == before
    assert _found(client, favourite="true", q="fountain") == []


def test_an_open_job_may_be_a_favourite_and_stays_one(client: httpx.Client, api: RunningApi) -> None:
    api.hold()
    image_id = submit(client, prompt="hold a fountain")
    until(lambda: status_of(client, image_id), lambda status: status["status"] == "started")
    assert client.put(f"/jobs/{image_id}/favourite").json()["status"] == "started"
    api.release()
    assert ended(client, image_id)["favourite"] is True
    assert client.delete(f"/jobs/{image_id}").status_code == 204
    assert client.put(f"/jobs/{image_id}/favourite").status_code == 410
    assert client.put(f"/jobs/{'0' * 32}/favourite").status_code == 404


def test_a_mark_needs_the_right_key() -> None:
    with LockedApi().serving() as locked, locked.client() as client:
        locked.release()
        admin = {"X-API-Key": locked.make_admin()}

        def headers_of(*scopes: Scope) -> dict[str, str]:
            return {"X-API-Key": locked.make_key(scopes=scopes)}

        owner, stranger = headers_of(Scope.READ, Scope.SUBMIT), headers_of(Scope.READ, Scope.SUBMIT)
        reader = headers_of(Scope.READ)
        made = client.post("/images", json={"prompt": "a fountain"}, headers=owner)
        path = f"/jobs/{made.json()['image_id']}/favourite"
        for headers, status in ((stranger, 404), (reader, 403), ({}, 401), (owner, 200), (admin, 200)):
            for method in ("PUT", "DELETE"):
                assert client.request(method, path, headers=headers).status_code == status


def test_other_pages_may_mark_where_that_is_allowed() -> None:
    friend = "https://pictures.example.org"
    with LockedApi(cors_origins=(friend,)).serving() as locked, locked.client() as client:
        asked = {"Origin": friend, "Access-Control-Request-Method": "PUT"}
        answer = client.options(f"/jobs/{'0' * 32}/favourite", headers=asked)
        assert answer.status_code == 200
        assert "PUT" in answer.headers["access-control-allow-methods"]


def test_places_in_the_queue_are_told_where_they_are_asked_for(api: RunningApi) -> None:
    with api.client() as client:
        client.post("/backends/local/pause")
        ids = [submit(client, "/local/images") for _ in range(3)]

        def places(query: str) -> list[int | None]:
            jobs = client.get(f"/jobs?status=queued{query}").json()["jobs"]
            return [job["queue_position"] for job in jobs if job["image_id"] in ids]

        assert places("&positions=true") == [3, 2, 1]
        assert places("") == [None, None, None]
        wrong = client.get("/jobs?positions=true&limit=51")
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "limit")
        for image_id in ids:
            client.post(f"/jobs/{image_id}/cancel")
        client.post("/backends/local/resume")
