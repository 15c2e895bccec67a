"""A1111's API over the wire: leniency, shapes of refusals, keys, and whose job is whose."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.demo import DemoGenerator
from api_setting import PREVIEW, RunningApi, status_of, until
from contracts.picture_work import file_of, four_colours, right_half
from key_setting import LockedApi

RECORDED = Path(__file__).parents[1] / "data" / "sdwebui" / "exchanges"
TXT2IMG = "/sdapi/v1/txt2img"
PICTURE, MASK = (base64.b64encode(file_of(drawn)).decode() for drawn in (four_colours(64, 64), right_half(64, 64)))
ROUTES = [
    *(
        f"/sdapi/v1/{name}"
        for name in ("options", "sd-models", "samplers", "schedulers", "upscalers", "sd-vae", "loras")
    ),
    *(f"/sdapi/v1/{name}" for name in ("progress", "memory", "cmd-flags", "scripts", "prompt-styles", "embeddings")),
    *(f"/sdapi/v1/{name}" for name in ("txt2img", "img2img", "extra-single-image", "png-info", "interrupt", "skip")),
    *("/sdapi/v1/refresh-checkpoints", "/internal/progress", "/internal/ping", "/internal/pending-tasks"),
]


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    running = RunningApi(DemoGenerator(step_s=0), max_picture_bytes=1_000_000)
    with running.serving():
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.release()
    with api.client() as client:
        yield client


def recorded(name: str) -> Any:
    """The JSON that WebUI 1.10.1 answered in that exchange."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["response"]["json"]


