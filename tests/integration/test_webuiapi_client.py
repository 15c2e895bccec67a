"""The real, unmodified client `webuiapi` drives the service as people run it, on the demo and on the engines' doubles."""

import base64
import io
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import webuiapi  # type: ignore[import-untyped]
from PIL import Image

from contracts.picture_work import difference, four_colours, right_half
from entrypoints.api.a1111.fields import ExtraSingleImage, Img2Img, Txt2Img
from fakes.sdwebui import launch as launch_webui
from fakes.sdwebui.launcher import FakeWebUI
from fakes.stability import launch as launch_stability
from fakes.stability.launcher import StabilityProcess
from imaging_process import Imaging, end_of, until

RECORDED = Path(__file__).parents[1] / "data" / "sdwebui" / "exchanges"
DOCS = Path(__file__).parents[2] / "docs" / "clients.md"
PICTURE = four_colours(128, 64)


@attrs.frozen(kw_only=True)
class House:
    """The service, embedded, in a process of its own, and the engines behind it."""

    imaging: Imaging
    stability: StabilityProcess
    webui: FakeWebUI

    def sent(self, prompt: str) -> list[dict[str, Any]]:
        """The JSON of the calls with that prompt, as the WebUI got them."""
        return [call.body for call in self.webui.log() if call.body["prompt"] == prompt]

    def job(self, image_id: str) -> dict[str, Any]:
        """The job, as the service's own API tells it."""
        found: dict[str, Any] = httpx.get(f"{self.imaging.url}/jobs/{image_id}").raise_for_status().json()
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        launch_stability(log=folder / "stability.jsonl") as stability,
        launch_webui("--step-seconds", "0.002") as webui,
        Imaging(
            "up",
            "--no-gui",
            folder=folder,
            IMAGING_STABILITY_API_KEY="sk-test",
            IMAGING_STABILITY_BASE_URL=stability.url,
            IMAGING_SDWEBUI_URLS=webui.url,
            IMAGING_DEMO="1",
            IMAGING_DEMO_STEP_S="0",
        ) as imaging,
    ):
        yield House(imaging=imaging.started("is up"), stability=stability, webui=webui)


class Client(webuiapi.WebUIApi):  # type: ignore[misc]
    """The client, whose last answer's headers are kept."""

    def __init__(self, port: int) -> None:
        super().__init__(host="127.0.0.1", port=port)
        self.headers: dict[str, str] = {}
        self.session.trust_env = False
        self.session.hooks["response"].append(
            lambda answer, *_, **__: self.headers.update({k.lower(): v for k, v in answer.headers.items()})
        )


@pytest.fixture
def api(house: House) -> Iterator[Client]:
    client = Client(house.imaging.port)
    client.set_options({"sd_model_checkpoint": "tinyA"})
    yield client
    client.session.close()


def recorded(name: str) -> Any:
    """The JSON that WebUI 1.10.1 answered in that exchange."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["response"]["json"]


def kind(value: object) -> str:
    """A JSON type; both sorts of numbers are one."""
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return "null" if value is None else names[type(value)]


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two answers differ in keys or types; what is null or empty fits all."""
    if ours is None or theirs is None or {} in (ours, theirs):
        return []
    if kind(ours) != kind(theirs):
        return [f"{where}: {kind(ours)}, not {kind(theirs)}"]
    if isinstance(ours, dict):
        missing = [f"{where}: key {key}" for key in ours.keys() ^ theirs.keys()]
        return missing + [
            d for key in ours.keys() & theirs.keys() for d in differences(ours[key], theirs[key], f"{where}.{key}")
        ]
    if isinstance(ours, list) and ours and theirs:
        return [d for item in ours for d in differences(item, theirs[0], f"{where}[]")]
    return []


