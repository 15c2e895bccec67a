"""What a job's end means for its webhook, and when a message is sent again."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.samples import NOON, a_failure, a_job
from imaging_core.deliveries import (
    DeliveryAttempt,
    DeliveryState,
    Schedule,
    WebhookSecrets,
    delivery_id,
    delivery_of,
    end_of,
    fresh_secret,
    job_id_of,
)
from imaging_core.errors import FailureCode
from imaging_core.jobs import Job, JobStatus
from imaging_core.records import job_from_record, job_to_record
from imaging_core.webhooks import Webhook, WebhookEvent, origin_of

URL = "https://hooks.example:8443/services/T0/B0/token?key=value"


def ended(**changes: Any) -> Job:
    return a_job(webhook=Webhook(url=URL), finished_at=NOON, **changes)


def failed(code: FailureCode) -> Job:
    return ended(status=JobStatus.FAILED, failures=(a_failure(code=code),))


@pytest.mark.parametrize(
    ("job", "event"),
    [
        (ended(status=JobStatus.FINISHED), WebhookEvent.FINISHED),
        (ended(status=JobStatus.CANCELLED), WebhookEvent.CANCELLED),
        (failed(FailureCode.BACKEND_ERROR), WebhookEvent.FAILED),
        (failed(FailureCode.CONTENT_FILTERED), WebhookEvent.FILTERED),
        (failed(FailureCode.CONTENT_MODERATED), WebhookEvent.FILTERED),
        (ended(status=JobStatus.QUEUED), None),
        (ended(status=JobStatus.STARTED), None),
    ],
)
def test_each_end_is_one_event(job: Job, event: WebhookEvent | None) -> None:
    delivery = delivery_of(job, now=NOON)

    assert end_of(job) is event
    assert (delivery.event if delivery else None) is event


def test_only_wanted_ends_are_told() -> None:
    hook = Webhook(url=URL, events=[WebhookEvent.FAILED])

    assert delivery_of(a_job(webhook=hook, status=JobStatus.FINISHED, finished_at=NOON), now=NOON) is None
    assert delivery_of(a_job(status=JobStatus.FINISHED, finished_at=NOON), now=NOON) is None


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        (URL, "https://hooks.example:8443", "hooks.example"),
        ("https://Hooks.Example", "https://Hooks.Example", "hooks.example"),
        ("https://hooks.example?key=value", "https://hooks.example", "hooks.example"),
        ("http://user:password@hooks.example/x", "http://hooks.example", "hooks.example"),
        ("https://[2606:4700::1]:8443/x", "https://[2606:4700::1]:8443", "2606:4700::1"),
        ("nonsense", "", ""),
    ],
)
def test_no_more_than_the_origin_of_a_url_is_shown(url: str, origin: str, host: str) -> None:
    hook = Webhook(url=url)

    assert (hook.origin, hook.host, origin_of(url)) == (origin, host, origin)
    assert repr(hook).count(url) == (1 if url == origin else 0)


def test_a_job_brings_its_webhook_back_from_its_record() -> None:
    job = a_job(webhook=Webhook(url=URL, events=[WebhookEvent.CANCELLED, WebhookEvent.FINISHED]))

    assert job_from_record(job_to_record(job)) == job


def test_a_record_of_before_webhooks_reads_as_one_without() -> None:
    record = job_to_record(a_job())
    del record["webhook"]

    assert job_from_record(record).webhook is None


def test_an_event_of_a_newer_version_is_passed_over() -> None:
    record = job_to_record(a_job(webhook=Webhook(url=URL)))
    record["webhook"]["events"] = ["finished", "admired"]

    hook = job_from_record(record).webhook

    assert hook is not None
    assert hook.events == (WebhookEvent.FINISHED,)


def test_waits_grow_over_hours_and_end() -> None:
    schedule = Schedule()
    waits = [schedule.next_delay_s(tries, chance=lambda: 0.5) for tries in range(1, 10)]

    assert waits == [5, 30, 120, 600, 3600, 10800, 21600, 43200, None]


def test_waits_are_spread() -> None:
    schedule = Schedule()

    assert schedule.next_delay_s(1, chance=lambda: 0.0) == pytest.approx(4)
    assert schedule.next_delay_s(1, chance=lambda: 1.0) == pytest.approx(6)
    assert len({schedule.next_delay_s(1) for _ in range(20)}) > 1


@pytest.mark.parametrize(("asked", "wait"), [(None, 5), (1, 5), (60, 60), (1e9, 3600)])
def test_a_receivers_wish_is_heeded_within_reason(asked: float | None, wait: float) -> None:
    assert Schedule().next_delay_s(1, asked_s=asked, chance=lambda: 0.5) == wait


def test_a_receivers_wish_makes_no_further_try() -> None:
    assert Schedule(delays_s=()).next_delay_s(1, asked_s=60) is None


def test_a_delivery_that_is_being_sent_is_not_sent_beside_itself() -> None:
    delivery = delivery_of(ended(status=JobStatus.FINISHED), now=NOON)
    assert delivery is not None
    claimed = delivery.claimed(token="t", until=NOON + timedelta(seconds=9))

    assert claimed.resent(NOON) == claimed
    late = claimed.resent(NOON + timedelta(seconds=10))
    assert (late.tries, late.token, late.state) == (0, None, DeliveryState.PENDING)


def test_an_attempt_without_an_error_is_the_end_of_it() -> None:
    delivery = delivery_of(ended(status=JobStatus.FINISHED), now=NOON)
    assert delivery is not None

    settled = delivery.settled(DeliveryAttempt(at=NOON, status=200), again_at=NOON)

    assert (settled.state, settled.due_at) == (DeliveryState.DELIVERED, None)


def test_secrets_are_long_and_never_shown() -> None:
    secret = fresh_secret()

    assert secret.startswith("whsec_")
    assert len(secret) == 6 + 44
    assert secret != fresh_secret()
    secrets = WebhookSecrets(current=secret).rotated("whsec_bmV3", now=NOON, keep_s=60)
    assert "whsec_" not in repr(secrets)
    assert secrets.valid(NOON) == ("whsec_bmV3", secret)
    assert secrets.valid(NOON + timedelta(seconds=60)) == ("whsec_bmV3",)


def test_a_message_is_named_after_its_job() -> None:
    job = a_job()

    assert job_id_of(delivery_id(job.id)) == job.id
    assert job_id_of("evt_1") == ""