def made(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """The job that a txt2img of these fields was."""
    answer = client.post(TXT2IMG, json={"prompt": "a lake", **fields})
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = client.get(f"/jobs/{answer.headers['x-job-id']}").raise_for_status().json()
    return job


def wrong(answer: httpx.Response, status: int = 422) -> dict[str, str]:
    """What is wrong, by field."""
    assert answer.status_code == status, answer.text
    return {".".join(error["loc"]): error["msg"] for error in answer.json()["detail"]}


class Call(threading.Thread):
    """A txt2img whose answer nobody waits for yet."""

    def __init__(self, client: httpx.Client, **fields: Any) -> None:
        super().__init__()
        self._client = client
        self._fields = fields
        self.answer: httpx.Response

    def run(self) -> None:
        self.answer = self._client.post(TXT2IMG, json=self._fields, timeout=30)


# --- leniency --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_are_like_absent(client: httpx.Client, nothing: str | None) -> None:
    names = (
        *("negative_prompt", "styles", "seed", "sampler_name", "sampler_index", "scheduler", "steps", "cfg_scale"),
        *("width", "height", "batch_size", "n_iter", "override_settings", "denoising_strength", "send_images"),
        *("script_name", "alwayson_scripts", "enable_hr", "hr_upscaler", "tiling", "force_task_id"),
    )
    absent, given = made(client), made(client, **dict.fromkeys(names, nothing))

    assert {**given["request"], "seed": 0} == {**absent["request"], "seed": 0}


def test_an_empty_override_overrides_nothing(client: httpx.Client) -> None:
    job = made(client, override_settings={"sd_model_checkpoint": "", "sd_vae": None, "no_such_key": 1})

    assert job["request"]["checkpoint"] == "tinyA"


def test_numbers_come_as_text_and_fractions_are_cut(client: httpx.Client) -> None:
    asked = made(client, prompt=5, steps="3", width=100.7, height="64", cfg_scale="4", seed="9", unheard_of={"of": 1})

    request = asked["request"]
    assert request["prompt"] == "5"
    assert [request[name] for name in ("steps", "width", "height", "cfg_scale", "seed")] == [3, 96, 64, 4.0, 9]


@pytest.mark.parametrize("seed", [-1, -7, None])
def test_a_negative_seed_draws_one(client: httpx.Client, seed: int | None) -> None:
    assert made(client, seed=seed)["request"]["seed"] > 0


@pytest.mark.parametrize(
    ("sent", "sampler", "scheduler"),
    [
        ({"sampler_name": "Euler a"}, "Euler a", "automatic"),
        ({"sampler_index": "Euler a"}, "Euler a", "automatic"),
        ({"sampler_name": "Euler a Karras"}, "Euler a", "karras"),
        ({"sampler_name": "Euler", "scheduler": "karras"}, "Euler", "karras"),
        ({}, "Euler", "automatic"),
    ],
)
def test_samplers_and_schedulers_by_any_of_their_names(
    client: httpx.Client, sent: dict[str, str], sampler: str, scheduler: str
) -> None:
    request = made(client, **sent)["request"]

    assert (request["sampler"], request["scheduler"]) == (sampler, scheduler)


def test_scripts_that_always_run_are_not_missed(client: httpx.Client) -> None:
    assert made(client, alwayson_scripts={"ADetailer": {"args": [True]}})["status"] == "finished"


def test_a_backend_is_sent_what_it_has_a_setting_for(client: httpx.Client) -> None:
    everything = {"sampler_name": "Euler a", "scheduler": "karras", "styles": ["film"], "enable_hr": True, "steps": 30}
    job = made(
        client, override_settings={"sd_model_checkpoint": "stability/core"}, width=1600, height=900, **everything
    )

    assert (job["backend"], job["request"]["checkpoint"]) == ("stability", "core")
    assert job["request"]["options"] == {"aspect_ratio": "16:9", "output_format": "png"}
    assert job["request"]["sampler"] is None


def test_pictures_may_come_in_lines_and_with_a_prefix(client: httpx.Client) -> None:
    lines = base64.encodebytes(base64.b64decode(PICTURE)).decode()
    body = {"prompt": "fog", "override_settings": {"sd_model_checkpoint": "demo/procedural"}}
    for text in (lines, f"data:image/png;base64,{PICTURE}"):
        answer = client.post("/sdapi/v1/img2img", json={**body, "init_images": [text]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["parameters"]["init_images"] is None
    again = client.post("/sdapi/v1/img2img", json={**body, "init_images": [PICTURE], "include_init_images": True})
    assert again.json()["parameters"]["init_images"] == [PICTURE]


def test_what_was_not_used_is_not_repeated(client: httpx.Client) -> None:
    body = {
        "prompt": "a lake",
        "alwayson_scripts": {"ControlNet": {"args": [PICTURE]}},
        "override_settings": {"k": PICTURE},
    }

    answer = client.post(TXT2IMG, json=body).json()

    assert answer["parameters"]["alwayson_scripts"] == {}
    assert PICTURE not in json.dumps(answer["parameters"])


# --- shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_asking_whether_a_route_is_there_finds_it(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert 200 <= answer.status_code < 300
    assert answer.content == b""


def test_what_is_not_there_is_told_as_by_the_webui(client: httpx.Client) -> None:
    nowhere, method = client.get("/sdapi/v1/sd-modules"), client.get(TXT2IMG)

    assert (nowhere.status_code, nowhere.json()) == (404, recorded("get_unknown_route"))
    assert (method.status_code, method.json()) == (405, recorded("get_wrong_method"))
    assert method.headers["allow"] == "HEAD, OPTIONS, POST"


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null"])
@pytest.mark.parametrize("path", [TXT2IMG, "/sdapi/v1/img2img", "/sdapi/v1/options", "/sdapi/v1/png-info"])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, path: str, body: str) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})

    assert wrong(answer) == {"body": "The body must be a JSON object."}


@pytest.mark.parametrize("body", ["", "{bad json", '{"steps": NaN}', '{"prompt": "\\ud800"}'])
def test_a_body_that_is_no_json_is_refused(client: httpx.Client, body: str) -> None:
    answer = client.post(TXT2IMG, content=body, headers={"content-type": "application/json"})

    assert wrong(answer).keys() == {"body"}


