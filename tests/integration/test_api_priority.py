"""How urgent a job is, over real HTTP: what is claimed first, and who may say so."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from api_setting import status_of, submit, until
from contracts.samples import png
from key_setting import LockedApi


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedApi().serving() as api:
        yield api


def bodies(word: str) -> dict[str, dict[str, Any]]:
    """A body for each endpoint that takes a priority."""
    picture = base64.b64encode(png(64, 64)).decode()
    return {
        "/images": {"prompt": "a hill", "priority": word},
        "/local/images": {"prompt": "a hill", "priority": word},
        "/images/batch": {"shared": {"priority": word}, "requests": [{"prompt": "a hill"}]},
        "/images/edits": {"prompt": "a hill", "priority": word, "image": picture},
        "/images/upscale": {"priority": word, "image": picture},
        "/estimate": {"prompt": "a hill", "priority": word},
    }


def test_the_urgent_job_is_next_whenever_it_came_and_keeps_its_word(api: LockedApi) -> None:
    api.hold()
    try:
        with api.client() as client:
            running = submit(client, "/local/images", prompt="hold on")
            until(lambda: status_of(client, running), lambda status: status["status"] == "started")
            ids = {word: submit(client, "/local/images", priority=word) for word in ("low", "normal", "high")}
            places = {word: status_of(client, image_id)["queue_position"] for word, image_id in ids.items()}
            assert places == {"high": 1, "normal": 2, "low": 3}
            assert {word: client.get(f"/jobs/{one}").json()["priority"] for word, one in ids.items()} == {
                word: word for word in ids
            }
            assert client.get(f"/jobs/{running}").json()["priority"] == "normal"
    finally:
        api.release()


def test_high_is_for_admins_and_everybody_while_there_are_no_keys(api: LockedApi) -> None:
    with api.client() as client:
        accepted = client.post("/images/batch", json=bodies("high")["/images/batch"]).raise_for_status().json()
        assert client.get(f"/jobs/{accepted['jobs'][0]['image_id']}").json()["priority"] == "high"
    with api.asked(api.make_admin()) as admin, api.asked(api.make_key()) as other:
        for path, body in bodies("high").items():
            refusal = other.post(path, json=body)
            assert (refusal.status_code, refusal.json()["type"], refusal.json()["scope"]) == (
                403,
                "/problems/forbidden",
                "admin",
            ), path
            assert admin.post(path, json=body).status_code != 403, path
            assert other.post(path, json=bodies("low")[path]).status_code != 403, path


def test_another_word_is_refused_by_the_name_of_its_field(api: LockedApi) -> None:
    with api.asked(api.make_admin()) as admin:
        for path, body in bodies("urgent").items():
            refusal = admin.post(path, json=body)
            assert refusal.status_code == 422, path
            fields = {problem["field"] for problem in refusal.json()["errors"]}
            assert fields & {"priority", "shared.priority"}, path


def test_a_repeated_submit_of_another_priority_is_another_submit(api: LockedApi) -> None:
    with api.asked(api.make_admin()) as admin:
        headers = {"idempotency-key": "once"}
        answers = [
            admin.post("/images", json={"prompt": "a hill", "priority": word}, headers=headers).status_code
            for word in ("high", "high", "low")
        ]
        assert answers == [202, 202, 422]
