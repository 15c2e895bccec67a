"""The OpenAI façade while a job runs: streams, clients that go away, and stops, on backends that do as the prompt says."""

import base64
import io
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from api_setting import PREVIEW, RunningApi, ended, until
from imaging_core.capabilities import Capabilities
from imaging_core.errors import JobDeleted, Unavailable
from openai_wire import GENERATIONS, api, client, error, generate, job_of, picture
from sse_reading import Parser, told_in

__all__ = ["api", "client"]


@pytest.fixture
def holding(api: RunningApi) -> Iterator[RunningApi]:
    """The service, with prompts that begin with `hold` held back."""
    api.hold()
    yield api
    api.release()


class Asked:
    """A call whose answer is awaited elsewhere."""

    def __init__(self, client: httpx.Client, **fields: Any) -> None:
        self.prompt = f"hold {secrets.token_hex(8)}"
        self._pool = ThreadPoolExecutor(1)
        self._answer = self._pool.submit(generate, client, prompt=self.prompt, **fields)

    def answer(self) -> httpx.Response:
        """Once it is there."""
        answer = self._answer.result(10)
        self._pool.shutdown()
        return answer

    def started(self, client: httpx.Client) -> str:
        """The id of its job, once that runs."""

        def found() -> list[str]:
            jobs = client.get("/jobs").json()["jobs"]
            return [
                job["image_id"] for job in jobs
                if job["request"]["prompt"] == self.prompt and job["status"] == "started"
            ]  # fmt: skip

        return until(found, bool)[0]


def test_a_stream_shows_previews_in_their_turn(holding: RunningApi, client: httpx.Client) -> None:
    for partials, shown in ((0, 0), (1, 1), (3, 1)):
        holding.hold()
        body = {"prompt": "hold on", "model": "local", "stream": True, "partial_images": partials, "size": "64x64"}
        with client.stream("POST", GENERATIONS, json=body) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            image_id = answer.headers["x-job-id"]
            parser = Parser()
            told = []
            for line in answer.iter_lines():
                if (event := parser.line(line)) is not None:
                    told.append(event)
                # A sign of life while nothing happens.
                if len(told) == shown and parser.comments > 1:
                    holding.release()

        assert [event.kind for event in told] == ["image_generation.partial_image"] * shown + [
            "image_generation.completed"
        ]
        assert [event.data["type"] for event in told] == [event.kind for event in told]
        for event in told[:shown]:
            assert base64.b64decode(event.data["b64_json"]) == PREVIEW
            assert (event.data["partial_image_index"], event.data["size"]) == (0, "64x64")
        assert told[-1].data["size"] == "16x16"
        assert told[-1].data["usage"]["total_tokens"] == 0
        assert client.get(f"/status/{image_id}").json()["status"] == "finished"


def test_a_preview_has_the_format_asked_for(holding: RunningApi, client: httpx.Client) -> None:
    body = {"prompt": "hold on", "model": "local", "stream": True, "partial_images": 1, "output_format": "jpeg"}
    with client.stream("POST", GENERATIONS, json=body) as answer:
        events = told_in(answer.iter_lines())
        partial = next(events)
        holding.release()
        last = next(events)
        assert not [*events]

    for event in (partial, last):
        assert event.data["output_format"] == "jpeg"
        assert Image.open(io.BytesIO(base64.b64decode(event.data["b64_json"]))).format == "JPEG"


def test_the_job_of_a_client_that_went_away_goes_on(holding: RunningApi, client: httpx.Client) -> None:
    prompt = f"hold {secrets.token_hex(8)}"
    with pytest.raises(httpx.ReadTimeout):
        client.post(GENERATIONS, json={"prompt": prompt, "model": "local"}, timeout=1)
    with client.stream("POST", GENERATIONS, json={"prompt": prompt, "model": "local", "stream": True}) as answer:
        streamed = answer.headers["x-job-id"]

    jobs = [job for job in client.get("/jobs").json()["jobs"] if job["request"]["prompt"] == prompt]
    assert len(jobs) == 2
    holding.release()
    for job in jobs:
        assert ended(client, job["image_id"])["status"] == "finished"
    assert streamed in [job["image_id"] for job in jobs]


