"""Whose events a key is told, and for how long."""

from collections.abc import Iterator

import httpx
import pytest

from api_setting import ended, submit
from key_setting import LockedApi
from sse_reading import listening


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedApi(config={"keep_alive_s": 0.05, "key_seen_again_s": 1.0}).serving() as api:
        api.release()
        api.make_admin()
        yield api


@pytest.fixture
def alice(api: LockedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("alice")) as client:
        yield client


@pytest.fixture
def bob(api: LockedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("bob")) as client:
        yield client


def test_nobody_is_told_of_somebody_elses_jobs(api: LockedApi, alice: httpx.Client, bob: httpx.Client) -> None:
    with listening(alice, "/events") as events:
        place = next(events).id
    theirs, own = submit(bob), submit(alice)
    for client, image_id in ((bob, theirs), (alice, own)):
        ended(client, image_id)
    with listening(alice, "/events", place) as events:
        told = list(events)
    assert {event.data["image_id"] for event in told} == {own}
    with api.asked(api.make_admin()) as admin, listening(admin, "/events", place) as events:
        assert {event.data["image_id"] for event in events} == {own, theirs}


def test_open_jobs_of_others_are_in_no_first_look(api: LockedApi, alice: httpx.Client, bob: httpx.Client) -> None:
    api.hold()
    theirs = submit(bob, "/local/images", prompt="hold")
    with listening(alice, "/events") as events:
        first = next(events)
    assert (first.kind, first.data["jobs"]) == ("ready", 0)
    with listening(bob, "/events") as events:
        assert next(events).data["image_id"] == theirs
    api.release()
    ended(bob, theirs)


def test_somebody_elses_job_has_no_events_and_cannot_be_waited_for(alice: httpx.Client, bob: httpx.Client) -> None:
    theirs = submit(bob)
    ended(bob, theirs)
    unknown = alice.get(f"/jobs/{'0' * 32}/events")
    for path in ("/jobs/{}/events", "/status/{}?wait=1", "/jobs/{}?wait=1"):
        answer = alice.get(path.format(theirs))
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def test_a_stream_of_a_key_ends_after_a_while_so_that_a_revoked_one_is_noticed(alice: httpx.Client) -> None:
    with listening(alice, "/events") as events:
        assert [event.kind for event in events] == ["ready"]
