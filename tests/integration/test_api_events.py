"""Event streams as a client sees them, over real HTTP."""

import asyncio
import socket
import time
from collections.abc import Iterator
from itertools import islice, pairwise

import httpx
import jsonschema
import pytest

from api_setting import RunningApi, ended, held, status_of, submit, until
from sse_reading import Parser, Told, listening, told_in


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(keep_alive_s=0.2).serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.hold()
    with api.client() as client:
        yield client
    api.release()


def _last_id(client: httpx.Client) -> str:
    """Where the log is now."""
    with listening(client, "/events") as events:
        return next(told.id for told in events if told.kind == "ready")


def test_a_job_is_told_from_its_state_to_its_end_and_the_stream_closes(client: httpx.Client, api: RunningApi) -> None:
    image_id = submit(client, "/local/images", prompt="hold on")
    spec = client.get("/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Event", "components": spec["components"]}
    told: list[Told] = []
    with listening(client, f"/jobs/{image_id}/events") as events:
        for event in events:
            jsonschema.Draft202012Validator(schema).validate(event.data)
            assert event.data["kind"] == event.kind
            assert event.data["image_id"] == image_id
            told.append(event)
            if event.data["progress"] == 0.5:
                api.release()

    assert told[0].kind == "snapshot"
    assert [event.kind for event in told if event.ends] == ["finished"]
    assert told[-1].kind == "finished"
    assert told[-1].data == {**status_of(client, image_id), "kind": "finished"}
    halfway = next(event for event in told if event.data["progress"] == 0.5)
    assert (halfway.data["step"], halfway.data["steps"], halfway.data["eta_s"]) == (10, 20, 3.2)
    # Progress is no place to come back to.
    assert all(after.id == before.id for before, after in pairwise(told) if after.kind == "progress")


def test_a_preview_is_told_by_its_address_with_a_version(client: httpx.Client) -> None:
    image_id = held(client)
    with listening(client, f"/jobs/{image_id}/events") as events:
        preview_url = next(event.data["preview_url"] for event in events)
    path, _, version = preview_url.partition("?v=")
    assert path == f"/image/{image_id}/preview"
    assert len(version) == 12
    assert client.get(preview_url).headers["content-type"] == "image/png"


def test_the_stream_of_a_job_that_has_ended_tells_its_end_and_whoever_saw_it_need_not_come_back(
    client: httpx.Client,
) -> None:
    image_id = submit(client)
    ended(client, image_id)
    with listening(client, f"/jobs/{image_id}/events") as events:
        (only,) = events
    assert (only.kind, only.data["status"]) == ("snapshot", "finished")
    again = client.get(f"/jobs/{image_id}/events", headers={"Last-Event-ID": only.id})
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("how", ["header", "query"])
def test_who_comes_back_is_told_what_it_missed_and_each_end_once(
    client: httpx.Client, api: RunningApi, how: str
) -> None:
    image_id = held(client)
    with listening(client, f"/jobs/{image_id}/events") as events:
        seen = next(events)
    assert not seen.ends
    api.release()
    ended(client, image_id)
    path = f"/jobs/{image_id}/events" + (f"?after={seen.id}" if how == "query" else "")
    with listening(client, path, seen.id if how == "header" else "") as events:
        missed = list(events)
    assert [event.kind for event in missed] == ["finished"]
    assert missed[0].id != seen.id


@pytest.mark.parametrize(
    "last_id",
    ["x", "0-0", "ffffffff-1", "9" * 64, "9" * 5000, "-1", "1-" + "9" * 30, "%00"],
)
def test_an_id_that_the_log_does_not_know_gets_a_snapshot_first(client: httpx.Client, last_id: str) -> None:
    image_id = held(client)
    with listening(client, f"/jobs/{image_id}/events", last_id) as events:
        first = next(events)
    assert (first.kind, first.data["status"]) == ("snapshot", "started")
    assert first.id not in ("", last_id)
    with listening(client, "/events", last_id) as events:
        kinds = [event.kind for event in islice(events, 2)]
    assert "snapshot" in kinds


def test_all_jobs_are_told_open_ones_first_then_what_happens(client: httpx.Client, api: RunningApi) -> None:
    image_id = held(client)
    with api.client() as other, listening(client, "/events") as events:
        first = next(event for event in events if event.data.get("image_id") == image_id)
        assert (first.kind, first.data["status"]) == ("snapshot", "started")
        ready = next(event for event in events if event.kind == "ready")
        assert ready.data["complete"]
        assert ready.data["jobs"] >= 1
        new = submit(other)
        told = [next(events)]
        while not told[-1].ends:
            told.append(next(events))
        assert {event.data["image_id"] for event in told if event.kind != "progress"} == {new}
        assert told[-1].kind == "finished"
        assert other.delete(f"/jobs/{new}").status_code == 204
        deleted = next(event for event in events if event.kind == "deleted")
        assert deleted.data["image_id"] == new


