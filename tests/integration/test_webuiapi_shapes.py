"""Lists and objects as WebUI 1.10.1 gives them, every field's way to the engine, and the documentation's examples."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import webuiapi  # type: ignore[import-untyped]

from contracts.picture_work import right_half
from entrypoints.api.a1111.fields import ExtraSingleImage, Img2Img, Txt2Img
from webuiapi_setting import PICTURE, Client, House, differences, open_house, recorded

DOCS = Path(__file__).parents[2] / "docs" / "clients.md"


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
