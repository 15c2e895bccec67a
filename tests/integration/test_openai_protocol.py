"""The OpenAI façade over the wire: envelopes, headers, waits and streams, on backends that do as the prompt says."""

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
from bad_inputs import NOT_JSON
from contracts.picture_work import difference, file_of, four_colours
from imaging_core.errors import JobDeleted, Unavailable
from sse_reading import Parser, told_in

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
PICTURE = four_colours(256, 192)
FILE = file_of(PICTURE)


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    aliases = {"house": "local/tinyB", "nowhere": "local2/x"}
    with RunningApi(DemoGenerator(step_s=0), openai_aliases=aliases, keep_alive_s=0.2).serving() as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def generate(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(GENERATIONS, json={"prompt": "a lighthouse", **fields})


def error(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    """What is wrong, once the envelope is right."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert set(answer.json()) == {"error"}
    details: dict[str, Any] = answer.json()["error"]
    assert set(details) == {"message", "type", "param", "code"}
    assert details["message"]
    return details


def picture(answer: httpx.Response, index: int = 0) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][index]["b64_json"])))


def job_of(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The job behind an answer, as everybody else sees it."""
    found: dict[str, Any] = client.get(f"/jobs/{answer.headers['x-job-id']}").raise_for_status().json()
    return found


# --- what is asked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "backend", "checkpoint"),
    [
        (None, "stability", "core"),
        ("", "stability", "core"),
        ("stability", "stability", "core"),
        ("stability/ultra", "stability", "ultra"),
        ("local", "local", "tinyA"),
        ("local/tinyB", "local", "tinyB"),
        ("house", "local", "tinyB"),
        ("demo", "demo", "procedural"),
        ("gpt-image-1", "stability", "core"),
        ("gpt-image-7-moonbeam-2031-01-01", "stability", "core"),
        ("dall-e-3", "stability", "core"),
    ],
)
def test_a_model_leads_to_a_backend_and_a_checkpoint(
    client: httpx.Client, model: str | None, backend: str, checkpoint: str
) -> None:
    answer = generate(client, model=model)

    assert answer.status_code == 200, answer.text
    job = job_of(client, answer)
    assert (job["backend"], job["request"]["checkpoint"]) == (backend, checkpoint)


@pytest.mark.parametrize(
    "model", ["nowhere", "local/", "/", "kanarienvogel", "local/kanarienvogel", "spare", "spare/x"]
)
def test_a_model_that_is_not_there(client: httpx.Client, model: str) -> None:
    told = error(generate(client, model=model), 404)
    assert (told["code"], told["param"]) == ("model_not_found", "model")
    assert "kanarienvogel" not in told["message"]
    assert ("IMAGING_SPARE_URL" in told["message"]) == model.startswith("spare")
    assert error(client.get(f"/v1/models/{model}"), 404)


def test_a_backend_that_cannot_be_asked_is_left_out_of_the_list(client: httpx.Client, api: RunningApi) -> None:
    api.webui.there = False
    try:
        names = [model["id"] for model in client.get("/v1/models").json()["data"]]
        refusal = generate(client, model="local/tinyA")
    finally:
        api.webui.there = True

    assert "stability/core" in names
    assert not [name for name in names if name.startswith("local")]
    assert error(refusal, 503)["code"] == "service_unavailable"
    assert refusal.headers["retry-after"] == "7"
    assert "x-should-retry" not in refusal.headers


def test_a_size_is_brought_to_the_grid_and_the_picture_tells_its_own(client: httpx.Client) -> None:
    answer = generate(client, model="local", size="1001x66")
    request = job_of(client, answer)["request"]

    assert (request["width"], request["height"]) == (1000, 64)
    # This backend gives what it likes, and that is what is reported.
    assert answer.json()["size"] == "16x16"
    wide = job_of(client, generate(client, model="stability", size="1792x1024"))["request"]
    assert wide["options"]["aspect_ratio"] == "16:9"
    either = job_of(client, generate(client, model="stability", size="auto"))["request"]
    assert either["options"]["aspect_ratio"] == "1:1"


def test_a_backend_that_knows_no_formats_gives_every_one_of_them(client: httpx.Client) -> None:
    for name, kind in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
        answer = generate(client, model="local", output_format=name)
        assert (picture(answer).format, answer.json()["output_format"]) == (kind, name)


def test_a_compression_is_that_of_the_picture(client: httpx.Client) -> None:
    sizes = {}
    for compression in (0, 30, 100):
        answer = generate(client, model="demo", seed=4, output_format="webp", output_compression=compression)
        assert picture(answer).format == "WEBP"
        # The picture it is made of was not compressed before.
        assert job_of(client, answer)["request"]["options"]["output_format"] == "png"
        sizes[compression] = len(answer.json()["data"][0]["b64_json"])
    assert sizes[0] < sizes[30] < sizes[100]
    assert picture(generate(client, model="demo", output_format="png", output_compression=30)).format == "PNG"


def test_null_is_as_good_as_nothing_and_strange_fields_are_of_no_use(client: httpx.Client) -> None:
    names = ("model", "n", "size", "quality", "output_format", "output_compression", "response_format", "stream",
             "partial_images", "background", "moderation", "style", "user", "seed", "steps", "negative_prompt")  # fmt: skip
    assert generate(client, **dict.fromkeys(names)).status_code == 200
    strange = {"quality": {"x": 1}, "background": 5, "user": ["x"], "style": False, "svg": {"model": "x"}, "x": 1}
    answer = generate(client, **strange)
    assert answer.status_code == 200
    assert "quality" not in answer.json()
    assert generate(client, quality="standard").json()["quality"] == "medium"


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_json_is_strict_here_too(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    told = error(answer)
    assert told["code"] in ("invalid_json", "invalid_value")
    assert answer.headers["x-should-retry"] == "false"
    assert "kanarienvogel" not in answer.text


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": " "}, "prompt", "invalid_value"),
        ({"prompt": 5}, "prompt", "invalid_value"),
        ({"n": "2"}, "n", "invalid_value"),
        ({"n": True}, "n", "invalid_value"),
        ({"n": 10**60}, "n", "invalid_value"),
        ({"size": 512}, "size", "invalid_value"),
        ({"size": "0x512"}, "size", "invalid_value"),
        ({"size": "512x512x512"}, "size", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_value"),
        ({"seed": 2**32}, "seed", "invalid_value"),
        ({"steps": 5}, "steps", "invalid_value"),
        ({"model": 5}, "model", "invalid_value"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_sent(
    client: httpx.Client, fields: dict[str, Any], param: str, code: str
) -> None:
    told = error(generate(client, **fields))
    assert (told["param"], told["code"], told["type"]) == (param, code, "invalid_request_error")


def test_bodies_of_the_wrong_size_or_type(client: httpx.Client) -> None:
    assert error(client.post(GENERATIONS, content=b"x" * 70_000, headers={"content-type": "application/json"}), 413)
    assert error(client.post(GENERATIONS, data={"prompt": "x"}), 415)
    assert error(client.post(EDITS, content=b"x", headers={"content-type": "text/plain"}), 415)


def test_paths_that_are_not_there_and_questions_about_those_that_are(client: httpx.Client) -> None:
    assert error(client.get("/v1/chat/completions"), 404)
    assert error(client.post("/v1/images/variations"), 404)
    not_allowed = client.get(GENERATIONS)
    assert error(not_allowed, 405)
    assert not_allowed.headers["allow"] == "HEAD, OPTIONS, POST"
    assert client.options(EDITS).status_code == 204
    assert client.head(EDITS).status_code == 200
    assert client.head("/v1/models").status_code == 200
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"


# --- edits -----------------------------------------------------------------------------------------------


def holes(left: int = 128) -> bytes:
    """The picture with a transparent right part."""
    image = PICTURE.convert("RGBA")
    image.paste((0, 0, 0, 0), (left, 0, 256, 192))
    return file_of(image)


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_every_shape_of_a_picture_in_json_is_the_same_edit(client: httpx.Client) -> None:
    url = data_url(FILE)
    shapes: list[dict[str, Any]] = [
        {"images": [{"image_url": url}]},
        {"images": [{"image_url": {"url": url}}, {"image_url": "data:,"}]},
        {"image": url},
        {"image": [url]},
        {"image": base64.b64encode(FILE).decode()},
        {"image": {"b64_json": base64.b64encode(FILE).decode()}},
    ]
    given = {"model": "demo", "prompt": "a lake", "seed": 4, "steps": 1, "mask": {"image_url": data_url(holes())}}
    made = [picture(client.post(EDITS, json={**given, **shape})).convert("RGB") for shape in shapes]

    assert {image.size for image in made} == {PICTURE.size}
    assert all(difference(image, made[0]) == 0 for image in made)
    assert difference(made[0].crop((0, 0, 120, 192)), PICTURE.crop((0, 0, 120, 192))) == 0
    assert difference(made[0].crop((136, 0, 256, 192)), PICTURE.crop((136, 0, 256, 192))) > 5


def test_parts_of_a_form_in_any_order_and_of_any_type(client: httpx.Client) -> None:
    parts: list[tuple[str, Any]] = [
        ("mask", ("blob", holes(), "application/octet-stream")),
        ("n", (None, "2")),
        ("markup", ("m", b"x")),
        ("svg[model]", (None, "x")),
        ("image[]", ("../../etc/passwd", FILE, "text/plain")),
        ("image[]", ("second", b"never looked at")),
        ("prompt", (None, "a lake — 湖")),
        ("steps", (None, "2")),
        ("stream", (None, "false")),
        ("model", (None, "demo")),
    ]
    answer = client.post(EDITS, files=parts)

    assert [picture(answer, index).size for index in (0, 1)] == [PICTURE.size] * 2
    request = job_of(client, answer)["request"]
    assert (request["prompt"], request["count"], request["steps"]) == ("a lake — 湖", 2, 2)
    assert request["mask"] is not None
    by_name = client.post(EDITS, files={"image": FILE}, data={"prompt": "x", "model": "demo"})
    assert picture(by_name).size == PICTURE.size


def test_only_the_model_that_did_takes_a_mask_from_the_picture(client: httpx.Client) -> None:
    for model, masked in (("dall-e-2", True), ("demo", False)):
        with RunningApi(DemoGenerator(step_s=0), images_backend="demo").serving() as api, api.client() as other:
            answer = other.post(EDITS, files={"image": holes()}, data={"prompt": "x", "model": model})
            assert answer.status_code == 200, answer.text
            assert (job_of(other, answer)["request"]["mask"] is not None) == masked


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "image"),
        ({"image": "no picture"}, "image"),
        ({"images": [{"image_url": "https://example.org/x.png"}]}, "images"),
        ({"images": [{"file_id": "file-1"}]}, "images"),
        ({"images": 5}, "images"),
        ({"image": data_url(b"no picture")}, "image"),
        ({"image": data_url(FILE), "mask": data_url(FILE)}, "mask"),
        ({"image": data_url(FILE), "mask": data_url(file_of(Image.new("RGBA", (64, 64))))}, "mask"),
        ({"image": data_url(FILE), "model": "local/tinyA"}, "model"),
        ({"image": data_url(FILE), "strength": 2}, "strength"),
    ],
)
def test_edits_of_nothing(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = client.post(EDITS, json={"prompt": "x", "model": "demo", **body})
    assert error(answer)["param"] == param


# --- waiting ---------------------------------------------------------------------------------------------


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

    monkeypatch.setattr(api.service, "view", gone)
    answer = generate(client)
    assert error(answer, 410)
    assert answer.headers["x-should-retry"] == "false"


def test_a_moment_without_a_store_is_waited_for(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, times = api.service.view, []

    async def stumbling(*args: Any, **options: Any) -> Any:
        times.append(1)
        if len(times) < 3:
            raise Unavailable("The database does not answer.")
        return await view(*args, **options)

    monkeypatch.setattr(api.service, "view", stumbling)
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
