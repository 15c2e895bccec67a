"""The typed client against the real API on a real port, and against answers that no service should give."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta, timezone
from typing import Unpack

import httpx
import pytest

from api_setting import PREVIEW, RunningApi, until
from entrypoints.client import ApiError, Filters, ImagingClient, NotTheService, ServiceUnreachable
from imaging_core.jobs import JobStatus
from imaging_core.parameters import ParameterKind


@pytest.fixture
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api
        api.release()


@pytest.fixture
def client(api: RunningApi) -> Iterator[ImagingClient]:
    with ImagingClient(api.url, timeout_s=10, retry_for_s=0) as client:
        yield client


def test_from_prompt_to_picture(client: ImagingClient) -> None:
    accepted = client.submit("a lighthouse", seed=7)
    assert (accepted.status, accepted.backend) == (JobStatus.QUEUED, "stability")
    done = client.wait(accepted.image_id, timeout_s=10, poll_s=0.01)
    assert (done.status, done.seed, done.cost_credits, done.progress) == (JobStatus.FINISHED, 7, 3.0, 1.0)
    assert (done.images[0].width, done.images[0].seed) == (16, 7)
    assert done.took is not None
    picture = client.image(accepted.image_id)
    assert (picture.media_type, picture.extension, len(picture.data)) == ("image/png", "png", done.images[0].size)


def test_a_picture_comes_small_too(client: ImagingClient) -> None:
    job = client.wait(client.submit("a lighthouse").image_id)

    small = client.thumbnail(job.image_id, size=64)

    assert small.media_type == "image/webp"
    assert small.data != client.image(job.image_id).data


def test_the_local_backend_has_a_route_of_its_own(client: ImagingClient) -> None:
    accepted = client.submit("a lighthouse", backend="local", sampler="Euler a", steps=5, styles=("ink",), vae=None)
    assert accepted.backend == "local"
    asked = client.job(accepted.image_id).request
    assert asked is not None
    assert (asked.prompt, asked.sampler, asked.steps) == ("a lighthouse", "Euler a", 5)
    assert asked.options["styles"] == ("ink",)


def test_a_job_is_watched_previewed_and_cancelled(client: ImagingClient, api: RunningApi) -> None:
    api.hold()
    image_id = client.submit("hold it").image_id
    seen = until(lambda: client.status(image_id), lambda job: job.has_preview)
    assert (seen.status, seen.progress, seen.step, seen.steps) == (JobStatus.STARTED, 0.5, 10, 20)
    preview = client.preview(image_id)
    assert preview is not None
    assert preview.data == PREVIEW
    with pytest.raises(TimeoutError, match="still started"):
        client.wait(image_id, timeout_s=0.05, poll_s=0.02)
    client.cancel(image_id)
    assert client.wait(image_id, timeout_s=10, poll_s=0.01).status is JobStatus.CANCELLED
    assert client.preview(image_id) is None


def test_a_failed_job_tells_why_and_can_be_tried_again(client: ImagingClient) -> None:
    first = client.submit("refuse it", seed=5).image_id
    failed = client.wait(first, timeout_s=10, poll_s=0.01)
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.charged) == ("content_moderated", "no")
    assert failed.failure.reason == "The provider's filter said no."
    assert failed.failure.advice.startswith("Rephrase the prompt")
    second = client.job(client.retry(first).image_id)
    assert (second.retry_of, second.seed) == (first, 5)


def test_jobs_are_listed_by_pages_and_filtered(client: ImagingClient) -> None:
    ids = [client.submit(f"picture {n}", backend=b).image_id for n, b in enumerate(("stability", "local", "stability"))]
    for image_id in ids:
        client.wait(image_id, timeout_s=10, poll_s=0.01)
    first = client.jobs(limit=2)
    assert first.next_cursor is not None
    rest = client.jobs(limit=2, cursor=first.next_cursor)
    assert [job.image_id for job in (*first.jobs, *rest.jobs)] == ids[::-1]
    assert rest.next_cursor is None
    assert [job.image_id for job in client.jobs(backend="local").jobs] == [ids[1]]
    assert client.jobs(status=(JobStatus.QUEUED, JobStatus.STARTED)).jobs == ()
    assert len(client.jobs(status=JobStatus.FINISHED).jobs) == 3


def test_a_listing_is_narrowed_by_everything_the_service_knows(client: ImagingClient) -> None:
    asked = (("a red barn", "local", "tinyB"), ("a red mill", "local", "tinyA"), ("a blue mill", "stability", None))
    ids = [client.submit(prompt, backend=backend, checkpoint=model).image_id for prompt, backend, model in asked]
    ended = [client.wait(image_id, timeout_s=10, poll_s=0.01) for image_id in ids]

    def found(**filters: Unpack[Filters]) -> list[int]:
        return sorted(ids.index(job.image_id) for job in client.every_job(**filters))

    assert client.mark(ids[1], favourite=True).favourite
    assert found(words="MILL red") == [1]
    assert found(favourite=True) == [1]
    assert found(favourite=False) == [0, 2]
    assert found(checkpoint="tinyB") == [0]
    assert found(pictures=True) == [0, 1, 2]
    assert found(created_from=ended[1].created_at) == [1, 2]
    assert found(created_before=ended[1].created_at.astimezone(timezone(timedelta(hours=5)))) == [0]
    assert not client.mark(ids[1], favourite=False).favourite
    assert found(favourite=True) == []


def test_a_picture_comes_in_another_format(client: ImagingClient) -> None:
    job = client.wait(client.submit("a lighthouse").image_id)

    small, large = (client.image(job.image_id, file_format="jpeg", quality=quality) for quality in (10, 95))

    assert (small.media_type, small.extension) == ("image/jpeg", "jpg")
    assert len(small.data) < len(large.data)
    assert client.image(job.image_id, file_format="webp").data[8:12] == b"WEBP"


def test_a_deleted_job_is_gone(client: ImagingClient) -> None:
    image_id = client.submit("a lighthouse").image_id
    client.wait(image_id, timeout_s=10, poll_s=0.01)
    client.delete(image_id)
    with pytest.raises(ApiError) as caught:
        client.status(image_id)
    assert (caught.value.status, caught.value.type) == (410, "/problems/deleted")


def test_a_repeat_under_one_key_is_one_job(client: ImagingClient) -> None:
    keys = [client.submit("a lighthouse", idempotency_key="k1").image_id for _ in range(3)]
    assert len(set(keys)) == 1


def test_every_wrong_field_is_named(client: ImagingClient) -> None:
    with pytest.raises(ApiError) as caught:
        client.submit("", backend="local", steps=0, width=65)
    assert caught.value.status == 422
    assert set(caught.value.field_errors) == {"prompt", "steps", "width"}
    assert "from 1 to 150" in caught.value.field_errors["steps"]
    assert "steps" in str(caught.value)


def test_backends_tell_enough_to_draw_check_and_price_a_form(client: ImagingClient) -> None:
    found = client.backends()
    named = found.named()
    assert found.default == "stability"
    assert (named["spare"].configured, named["spare"].capabilities) == (False, None)
    assert "IMAGING_SPARE_URL" in named["spare"].message
    can = named["stability"].capabilities
    assert can is not None
    mood = can.parameter("mood")
    assert mood is not None
    assert (mood.kind, mood.choices) == (ParameterKind.CHOICES, ("calm", "wild"))
    assert (can.paid, can.credits["core"]) == (True, 3.0)


def test_the_local_lists(client: ImagingClient) -> None:
    assert client.local_models() == ("tinyA", "tinyB")
    assert client.local_samplers() == ("Euler", "Euler a")
    assert client.local_schedulers() == ("automatic", "karras")


def test_a_backend_that_is_away_says_when_to_ask_again(client: ImagingClient, api: RunningApi) -> None:
    api.webui.there = False
    with pytest.raises(ApiError) as caught:
        client.submit("a lighthouse", backend="local")
    assert (caught.value.status, caught.value.retry_after_s) == (503, 7.0)


def test_no_service_is_told_with_what_to_do() -> None:
    with (
        ImagingClient("http://user:secret@127.0.0.1:9", retry_for_s=0) as client,
        pytest.raises(ServiceUnreachable) as caught,
    ):
        client.backends()
    assert not caught.value.sent
    assert "imaging up" in str(caught.value)
    assert "secret" not in str(caught.value)
    with ImagingClient("http://127.0.0.1:9", retry_for_s=0) as client:
        assert not client.alive()


def test_an_address_without_a_scheme_is_told() -> None:
    with (
        ImagingClient("localhost:8000", retry_for_s=0) as client,
        pytest.raises(ServiceUnreachable, match="must begin with http"),
    ):
        client.backends()


def test_a_service_that_hangs_up_or_hangs_is_unreachable_and_may_have_been_asked() -> None:
    for timeout_s, hang, reason in ((5.0, False, "broke"), (0.2, True, "too long")):
        with _mute_server(hang=hang) as url, ImagingClient(url, timeout_s=timeout_s, retry_for_s=0) as client:
            with pytest.raises(ServiceUnreachable, match=reason) as caught:
                client.backends()
            assert caught.value.sent


@contextmanager
def _mute_server(*, hang: bool) -> Iterator[str]:
    """Takes one connection, and closes it, or keeps it open, without a word."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                if hang:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join()