# --- lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("sd-models", "samplers", "schedulers", "upscalers", "latent-upscale-modes", "sd-vae", "loras", "embeddings"),
        *(
            "scripts",
            "script-info",
            "prompt-styles",
            "face-restorers",
            "hypernetworks",
            "realesrgan-models",
            "extensions",
        ),
    ],
)
def test_every_list_looks_as_the_webuis(house: House, path: str) -> None:
    answer = httpx.get(f"{house.imaging.url}/sdapi/v1/{path}")

    assert answer.status_code == 200
    assert differences(answer.json(), recorded(f"get_{path}")) == []


@pytest.mark.parametrize("path", ["options", "cmd-flags"])
def test_the_large_objects_have_a_part_of_the_webuis_keys(house: House, path: str) -> None:
    ours, theirs = httpx.get(f"{house.imaging.url}/sdapi/v1/{path}").json(), recorded(f"get_{path}")

    assert ours.keys() <= theirs.keys()
    assert differences(ours, {key: theirs[key] for key in ours}) == []


@pytest.mark.parametrize(
    "path",
    [
        "refresh-checkpoints",
        "refresh-loras",
        "refresh-vae",
        "unload-checkpoint",
        "reload-checkpoint",
        "skip",
        "interrupt",
    ],
)
def test_what_there_is_nothing_to_do_for_answers_as_the_webui_does(house: House, path: str) -> None:
    theirs = recorded(f"post_{path}_idle" if path in ("skip", "interrupt") else f"post_{path}")

    answer = httpx.post(f"{house.imaging.url}/sdapi/v1/{path}")

    assert (answer.status_code, answer.json()) == (200, theirs)


def test_names_are_those_of_the_webui_and_other_backends_come_after(house: House, api: Client) -> None:
    models = api.get_sd_models()
    theirs = httpx.get(f"{house.webui.url}/sdapi/v1/sd-models").json()

    assert [(m["title"], m["model_name"], m["hash"]) for m in models[:2]] == [
        (m["title"], m["model_name"], m["hash"]) for m in theirs
    ]
    assert {"stability/core", "stability/ultra", "demo/procedural"} <= {m["title"] for m in models[2:]}
    for path in ("samplers", "latent-upscale-modes"):
        names = [row["name"] for row in httpx.get(f"{house.webui.url}/sdapi/v1/{path}").json()]
        assert [row["name"] for row in httpx.get(f"{house.imaging.url}/sdapi/v1/{path}").json()] == names
    assert api.util_get_scheduler_names() == sorted(
        row["name"] for row in httpx.get(f"{house.webui.url}/sdapi/v1/schedulers").json()
    )


def test_memory_and_flags_tell_nothing_of_the_machine(house: House, api: Client) -> None:
    assert differences(api.get_memory()["cuda"], recorded("get_memory")["cuda"]) == []
    assert "/" not in json.dumps(api.get_cmd_flags())


# --- making ----------------------------------------------------------------------------------------------


def test_txt2img_is_a_job_answered_in_the_webuis_shape(house: House, api: Client) -> None:
    made = api.txt2img(
        prompt="a red cube, on a table",
        negative_prompt="people",
        seed=1234,
        steps=3,
        cfg_scale=5.5,
        width=64,
        height=96,
        sampler_name="Euler a",
        scheduler="karras",
        save_images=True,
    )

    assert made.image.size == (64, 96)
    theirs = recorded("txt2img_ok")
    assert made.parameters.keys() == theirs["parameters"].keys()
    assert differences(made.info, json.loads(theirs["info"]) | {"extra_generation_params": {}}) == []
    assert made.info["infotexts"] == [made.image.info["parameters"]]
    assert "Negative prompt: people" in made.info["infotexts"][0]
    assert (made.info["seed"], made.info["sd_model_name"], made.info["sampler_name"]) == (1234, "tinyA", "Euler a")

    [sent] = house.sent("a red cube, on a table")
    assert {name: sent[name] for name in ("negative_prompt", "seed", "steps", "cfg_scale", "width", "height")} == {
        "negative_prompt": "people",
        "seed": 1234,
        "steps": 3,
        "cfg_scale": 5.5,
        "width": 64,
        "height": 96,
    }
    assert (sent["sampler_name"], sent["scheduler"].lower()) == ("Euler a", "karras")
    job = house.job(api.headers["x-job-id"])
    assert (job["status"], job["backend"], job["request"]["prompt"]) == ("finished", "local", "a red cube, on a table")