def test_a_call_is_a_job_that_can_be_cancelled(holding: RunningApi, client: httpx.Client) -> None:
    for stream in (False, True):
        call = Asked(client, model="local", stream=stream)
        with holding.client() as other:
            image_id = call.started(other)
            other.post(f"/jobs/{image_id}/cancel")
        answer = call.answer()
        assert answer.headers["x-job-id"] == image_id
        if stream:
            [told] = told_in(answer.text.splitlines())
            assert (told.kind, told.data["error"]["code"]) == ("error", "job_cancelled")
        else:
            assert error(answer, 409)["code"] == "job_cancelled"
            assert answer.headers["x-should-retry"] == "false"


def test_a_deleted_job_has_no_answer_and_is_not_made_again(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise JobDeleted

    monkeypatch.setattr(api.service, "get", gone)
    answer = generate(client)
    assert error(answer, 410)
    assert answer.headers["x-should-retry"] == "false"


def test_a_moment_without_a_store_is_waited_for(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, times = api.service.get, []

    async def stumbling(*args: Any, **options: Any) -> Any:
        times.append(1)
        if len(times) < 3:
            raise Unavailable("The database does not answer.")
        return await get(*args, **options)

    monkeypatch.setattr(api.service, "get", stumbling)
    assert picture(generate(client)).size == (16, 16)
    times.clear()
    body = {"prompt": "x", "stream": True}
    assert [event.kind for event in told_in(client.post(GENERATIONS, json=body).text.splitlines())] == [
        "image_generation.completed"
    ]


def test_who_is_still_waiting_at_a_stop_is_told_where_the_job_is() -> None:
    for stream in (False, True):
        with RunningApi().serving() as api, api.client() as client, api.client() as other:
            api.hold()
            call = Asked(client, model="local", stream=stream)
            image_id = call.started(other)
            api.stop()
            answer = call.answer()
            assert answer.headers["x-job-id"] == image_id
            if stream:
                [told] = told_in(answer.text.splitlines())
                assert told.data["error"]["code"] == "service_stopping"
            else:
                assert error(answer, 503)["code"] == "service_stopping"
                assert answer.headers["x-should-retry"] == "false"


def test_many_calls_at_once_are_all_answered(
    client: httpx.Client, api: RunningApi, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(60) as pool:
        answers = [*pool.map(lambda n: generate(client, prompt=f"one of many {n}"), range(180))]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-job-id"] for answer in answers}) == 180
    # Nothing that they all hang on has failed meanwhile.
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_calls_under_one_key_are_one_job(client: httpx.Client) -> None:
    def call(prompt: str) -> httpx.Response:
        body = {"prompt": prompt, "model": "demo"}
        return client.post(GENERATIONS, json=body, headers={"idempotency-key": "openai-1"})

    first, again, other = call("a hill"), call("a hill"), call("a valley")
    assert first.headers["x-job-id"] == again.headers["x-job-id"]
    assert first.json() == again.json()
    assert error(other)["code"] == "idempotency_mismatch"


def test_a_call_under_a_known_key_is_answered_though_its_backend_could_not_be_asked_since_the_start(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> Capabilities:
        raise Unavailable("The demo is away.")

    def call(key: str, size: str = "500x256") -> httpx.Response:
        body = {"prompt": "a hill", "model": "demo", "size": size}
        return client.post(GENERATIONS, json=body, headers={"idempotency-key": key})

    first = call("openai-away-1")
    assert first.status_code == 200, first.text
    monkeypatch.setattr(DemoGenerator, "capabilities", away)

    again, other, new = call("openai-away-1"), call("openai-away-1", "256x256"), call("openai-away-2")

    assert (again.status_code, again.headers["x-job-id"]) == (200, first.headers["x-job-id"])
    assert error(other)["code"] == "idempotency_mismatch"
    assert new.status_code == 503
    assert new.headers["retry-after"]


def test_a_fault_is_told_in_the_envelope_and_without_its_text(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("geheim")

    monkeypatch.setattr(api.service, "submit", broken)
    answer = generate(client)
    assert error(answer, 500)["code"] == "internal_error"
    assert "geheim" not in answer.text
    monkeypatch.undo()

    monkeypatch.setattr(api.service, "view", broken)
    answer = generate(client, stream=True)
    [told] = told_in(answer.text.splitlines())
    assert told.data["error"]["code"] == "internal_error"
    assert "geheim" not in answer.text
    monkeypatch.undo()

    monkeypatch.setattr(api.service.store, "open", broken)
    answer = generate(client)
    assert error(answer, 500)["code"] == "internal_error"
    assert job_of(client, answer)["status"] == "finished"
    assert answer.headers["x-should-retry"] == "false"