def test_other_refusals_have_the_webuis_shape(client: httpx.Client) -> None:
    text = client.post(TXT2IMG, content="{}", headers={"content-type": "text/plain"})
    long = client.post(TXT2IMG, json={"prompt": "x" * 1_000_001})
    packed = client.post("/sdapi/v1/options", content=b"\x1f\x8b", headers={"content-encoding": "gzip"})

    for answer, status in ((text, 415), (long, 413), (packed, 415)):
        assert answer.status_code == status
        assert answer.json().keys() == recorded("auth_no_credentials").keys()
        assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "fields", "field"),
    [
        ("img2img", {}, "init_images"),
        ("img2img", {"init_images": []}, "init_images"),
        ("img2img", {"init_images": ["!!!"]}, "init_images"),
        ("img2img", {"init_images": ["AAAA"]}, "init_images"),
        ("img2img", {"init_images": [PICTURE, PICTURE]}, "init_images"),
        ("img2img", {"init_images": ["http://127.0.0.1/secret.png"]}, "init_images"),
        ("img2img", {"init_images": [PICTURE], "mask": "AAAA"}, "mask"),
        ("img2img", {"init_images": [PICTURE], "mask": MASK, "inpainting_mask_invert": 1}, "inpainting_mask_invert"),
        ("extra-single-image", {}, "image"),
        ("extra-single-image", {"image": "xx"}, "image"),
        ("extra-single-image", {"image": PICTURE, "upscaling_resize": 0}, "upscaling_resize"),
        ("png-info", {}, "image"),
        ("png-info", {"image": "zzzz"}, "image"),
        ("txt2img", {"steps": "abc"}, "steps"),
        ("txt2img", {"styles": "film"}, "styles"),
        ("txt2img", {"prompt": ["a", "list"]}, "prompt"),
        ("txt2img", {"seed": 2**40}, "seed"),
        ("txt2img", {"sampler_index": "x" * 501}, "sampler_index"),
        ("options", {"sd_model_checkpoint": "nope"}, "sd_model_checkpoint"),
        ("options", {"CLIP_stop_at_last_layers": 99}, "CLIP_stop_at_last_layers"),
    ],
)
def test_a_mistake_is_a_refusal_that_names_the_field(
    client: httpx.Client, path: str, fields: dict[str, Any], field: str
) -> None:
    demo = {"override_settings": {"sd_model_checkpoint": "demo/procedural"}}

    answer = client.post(f"/sdapi/v1/{path}", json={"prompt": "secret", **demo, **fields})

    assert f"body.{field}" in wrong(answer)
    assert "secret" not in answer.text


def test_a_job_that_fails_is_told_with_its_name(client: httpx.Client) -> None:
    answer = client.post(TXT2IMG, json={"prompt": "refuse this"})

    assert answer.status_code == 422
    assert "filter said no" in answer.json()["detail"]
    assert status_of(client, answer.headers["x-job-id"])["failure"]["code"] == "content_moderated"


def test_a_backend_that_does_not_answer_is_a_503_and_the_others_are_listed(
    api: RunningApi, client: httpx.Client
) -> None:
    api.webui.there = False
    try:
        answer = client.post(TXT2IMG, json={"prompt": "x"})
        models = client.get("/sdapi/v1/sd-models").json()
        wanted = client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "tinyA"})
    finally:
        api.webui.there = True

    assert (answer.status_code, wanted.status_code) == (503, 503)
    assert "does not answer" in answer.json()["detail"]
    assert {model["title"] for model in models} == {"stability/core", "stability/ultra", "demo/procedural"}


# --- waiting ---------------------------------------------------------------------------------------------


def test_a_running_task_is_told_with_its_preview_once(api: RunningApi, client: httpx.Client) -> None:
    api.hold()
    with api.client() as other:
        call = Call(other, prompt="hold", force_task_id="task(1)", n_iter=2)
        call.start()
        question = {"id_task": "task(1)", "id_live_preview": -1}
        first = until(
            lambda: client.post("/internal/progress", json=question).json(), lambda told: bool(told["live_preview"])
        )
        again = client.post("/internal/progress", json={**question, "id_live_preview": first["id_live_preview"]}).json()
        whole = client.get("/sdapi/v1/progress", params={"force_task_id": "task(1)"}).json()
        skipped = client.get("/sdapi/v1/progress", params={"skip_current_image": "true"}).json()
        pending = client.get("/internal/pending-tasks").json()
        api.release()
        call.join()

    assert (first["active"], first["queued"], first["completed"]) == (True, False, False)
    assert first["live_preview"] == f"data:image/png;base64,{base64.b64encode(PREVIEW).decode()}"
    assert again["live_preview"] is None
    assert 0 < whole["progress"] < 1
    assert base64.b64decode(whole["current_image"]) == PREVIEW
    assert (whole["state"]["sampling_step"], whole["state"]["sampling_steps"]) == (10, 20)
    assert skipped["current_image"] is None
    assert pending == {"size": 1, "tasks": []}
    assert len(call.answer.json()["images"]) == 2
    assert client.post("/internal/progress", json=question).json()["completed"] is True
    assert client.get("/sdapi/v1/progress").json() == recorded("get_progress_idle")