def _answering(status: int, body: bytes, kind: str = "text/html") -> ImagingClient:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers={"content-type": kind}))
    return ImagingClient("http://service", transport=answer, retry_for_s=0)


@pytest.mark.parametrize(
    "body", [b"<html>It works!</html>", b"[]", b"{}", b"null", b'{"jobs": 7, "next_cursor": null}']
)
def test_somebody_else_at_that_address_is_told_apart(body: bytes) -> None:
    with _answering(200, body) as client, pytest.raises(NotTheService, match="IMAGING_API_URL"):
        client.jobs()
    with _answering(404, body) as client, pytest.raises(NotTheService):
        client.jobs()


def test_a_page_in_place_of_a_picture_is_not_a_picture() -> None:
    with _answering(200, b"<html></html>") as client, pytest.raises(NotTheService):
        client.image("0" * 32)


def test_a_gateway_with_nobody_behind_it_is_an_absent_service() -> None:
    with _answering(502, b"<html>Bad Gateway</html>") as client, pytest.raises(ServiceUnreachable, match="gateway"):
        client.jobs()


def test_a_newer_service_may_tell_more(client: ImagingClient, api: RunningApi) -> None:
    with api.client() as raw:
        body = raw.get("/backends").json()
    backend = next(b for b in body["backends"] if b["name"] == "local")
    backend["parameters"].append({**backend["parameters"][0], "name": "mask", "kind": "picture"})
    backend["colour"] = "blue"
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    with ImagingClient("http://service", transport=transport) as newer:
        can = newer.backends().named()["local"].capabilities
    assert can is not None
    assert can.parameter("mask") is None
    assert can.parameter("steps") is not None


def test_a_number_that_json_has_no_word_for_is_refused_before_it_is_sent(client: ImagingClient) -> None:
    with pytest.raises(ValueError, match="finite"):
        client.submit("a lighthouse", cfg_scale=float("nan"))


def test_a_priority_is_asked_for_by_name(client: ImagingClient, api: RunningApi) -> None:
    accepted = client.submit("a lighthouse", priority="low")
    with api.client() as plain:
        assert plain.get(f"/jobs/{accepted.image_id}").json()["priority"] == "low"