def test_batches_are_one_job_with_a_seed_for_each_picture(house: House, api: Client) -> None:
    made = api.txt2img(prompt="four", seed=10, steps=1, width=64, height=64, batch_size=2, n_iter=2)

    assert len(made.images) == 4
    assert made.info["all_seeds"] == [10, 11, 12, 13]
    assert len(made.info["infotexts"]) == 4
    assert made.info["index_of_first_image"] == 0
    assert [sent["batch_size"] for sent in house.sent("four")] == [2, 2]
    assert len(house.job(api.headers["x-job-id"])["images"]) == 4


def test_a_job_without_pictures_on_demand(api: Client) -> None:
    made = api.txt2img(prompt="kept", steps=1, width=64, height=64, send_images=False)

    assert made.images == []
    assert len(made.info["infotexts"]) == 1


def test_img2img_sends_the_picture_and_the_strength(house: House, api: Client) -> None:
    made = api.img2img(
        images=[PICTURE], prompt="over it", steps=2, width=128, height=64, denoising_strength=0.4, seed=5
    )

    assert made.image.size == (128, 64)
    assert made.parameters.keys() == recorded("img2img_ok")["parameters"].keys()
    assert made.parameters["init_images"] is None
    assert made.info["extra_generation_params"] == {"Denoising strength": 0.4}
    [sent] = house.sent("over it")
    assert sent["denoising_strength"] == 0.4
    assert difference(Image.open(io.BytesIO(base64.b64decode(sent["init_images"][0]))).convert("RGB"), PICTURE) < 1
    assert house.job(api.headers["x-job-id"])["request"]["operation"] == "edit"


def test_a_mask_and_its_settings_reach_the_webui(house: House, api: Client) -> None:
    api.img2img(
        images=[PICTURE],
        mask_image=right_half(128, 64),
        mask_blur=7,
        inpainting_fill=1,
        inpaint_full_res=False,
        inpaint_full_res_padding=12,
        inpainting_mask_invert=1,
        resize_mode=2,
        prompt="half of it",
        steps=2,
        width=128,
        height=64,
    )

    [sent] = house.sent("half of it")
    names = ("mask_blur", "inpainting_fill", "inpaint_full_res", "inpaint_full_res_padding", "inpainting_mask_invert")
    assert [sent[name] for name in (*names, "resize_mode")] == [7, 1, False, 12, 1, 2]
    assert Image.open(io.BytesIO(base64.b64decode(sent["mask"]))).size == (128, 64)


def test_a_size_to_reach_is_a_scale_of_the_second_pass(house: House, api: Client) -> None:
    api.txt2img(prompt="grown", steps=1, width=64, height=64, enable_hr=True, hr_resize_x=128, hr_resize_y=96)

    [sent] = house.sent("grown")
    assert (sent["enable_hr"], sent["hr_scale"]) == (True, 2.0)


def test_the_larger_half_of_a_blur_is_used(house: House) -> None:
    pictures = [webuiapi.webuiapi.raw_b64_img(picture) for picture in (PICTURE, right_half(128, 64))]
    body = {"prompt": "blurred", "init_images": pictures[:1], "mask": pictures[1], "mask_blur_x": 3, "mask_blur_y": 11}
    answer = httpx.post(f"{house.imaging.url}/sdapi/v1/img2img", json={**body, "steps": 1}, timeout=30)

    assert answer.status_code == 200, answer.text
    [sent] = house.sent("blurred")
    # Without a size it is as large as the picture.
    assert (sent["mask_blur"], sent["width"], sent["height"]) == (11, 128, 64)