def test_a_call_that_waits_when_the_service_stops_is_told_its_job() -> None:
    running = RunningApi()
    with running.serving(), running.client() as client:
        running.hold()
        call = Call(client, prompt="hold")
        call.start()
        with running.client() as other:
            until(lambda: other.get("/sdapi/v1/progress").json()["progress"], lambda progress: progress > 0)
        running.stop()
        call.join()

    assert call.answer.status_code == 503
    assert call.answer.headers["x-job-id"] in call.answer.json()["detail"]


def test_a_setting_turns_it_off() -> None:
    running = RunningApi(a1111=False)
    with running.serving(), running.client() as client:
        assert client.get("/sdapi/v1/options").headers["content-type"] == "application/problem+json"
        assert client.get("/internal/ping").status_code == 404


# --- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Basic ", "Basic", "Basic Og==", "Basic !!!", "Basic YW55OmFueQ=="])
def test_any_basic_header_is_let_in_while_there_are_no_keys(api: RunningApi, header: str) -> None:
    # httpx refuses to send what Open WebUI sends when nothing is set: a scheme and a blank.
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        connection.request("GET", "/sdapi/v1/options", headers={"Authorization": header})
        answer = connection.getresponse()

        assert answer.status == 200
        assert json.loads(answer.read())["sd_model_checkpoint"] == "tinyA"
    finally:
        connection.close()


@pytest.fixture(scope="module")
def locked() -> Iterator[LockedApi]:
    with LockedApi(wrong_keys_per_minute=10_000).serving() as locked:
        locked.make_admin()
        yield locked


def basic(locked: LockedApi, key: str) -> httpx.Client:
    """A client that sends the key as most of A1111's clients do."""
    client = locked.client()
    client.auth = httpx.BasicAuth("anybody", key)
    return client


@pytest.mark.parametrize("path", ["/sdapi/v1/options", "/sdapi/v1/loras", "/internal/ping"])
def test_a_key_is_the_password_of_any_user(locked: LockedApi, path: str) -> None:
    with basic(locked, locked.make_key()) as good, basic(locked, "wrong") as bad, locked.client() as none:
        assert good.get(path).status_code == 200
        for client in (bad, none):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.json().keys() == recorded("auth_wrong_password").keys()
            assert answer.headers["www-authenticate"].startswith("Basic ")


def test_each_key_has_its_own_model_and_its_own_job(locked: LockedApi) -> None:
    locked.hold()
    key = locked.make_key("alice")
    with (
        basic(locked, key) as alice,
        locked.asked(key) as native,
        basic(locked, locked.make_key("bob")) as bob,
        locked.asked(locked.make_admin()) as admin,
    ):
        alice.post("/sdapi/v1/options", json={"sd_model_checkpoint": "tinyB"}).raise_for_status()
        call = Call(alice, prompt="hold", force_task_id="mine")
        call.start()
        running = until(lambda: alice.get("/sdapi/v1/progress").json(), lambda told: told["progress"] > 0)
        for other in (bob, admin):
            assert other.get("/sdapi/v1/progress").json() == recorded("get_progress_idle")
            assert other.get("/sdapi/v1/progress", params={"force_task_id": "mine"}).json()["progress"] == 0
            assert not other.post("/internal/progress", json={"id_task": "mine"}).json()["active"]
            assert other.post("/sdapi/v1/interrupt").json() == {}
        assert alice.get("/sdapi/v1/progress").json()["progress"] > 0
        alice.post("/sdapi/v1/skip").raise_for_status()
        call.join()

        assert running["state"]["job_count"] == 1
        assert call.answer.json()["images"] == []
        job = native.get(f"/jobs/{call.answer.headers['x-job-id']}").json()
        assert (job["status"], job["request"]["checkpoint"]) == ("cancelled", "tinyB")
        assert bob.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "tinyA"
    locked.release()
