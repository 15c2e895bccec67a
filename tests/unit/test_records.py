"""Records are jobs, events and stored calls, and nothing is lost between them and JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.samples import NOON, a_job, a_ref, a_request
from contracts.strategies import events, lived_jobs, requests, stored_calls, times, wild_jobs
from imaging_core.errors import UnreadableJob
from imaging_core.events import JobEvent
from imaging_core.images import ImageRequest, StoredCall
from imaging_core.jobs import SCHEMA, Job, Lease
from imaging_core.records import (
    event_from_record,
    event_to_record,
    job_from_record,
    job_to_record,
    job_to_stored,
    request_from_record,
    request_to_record,
    stored_call_from_record,
    stored_call_to_record,
    time_from_text,
    time_to_text,
)


def through_json(record: dict[str, Any]) -> dict[str, Any]:
    """The record as a store gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(record, allow_nan=False))
    return found


@given(wild_jobs)
def test_a_job_survives_its_record(job: Job) -> None:
    assert job_from_record(through_json(job_to_record(job))) == job


@given(wild_jobs)
def test_a_job_survives_what_is_stored_of_it(job: Job) -> None:
    assert job_from_record(through_json(job_to_stored(job))) == job


def test_what_is_empty_is_not_stored_but_what_says_something_is() -> None:
    job = attrs.evolve(
        a_job(request=ImageRequest(prompt="a fox", cfg_scale=0.0)), keep_days=0.0, unknown={"x_mood": None}
    )
    stored = job_to_stored(job)

    assert stored["request"] == {
        "prompt": "a fox",
        "negative_prompt": "",
        "cfg_scale": 0.0,
        "count": 1,
        "batch_size": 1,
    }
    assert (stored["keep_days"], stored["cancel_requested"], stored["x_mood"]) == (0.0, False, None)
    assert {"owner", "lease", "images", "webhook"}.isdisjoint(stored)
    assert job_from_record(through_json(stored)) == job


@given(lived_jobs())
def test_a_job_with_a_life_behind_it_survives_its_record(lived: tuple[Job, datetime]) -> None:
    assert job_from_record(through_json(job_to_record(lived[0]))) == lived[0]


@given(requests)
def test_a_request_survives_its_record(request_: ImageRequest) -> None:
    assert request_from_record(through_json(request_to_record(request_))) == request_


@given(events)
def test_an_event_survives_its_record_and_takes_the_place_it_was_stored_at(event: JobEvent) -> None:
    record = through_json(event_to_record(event))

    assert "cursor" not in record
    assert event_from_record(record, cursor=event.cursor) == event


@given(stored_calls)
def test_a_stored_call_survives_its_record(stored: StoredCall) -> None:
    assert stored_call_from_record(through_json(stored_call_to_record(stored))) == stored


@given(wild_jobs)
def test_fields_of_a_newer_version_survive_an_older_one(job: Job) -> None:
    newer = {**job_to_record(job), "x_mood": {"colour": ["blue", None]}}

    passed_on = job_to_record(attrs.evolve(job_from_record(through_json(newer)), priority=77))

    assert passed_on == {**newer, "priority": 77}


def test_a_known_field_wins_over_an_unknown_one_of_the_same_name() -> None:
    job = a_job(unknown={"status": "finished"})

    assert job_to_record(job)["status"] == "queued"


def test_a_newer_schema_is_refused_with_a_sentence() -> None:
    record = job_to_record(a_job(request=a_request(prompt="private")))

    with pytest.raises(UnreadableJob, match=f"schema {SCHEMA + 1}.*Upgrade") as refused:
        job_from_record({**record, "schema": SCHEMA + 1, "status": "a word of the future"})

    assert "private" not in str(refused.value)
    assert record["id"] in str(refused.value)


def test_a_record_with_the_needful_fields_only_is_a_job() -> None:
    record = {
        "id": "0" * 32,
        "backend": "alpha",
        "request": {"prompt": "a"},
        "created_at": "2026-03-01T12:00:00.000000+00:00",
        "status": "queued",
    }

    assert job_from_record(record) == Job(
        id="0" * 32, backend="alpha", request=ImageRequest(prompt="a"), created_at=NOON
    )


def test_an_event_without_owner_and_data_is_an_event() -> None:
    record = {"job_id": "j", "kind": "queued", "status": "queued", "attempt": 0, "at": NOON.isoformat(), "backend": "a"}

    event = event_from_record(record, cursor="7")

    assert (event.owner, event.data, event.at, event.cursor) == (None, {}, NOON, "7")


def test_a_record_holds_nothing_but_json() -> None:
    lease = Lease(worker="w", token="t", since=NOON, until=NOON)
    record = job_to_record(a_job(lease=lease, images=(a_ref(),)))

    assert record["lease"]["since"] == "2026-03-01T12:00:00.000000+00:00"
    assert record["lease"]["reason"] == "running"
    assert record["images"][0]["key"] == "key-0"
    assert "unknown" not in record
    assert through_json(record)["request"]["options"]["styles"] == ["one", "two"]


@given(times, times)
def test_texts_sort_as_their_times_do(one: datetime, other: datetime) -> None:
    first, second = time_to_text(one), time_to_text(other)

    assert first is not None
    assert second is not None
    assert (first < second) is (one < other)
    assert time_from_text(first) == one


@given(times, st.integers(-12, 14))
def test_times_are_written_in_utc(time: datetime, hours: int) -> None:
    elsewhere = time.astimezone(timezone(timedelta(hours=hours)))

    assert time_to_text(elsewhere) == time_to_text(time)
    assert (time_to_text(None), time_from_text(None)) == (None, None)
    assert time_from_text(time_to_text(elsewhere)) == time.astimezone(UTC)