def test_extras_reach_a_size(api: Client) -> None:
    made = api.extra_single_image(PICTURE, resize_mode=1, upscaling_resize_w=256, upscaling_resize_h=192)

    assert made.image.size == (384, 192)


def test_extras_enlarge_on_the_webui(house: House, api: Client) -> None:
    made = api.extra_single_image(PICTURE, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5)

    assert made.image.size == (192, 96)
    assert made.info == "<p>Postprocess upscale by: 1.5, Postprocess upscaler: Lanczos</p>"
    assert made.json.keys() == recorded("extra-single_ok").keys()
    job = house.job(api.headers["x-job-id"])
    assert (job["backend"], job["request"]["operation"], job["status"]) == ("local", "upscale", "finished")


def test_png_info_reads_a_picture_back(api: Client) -> None:
    made = api.txt2img(prompt="to be read", seed=77, steps=2, width=64, height=64)
    again = Image.open(io.BytesIO(base64.b64decode(made.json["images"][0])))

    read = api.png_info(again)

    theirs = recorded("png-info_ok")
    assert read.info == made.info["infotexts"][0]
    assert read.json.keys() == theirs.keys()
    # The recorded picture was made with a VAE.
    assert theirs["parameters"].keys() - read.parameters.keys() <= {"VAE", "VAE hash"}
    assert (read.parameters["Seed"], read.parameters["Size-1"], read.parameters["Prompt"]) == ("77", "64", "to be read")
    assert api.png_info(PICTURE).json == recorded("png-info_no_metadata")


# --- models ----------------------------------------------------------------------------------------------


def test_a_model_is_chosen_once_by_name_or_title_and_then_drawn_with(house: House, api: Client) -> None:
    api.util_set_model("tinyb")
    current = api.util_get_current_model()
    api.txt2img(prompt="by the other", steps=1, width=64, height=64)

    assert current == next(m["title"] for m in api.get_sd_models() if m["model_name"] == "tinyB")
    [sent] = house.sent("by the other")
    assert sent["override_settings"]["sd_model_checkpoint"].startswith("tinyB")
    # The whole object may come back, as Open WebUI sends it.
    api.set_options({**api.get_options(), "sd_model_checkpoint": "tinyA"})
    assert api.util_get_current_model().startswith("tinyA")
    with pytest.raises(RuntimeError, match="no model of that name"):
        api.txt2img(prompt="x", override_settings={"sd_model_checkpoint": "nope"})


@pytest.mark.parametrize(("model", "backend"), [("stability/core", "stability"), ("demo/procedural", "demo")])
def test_models_of_other_backends_are_drawn_with_too(house: House, api: Client, model: str, backend: str) -> None:
    made = api.txt2img(prompt="a lake", override_settings={"sd_model_checkpoint": model}, width=512, height=288, seed=3)

    job = house.job(api.headers["x-job-id"])
    assert (job["backend"], job["status"]) == (backend, "finished")
    assert made.image.size == (job["images"][0]["width"], job["images"][0]["height"])
    assert made.info["sd_model_name"] == job["request"]["checkpoint"]
    assert made.info["infotexts"] == [made.image.info["parameters"]]
    if backend == "stability":
        assert job["request"]["options"]["aspect_ratio"] == "16:9"


# --- progress and interrupt ------------------------------------------------------------------------------


class Background(threading.Thread):
    """A slow txt2img on another connection."""

    def __init__(self, port: int, **fields: Any) -> None:
        super().__init__()
        self.client = Client(port)
        self._fields = fields
        self.result: Any = None

    def run(self) -> None:
        try:
            self.result = self.client.txt2img(**self._fields)
        finally:
            self.client.session.close()


