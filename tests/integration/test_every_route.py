"""What holds for every route the app has, described or not: it needs a key, and knows nothing of other people's jobs.

May import the API, the core and the neighbouring test modules.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

import api_setting
from api_setting import ended, submit
from entrypoints.api import create_app
from key_setting import LockedApi

UNKNOWN = "f" * 32
HEALTH = {"/livez", "/readyz"}


class RoutedApi(LockedApi):
    """A served API that keeps its app."""

    app: FastAPI


@pytest.fixture(scope="module")
def api() -> Iterator[RoutedApi]:
    """One with a key, so that nobody comes in without."""
    api = RoutedApi()
    with pytest.MonkeyPatch.context() as patch:

        def kept(*args: Any, **kwargs: Any) -> FastAPI:
            api.app = create_app(*args, **kwargs)
            return api.app

        patch.setattr(api_setting, "create_app", kept)
        with api.serving():
            api.release()
            api.make_admin()
            yield api


@pytest.fixture
def alice(api: RoutedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("alice")) as client:
        yield client


@pytest.fixture
def bob(api: RoutedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("bob")) as client:
        yield client


def routes(api: RoutedApi) -> list[tuple[str, str]]:
    """Every method and path pattern that the app routes."""
    found = [
        (method, route.path)
        for route in api.app.routes
        if isinstance(route, Route)
        for method in sorted(route.methods or {"GET"})
    ]
    assert all(isinstance(route, Route) for route in api.app.routes), "a mount would be left out here"
    return found


def filled(path: str, **values: str) -> str:
    """The path with these values in it, and an unknown id wherever none is given."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: values.get(match[1], UNKNOWN), path)


def alike(one: httpx.Response, other: httpx.Response) -> bool:
    """Whether nobody can tell the two answers apart."""
    parts = [(a.status_code, a.content, {k: v for k, v in a.headers.items() if k not in _OWN}) for a in (one, other)]
    return parts[0] == parts[1]


#: Headers that differ between any two answers.
_OWN = {"date", "x-request-id"}


def test_no_route_but_health_answers_without_a_key(api: RoutedApi) -> None:
    found = routes(api)
    assert {"/keys", "/jobs/{image_id}", "/openapi.json", "/docs/{name}", "/sdapi/v1/{name:path}"} <= {
        p for _, p in found
    }
    open_to_all = []
    with api.client() as stranger:
        for method, path in found:
            answer = stranger.request(method, filled(path))
            if answer.status_code != 401:
                open_to_all.append((method, path, answer.status_code))
            else:
                assert "www-authenticate" in answer.headers, path
    assert {path for _, path, _ in open_to_all} == HEALTH


def test_another_callers_job_is_like_one_that_never_was_on_every_route(
    api: RoutedApi, alice: httpx.Client, bob: httpx.Client
) -> None:
    about = [(method, path) for method, path in routes(api) if "{image_id}" in path]
    assert len(about) >= 12
    image_id = submit(alice, prompt="alice's secret lighthouse")
    ended(alice, image_id)
    api.hold()
    running = submit(alice, prompt="hold alice's secret lighthouse")
    for method, path in about:
        unknown = bob.request(method, filled(path))
        assert unknown.status_code == 404, (method, path)
        for one in (image_id, running):
            assert alike(bob.request(method, filled(path, image_id=one)), unknown), (method, path)
    api.release()
    assert ended(alice, running)["status"] == "finished"
    assert alice.get(f"/image/{image_id}").status_code == 200


def test_another_callers_picture_is_unknown_wherever_a_body_names_it(alice: httpx.Client, bob: httpx.Client) -> None:
    image_id = submit(alice)
    ended(alice, image_id)
    for path in ("/images/edits", "/images/upscale"):
        theirs, unknown = (bob.post(path, json={"image_id": one, "prompt": "x"}) for one in (image_id, UNKNOWN))
        assert (theirs.status_code, theirs.content) == (unknown.status_code, unknown.content)
        assert unknown.status_code == 422
        assert image_id not in theirs.text


def test_no_list_shows_another_callers_jobs(alice: httpx.Client, bob: httpx.Client) -> None:
    mine, theirs = submit(alice, prompt="alice's secret lighthouse"), submit(bob)
    ended(alice, mine)
    ended(bob, theirs)
    second = submit(bob)
    alices_cursor = alice.get("/jobs?limit=1").json()["next_cursor"]
    for query in (
        "",
        "?q=secret",
        "?status=finished",
        "?pictures=true",
        "?favourite=false",
        "?backend=stability",
        f"?cursor={alices_cursor}" if alices_cursor else "",
    ):
        answer = bob.get(f"/jobs{query}")
        assert mine not in answer.text, query
        assert "secret" not in answer.text
    assert {job["image_id"] for job in bob.get("/jobs").json()["jobs"]} == {theirs, second}


def test_an_idempotency_key_of_another_caller_is_nobodys(alice: httpx.Client, bob: httpx.Client) -> None:
    headers = {"Idempotency-Key": "the-same"}
    first = alice.post("/images", json={"prompt": "x"}, headers=headers)
    assert first.status_code == 202, first.text
    mine = first.json()["image_id"]
    other = bob.post("/images", json={"prompt": "y"}, headers=headers)
    assert other.status_code == 202
    assert other.json()["image_id"] != mine