def test_who_comes_back_to_all_jobs_is_told_each_end_that_it_missed(client: httpx.Client) -> None:
    place = _last_id(client)
    ids = [submit(client, prompt=prompt) for prompt in ("a", "refuse", "b")]
    for image_id in ids:
        ended(client, image_id)
    with listening(client, "/events", place) as events:
        missed = [next(events) for _ in ids]
    assert {(event.data["image_id"], event.kind) for event in missed} == {
        (ids[0], "finished"),
        (ids[1], "failed"),
        (ids[2], "finished"),
    }
    with listening(client, "/events", missed[-1].id) as events:
        new = submit(client)
        assert next(events).data["image_id"] == new


def test_a_cancel_is_told_with_its_request_and_its_end(client: httpx.Client, api: RunningApi) -> None:
    image_id = held(client)
    with api.client() as other, listening(client, f"/jobs/{image_id}/events") as events:
        next(events)
        other.post(f"/jobs/{image_id}/cancel")
        kinds = [event.kind for event in events]
    assert kinds[-1] == "cancelled"
    assert set(kinds) <= {"progress", "cancel_requested", "cancelled"}


def test_the_place_in_the_queue_is_told_as_it_changes(client: httpx.Client, api: RunningApi) -> None:
    running = held(client)
    second, third = submit(client, "/local/images", prompt="hold b"), submit(client, "/local/images", prompt="hold c")
    with api.client() as other, listening(client, f"/jobs/{third}/events") as events:
        assert next(events).data["queue_position"] == 2
        assert other.post(f"/jobs/{running}/cancel").status_code == 202
        moved = next(event for event in events if event.data["queue_position"] != 2)
    assert (moved.kind, moved.data["queue_position"]) == ("progress", 1)
    assert status_of(client, second)["status"] == "started"
    api.release()
    ended(client, third)


def test_a_silent_stream_gives_signs_of_life_and_says_when_to_come_back(client: httpx.Client) -> None:
    image_id = held(client)
    parser = Parser()
    with client.stream("GET", f"/jobs/{image_id}/events") as answer:
        assert answer.headers["cache-control"] == "no-store"
        for line in answer.iter_lines():
            parser.line(line)
            if parser.comments >= 2:
                break
    assert parser.retry_ms == 2000


def test_a_stream_that_does_not_exist_is_told_as_any_other_problem(client: httpx.Client) -> None:
    image_id = submit(client)
    ended(client, image_id)
    client.delete(f"/jobs/{image_id}")
    for path, status in ((f"/jobs/{image_id}/events", 410), (f"/jobs/{'0' * 32}/events", 404), ("/jobs/x/events", 404)):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_head_answers_at_once(client: httpx.Client) -> None:
    image_id = held(client)
    for path in ("/events", f"/jobs/{image_id}/events"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


def _tasks(api: RunningApi) -> int:
    async def count() -> int:
        return len(asyncio.all_tasks())

    return api.within(count)


def test_a_hundred_clients_that_went_away_leave_nothing(client: httpx.Client, api: RunningApi) -> None:
    image_id = held(client)
    _last_id(client)
    before = until(lambda: _tasks(api), lambda count: count < 30)
    wires = []
    for n in range(100):
        wire = socket.create_connection(("127.0.0.1", api.port), timeout=5)
        path = "/events" if n % 2 else f"/jobs/{image_id}/events"
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wires.append(wire)
    for wire in wires:
        assert b"text/event-stream" in wire.recv(65_536)
    assert _tasks(api) >= before + 100
    for wire in wires:
        wire.close()
    until(lambda: _tasks(api), lambda count: count <= before)


def test_streams_end_whole_and_at_once_when_the_api_stops() -> None:
    with RunningApi().serving() as api, api.client() as client:
        image_id = held(client)
        wires = []
        for path in (f"/jobs/{image_id}/events", "/events", f"/status/{image_id}?wait=60"):
            wire = socket.create_connection(("127.0.0.1", api.port), timeout=5)
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: x\r\n\r\n".encode())
            wires.append(wire)
        for wire in wires[:2]:
            assert b"text/event-stream" in wire.recv(65_536)
        begun = time.monotonic()
        api.stop()
        answers = []
        for wire in wires:
            data = b""
            while part := wire.recv(65_536):
                data += part
            wire.close()
            answers.append(data)
        assert time.monotonic() - begun < 3
        assert all(data.endswith(b"0\r\n\r\n") for data in answers[:2])
        assert b'"status":"started"' in answers[2]


def test_lines_are_read_as_browsers_read_them() -> None:
    lines = ["retry: 5", ": x", "id: 7", "event: k", 'data: {"a":', "data: 1}", "", "", 'data:{"b": 2}', ""]
    first, second = told_in(lines)
    assert (first.kind, first.id, first.data) == ("k", "7", {"a": 1})
    assert (second.kind, second.id, second.data) == ("message", "7", {"b": 2})