def test_progress_shows_the_running_job_and_interrupt_ends_it(house: House, api: Client) -> None:
    idle = recorded("get_progress_idle")
    assert api.get_progress() == idle
    house.webui.control(step_seconds=0.02)
    slow = Background(house.imaging.port, prompt="slow", steps=150, width=64, height=64, batch_size=1, n_iter=8)
    slow.start()

    def seen() -> Any:
        progress = api.get_progress()
        return progress if progress["progress"] > 0 and progress["current_image"] else None

    progress = until(seen, "progress with a preview")
    api.interrupt()
    slow.join(30)
    house.webui.control(step_seconds=0.002)

    assert differences(progress, idle) == []
    assert 0 < progress["progress"] < 1
    assert (progress["state"]["job"], progress["state"]["job_count"]) == ("scripts_txt2img", 8)
    assert progress["state"]["sampling_steps"] == 150
    assert Image.open(io.BytesIO(base64.b64decode(progress["current_image"]))).size[0] > 0
    assert slow.result.images == []
    assert house.job(slow.client.headers["x-job-id"])["status"] == "cancelled"
    assert api.get_progress() == idle
    api.util_wait_for_ready(check_interval=0.1)


def test_a_client_that_goes_away_cancels_its_job(house: House) -> None:
    body = {"prompt": "for nobody", "steps": 150, "n_iter": 50, "width": 64, "height": 64}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{house.imaging.url}/sdapi/v1/txt2img", json=body, timeout=0.7)

    [job] = [
        job for job in httpx.get(f"{house.imaging.url}/jobs").json()["jobs"] if job["request"]["prompt"] == "for nobody"
    ]
    assert end_of(house.imaging.url, job["image_id"], 20)["status"] == "cancelled"


def test_a_task_is_followed_by_its_name(house: House, api: Client) -> None:
    name = {"id_task": "task(mine)", "id_live_preview": -1, "live_preview": True}

    def told() -> Any:
        return httpx.post(f"{house.imaging.url}/internal/progress", json=name).json()

    assert told() == recorded("webui_internal_progress_unknown_task")
    body = {"prompt": "followed", "steps": 2, "width": 64, "height": 64, "force_task_id": "task(mine)"}
    httpx.post(f"{house.imaging.url}/sdapi/v1/txt2img", json=body, timeout=30).raise_for_status()
    assert told()["completed"] is True


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sampler_name": "Ouler"}, "sampler_name"),
        ({"steps": 0}, "steps"),
        ({"steps": 1_000_000}, "steps"),
        ({"width": 0}, "width"),
        ({"batch_size": 0}, "batch_size"),
        ({"n_iter": 1000}, "n_iter x batch_size"),
        ({"script_name": "x/y/z plot"}, "script_name"),
    ],
)
def test_what_cannot_be_made_is_refused_and_named(api: Client, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RuntimeError) as refused:
        api.txt2img(**{"prompt": "secret", "width": 64, "height": 64, **fields})

    status, text = refused.value.args
    assert status == 422
    assert json.loads(text)["detail"][0]["loc"] == ["body", field]
    assert "secret" not in text


# --- every field -----------------------------------------------------------------------------------------

