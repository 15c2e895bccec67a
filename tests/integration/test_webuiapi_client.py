"""The real, unmodified client `webuiapi` drives the service as people run it, on the demo and on the engines' doubles."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import webuiapi  # type: ignore[import-untyped]
from PIL import Image

from contracts.picture_work import difference, right_half
from imaging_process import end_of, until
from webuiapi_setting import PICTURE, Client, House, differences, open_house, recorded


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def api(house: House) -> Iterator[Client]:
    client = Client(house.imaging.port)
    client.set_options({"sd_model_checkpoint": "tinyA"})
    yield client
    client.session.close()


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
