"""What /metrics tells, and what each request leaves in the log; may import the API, prometheus_client and the neighbouring modules."""

import asyncio
import logging
import re
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from api_setting import RunningApi, ended, submit, until
from entrypoints.api.figures import Figures
from imaging_core.errors import Unavailable
from imaging_core.keys import Scope
from key_setting import LockedApi


@pytest.fixture
def api() -> Iterator[RunningApi]:
    figures = Figures(version="9.9.9")
    with RunningApi(figures=figures, access_lines=True).serving() as api:
        counting = []

        async def begin() -> None:
            counting.append(asyncio.create_task(figures.jobs.follow(api.service.events)))
            # The place in the log from which it counts is asked for in its first step.
            await asyncio.sleep(0)

        async def end() -> None:
            counting[0].cancel()

        api.within(begin)
        yield api
        api.release()
        api.within(end)


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def samples(client: httpx.Client, name: str) -> list[Sample]:
    """What /metrics says under that name."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return [sample for family in families for sample in family.samples if sample.name == name]


def value(client: httpx.Client, name: str, **labels: str) -> float | None:
    """One of them; None when it is not told."""
    found = [s.value for s in samples(client, name) if all(s.labels.get(k) == v for k, v in labels.items())]
    assert len(found) <= 1
    return found[0] if found else None


def test_jobs_are_counted_by_how_they_end_with_waits_and_credits(client: httpx.Client) -> None:
    for prompt in ("a lighthouse", "a mill", "refuse it"):
        ended(client, submit(client, prompt=prompt))

    until(lambda: value(client, "imaging_jobs_ended_total", outcome="failed"), lambda failed: failed == 1)
    labels = {"backend": "stability"}
    assert value(client, "imaging_jobs_submitted_total", **labels) == 3
    assert value(client, "imaging_jobs_ended_total", **labels, outcome="finished") == 2
    assert value(client, "imaging_jobs_ended_total", **labels, outcome="failed", code="content_moderated") == 1
    assert value(client, "imaging_credits_total", **labels) == 6
    assert value(client, "imaging_job_run_seconds_count", **labels) == 2
    assert value(client, "imaging_job_wait_seconds_count", **labels) == 3


def test_the_queue_and_the_gate_are_told_as_they_are(client: httpx.Client, api: RunningApi) -> None:
    api.hold()
    ids = [submit(client, "/local/images", prompt=f"hold {n}") for n in range(3)]
    labels = {"backend": "local"}

    until(lambda: value(client, "imaging_jobs_started", **labels), lambda started: started == 1)
    until(lambda: value(client, "imaging_oldest_waiting_seconds", **labels), bool)
    assert value(client, "imaging_jobs_waiting", **labels) == 2
    assert value(client, "imaging_gate_slots_in_use", **labels) == 1
    assert value(client, "imaging_gate_slots", **labels) == 1
    assert value(client, "imaging_gate_closed_seconds", **labels, reason="pause") == 0
    with client.stream("GET", f"/jobs/{ids[0]}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        assert value(client, "imaging_event_readers") == 1
    for image_id in ids:
        client.post(f"/jobs/{image_id}/cancel")
    until(lambda: value(client, "imaging_jobs_ended_total", outcome="cancelled"), lambda count: count == 3)


def test_requests_are_counted_by_route_and_never_by_path(client: httpx.Client) -> None:
    client.get("/status/kanarienvogel")
    client.get("/kanarienvogel")
    client.request("KANARIENVOGEL", "/jobs")
    client.head("/livez")

    told = client.get("/metrics").text
    labels = [s.labels for s in samples(client, "imaging_http_requests_total")]
    assert {"route": "/status/{image_id}", "method": "GET", "status": "404"} in labels
    assert {"route": "none", "method": "GET", "status": "404"} in labels
    assert {"route": "/livez", "method": "HEAD", "status": "200"} in labels
    assert "kanarienvogel" not in told.lower()
    assert value(client, "imaging_http_request_seconds_count", route="/status/{image_id}") == 1


def test_a_database_that_is_away_does_not_hide_the_rest(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> None:
        raise Unavailable("Redis does not answer.")

    monkeypatch.setattr(api.service.jobs, "state", away)

    assert value(client, "imaging_state_known", backend="local") == 0
    assert value(client, "imaging_jobs_waiting", backend="local") is None
    assert value(client, "imaging_build_info", version="9.9.9") == 1


def test_open_metrics_is_given_to_whoever_asks_for_it(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert answer.text.count("# EOF") == 1
    assert "imaging_jobs_waiting" in answer.text


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
@pytest.mark.parametrize(
    "rest", ["; version=abc", ";version", "; version=1..2", "; version=1.0.0; escaping=<b>", ", *"]
)
def test_whatever_accept_says_is_answered(client: httpx.Client, kind: str, rest: str) -> None:
    answer = client.get("/metrics", headers={"accept": kind + rest})

    assert answer.status_code == 200
    assert "<b>" not in answer.headers["content-type"]


def test_only_an_admin_sees_the_figures_unless_they_are_open() -> None:
    with LockedApi().serving() as api:
        admin, reader = api.make_admin(), api.make_key(scopes=(Scope.READ,))
        for key, status in ((None, 401), (reader, 403), (admin, 200)):
            with api.asked(key) as asked:
                assert asked.get("/metrics").status_code == status
    with LockedApi(open_metrics=True).serving() as api:
        api.make_admin()
        with api.asked() as asked:
            assert asked.get("/metrics").status_code == 200


def test_every_answer_has_an_id_and_a_safe_one_is_kept(client: httpx.Client) -> None:
    own = client.get("/livez", headers={"x-request-id": "trace-1"})
    forged = client.get("/nowhere", headers={"x-request-id": "a b<script>"})
    others = {client.get("/livez").headers["x-request-id"] for _ in range(3)}

    assert own.headers["x-request-id"] == "trace-1"
    assert re.fullmatch(r"[0-9a-f]{32}", forged.headers["x-request-id"])
    assert len(others) == 3


def test_an_access_line_tells_the_route_and_nothing_private(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    image_id = submit(client, prompt="kanarienvogel")
    client.get(f"/status/{image_id}", headers={"x-request-id": "trace-7"})
    client.get("/status/kanarienvogel?token=kanarienvogel")
    client.get("/livez")

    lines = until(
        lambda: [vars(r) for r in caplog.records if r.name == "imaging.access_log"], lambda lines: len(lines) >= 3
    )
    told = [(line["method"], line["route"], line["status"], line.get("job_id")) for line in lines]
    assert told == [
        ("POST", "/images", 202, None),
        ("GET", "/status/{image_id}", 200, image_id),
        ("GET", "/status/{image_id}", 404, None),
    ]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("imaging")]
    assert "kanarienvogel" not in f"{ours} {lines}"


def test_a_fault_is_logged_without_its_text_and_found_by_its_id(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("".join(("kanarien", "vogel")))

    monkeypatch.setattr(api.service, "view", broken)
    answer = client.get("/status/x", headers={"x-request-id": "trace-9"})

    assert (answer.status_code, answer.json()["request_id"]) == (500, "trace-9")
    assert "kanarienvogel" not in caplog.text
    assert value(client, "imaging_http_requests_total", status="500") == 1