#: A value for each field that no other has, and what the WebUI must then have been sent.
_SENT: dict[str, tuple[Any, str, Any]] = {
    "prompt": ("every field", "prompt", "every field"),
    "negative_prompt": ("nothing else", "negative_prompt", "nothing else"),
    "styles": (["mystyle"], "styles", ["mystyle"]),
    "seed": (4242, "seed", 4242),
    "sampler_name": ("Heun", "sampler_name", "Heun"),
    "scheduler": ("Exponential", "scheduler", "Exponential"),
    "batch_size": (3, "batch_size", 3),
    "n_iter": (1, "n_iter", 1),
    "steps": (4, "steps", 4),
    "cfg_scale": (3.5, "cfg_scale", 3.5),
    "width": (72, "width", 72),
    "height": (80, "height", 80),
    "override_settings": (
        {"sd_model_checkpoint": "tinyB", "CLIP_stop_at_last_layers": 2, "sd_vae": "None"},
        "override_settings",
        {"CLIP_stop_at_last_layers": 2, "sd_vae": "None"},
    ),
    "denoising_strength": (0.35, "denoising_strength", 0.35),
    "enable_hr": (True, "enable_hr", True),
    "hr_scale": (1.5, "hr_scale", 1.5),
    "hr_upscaler": ("Latent (nearest)", "hr_upscaler", "Latent (nearest)"),
    "hr_second_pass_steps": (2, "hr_second_pass_steps", 2),
    "resize_mode": (1, "resize_mode", 1),
    "mask_blur": (9, "mask_blur", 9),
    "inpainting_fill": (2, "inpainting_fill", 2),
    "inpaint_full_res": (True, "inpaint_full_res", True),
    "inpaint_full_res_padding": (16, "inpaint_full_res_padding", 16),
    "inpainting_mask_invert": (1, "inpainting_mask_invert", 1),
}
#: Fields whose effect other tests show: what they do is seen in the answer, not in the engine's log.
_IN_THE_ANSWER = {
    *("init_images", "mask", "include_init_images", "send_images", "force_task_id", "sampler_index", "script_name"),
    *("mask_blur_x", "mask_blur_y", "hr_resize_x", "hr_resize_y"),
}


def _ignored() -> set[str]:
    """The fields that the documentation says are taken and not used."""
    section = DOCS.read_text(encoding="utf-8").split("## AUTOMATIC1111", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if re.match(r"\| `.*\| not used", line)]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize(("path", "model"), [("txt2img", Txt2Img), ("img2img", Img2Img)])
def test_every_field_reaches_the_engine_or_is_documented_as_not_used(house: House, path: str, model: type) -> None:
    fields = model.model_fields.keys()  # type: ignore[attr-defined]
    used = {name: value for name, value in _SENT.items() if name in fields}
    body = {name: value for name, (value, _, _) in used.items()} | {"prompt": f"every field of {path}"}
    if path == "img2img":
        pictures = [webuiapi.webuiapi.raw_b64_img(picture) for picture in (PICTURE, right_half(128, 64))]
        body |= {"init_images": pictures[:1], "mask": pictures[1]}

    answer = httpx.post(f"{house.imaging.url}/sdapi/v1/{path}", json=body, timeout=30)

    assert answer.status_code == 200, answer.text
    [sent] = house.sent(f"every field of {path}")
    for name, (_, there, value) in used.items():
        if name == "override_settings":
            assert sent[there].items() >= value.items()
            assert sent[there]["sd_model_checkpoint"].startswith("tinyB")
        elif name != "prompt":
            assert sent[there] == value, name
    assert set(fields) - used.keys() - _IN_THE_ANSWER == _ignored() & set(fields)


def test_every_field_of_extras_is_used_or_documented() -> None:
    used = {"image", "resize_mode", "upscaling_resize", "upscaling_resize_w", "upscaling_resize_h", "upscaler_1"}

    assert ExtraSingleImage.model_fields.keys() - used == _ignored() & ExtraSingleImage.model_fields.keys()


def test_the_documentations_examples_run(house: House) -> None:
    section = DOCS.read_text(encoding="utf-8").split("## AUTOMATIC1111", 1)[1].split("\n## ", 1)[0]
    port = str(house.imaging.port)
    [python] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    [shell] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)

    names: dict[str, Any] = {}
    exec(python.replace("8000", port), names)  # noqa: S102  # our own documentation
    names["api"].session.close()
    curled = subprocess.run(
        ["bash", "-euc", shell.replace("8000", port).replace("curl ", "curl -sS --fail-with-body ")],
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert names["larger"].size == (1024, 1024)
    assert len(json.loads(curled.stdout)["images"]) == 1
