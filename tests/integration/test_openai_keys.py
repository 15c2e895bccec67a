"""Keys, links and limits as OpenAI's own client meets them."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import openai
import pytest
from openai import OpenAI

from adapters.demo import DemoGenerator
from api_setting import RunningApi, until
from imaging_core.keys import Scope
from imaging_core.ports import QueueLimits
from key_setting import LockedApi


class LockedDemo(LockedApi):
    """The same with the demo as a further backend."""

    def __init__(self) -> None:
        super().__init__(config={"images_backend": "demo"})
        self._more = (DemoGenerator(step_s=0),)


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedDemo().serving() as api:
        api.make_admin()
        yield api


@contextmanager
def client_of(api: RunningApi, key: str, retries: int = 0) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{api.url}/v1", api_key=key, max_retries=retries) as client:
        yield client


def test_without_a_good_key_nobody_comes_in(api: LockedApi) -> None:
    for key in ("wrong", "img_" + "x" * 40):
        with client_of(api, key) as client:
            for call in (client.models.list, lambda c=client: c.images.generate(prompt="x")):
                with pytest.raises(openai.AuthenticationError) as told:
                    call()
                assert (told.value.code, told.value.type) == ("invalid_api_key", "invalid_request_error")
                assert told.value.request_id
                assert key not in told.value.message
                assert told.value.response.headers["x-should-retry"] == "false"
                assert told.value.response.headers["www-authenticate"].startswith("Bearer")


def test_a_key_that_may_only_read_makes_nothing(api: LockedApi) -> None:
    with client_of(api, api.make_key("reader", scopes=(Scope.READ,))) as client:
        assert "demo" in [model.id for model in client.models.list()]
        with pytest.raises(openai.PermissionDeniedError) as told:
            client.images.generate(prompt="x")
    assert told.value.code == "insufficient_permissions"


def test_a_job_is_its_callers_and_its_address_is_everybodys_who_has_it(api: LockedApi) -> None:
    key, other = api.make_key("alice"), api.make_key("bob")
    with client_of(api, key) as client:
        answer = client.images.with_raw_response.generate(prompt="a hill", response_format="url", output_format="webp")
        images = answer.parse()

    image_id = answer.headers["x-job-id"]
    assert images.data
    url = images.data[0].url
    assert url
    with api.asked(key) as alice, api.asked(other) as bob, api.client() as stranger:
        assert alice.get(f"/jobs/{image_id}").json()["status"] == "finished"
        assert bob.get(f"/jobs/{image_id}").status_code == 404
        assert stranger.get(f"/image/{image_id}").status_code == 401
    shown = httpx.get(url)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert httpx.get(url.replace("index=0", "index=1")).status_code == 403
    assert key not in url


def test_a_full_queue_says_when_to_come_back(api: LockedApi) -> None:
    api.hold()
    api.service.queue_limits = QueueLimits(max_queued=1)
    key = api.make_key("eve")
    try:
        with api.asked(key) as native, client_of(api, key) as client:
            first = native.post("/local/images", json={"prompt": "hold on"}).json()["image_id"]
            until(lambda: native.get(f"/status/{first}").json()["status"], lambda status: status == "started")
            assert native.post("/local/images", json={"prompt": "hold on"}).status_code == 202

            with pytest.raises(openai.RateLimitError) as told:
                client.images.generate(prompt="x", model="local")
    finally:
        api.service.queue_limits = None
        api.release()
    assert told.value.code == "rate_limit_exceeded"
    assert 1 <= int(told.value.response.headers["retry-after"]) < 120
    assert "x-should-retry" not in told.value.response.headers


def test_a_key_with_too_many_requests_waits_its_turn(api: LockedApi) -> None:
    with client_of(api, api.make_key("fast", requests_per_minute=2)) as client:
        client.models.list()
        client.models.list()
        with pytest.raises(openai.RateLimitError) as told:
            client.models.list()
    assert 1 <= int(told.value.response.headers["retry-after"]) < 120


def test_credits_that_are_used_up_are_not_asked_for_again() -> None:
    """The day's end is too far away for a client to wait for."""
    from datetime import UTC, datetime, timedelta

    from entrypoints.api.openai.errors import refusal_of
    from imaging_core.errors import QueueFull
    from imaging_core.spending import CreditLimitReached

    over = CreditLimitReached(
        limit="key", credits_per_day=5, spent=4, price=3, resets_at=datetime.now(UTC) + timedelta(hours=5)
    )
    told = refusal_of(over, {})
    assert (told.status, told.code, told.headers["x-should-retry"]) == (429, "insufficient_quota", "false")
    assert int(told.headers["retry-after"]) > 120
    full = refusal_of(QueueFull(retry_after_s=900), {})
    assert (full.status, full.headers) == (429, {"retry-after": "119"})
