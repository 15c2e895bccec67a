"""`imaging up` as a newcomer has it: one command, no Redis, no key; over real HTTP, with real signals."""

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fakes.sdwebui import launch as launch_webui
from imaging_command import imaging as imaging_command
from imaging_process import Imaging, end_of, free_port, submit

UP = ("up", "--no-gui")


def picture(url: str, image_id: str, index: int = 0) -> Image.Image:
    """A job's picture, decoded."""
    answer = httpx.get(f"{url}/image/{image_id}", params={"index": index}).raise_for_status()
    assert answer.headers["content-type"].startswith("image/")
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


@pytest.fixture(scope="module")
def imaging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imaging]:
    """The service, embedded, on the demo; a test leaves it running as it found it."""
    with Imaging(*UP, folder=tmp_path_factory.mktemp("up"), IMAGING_DEMO_STEP_S="0") as process:
        yield process.started("is up")


def test_a_prompt_becomes_a_picture_without_any_setting(imaging: Imaging) -> None:
    image_id = submit(imaging.url, prompt="a lighthouse at dusk", seed=7)
    status = end_of(imaging.url, image_id)

    assert status["status"] == "finished"
    assert status["backend"] == "demo"
    assert status["seed"] == 7
    assert picture(imaging.url, image_id).format == "PNG"
    assert "not AI" in imaging.output


def test_history_and_pictures_are_there_after_a_restart(imaging: Imaging) -> None:
    image_id = submit(imaging.url, prompt="a forest", seed=1)
    end_of(imaging.url, image_id)
    before = httpx.get(f"{imaging.url}/image/{image_id}").content

    imaging.signal(signal.SIGINT)
    assert imaging.ended() == 0
    imaging.started("is up")

    assert end_of(imaging.url, image_id)["status"] == "finished"
    assert httpx.get(f"{imaging.url}/image/{image_id}").content == before
    assert httpx.get(f"{imaging.url}/jobs").json()["jobs"][0]["image_id"] == image_id


def test_jobs_cut_off_by_a_kill_go_on_at_the_next_start(tmp_path: Path) -> None:
    settings = {
        "IMAGING_DEMO_STEP_S": "0.1",
        "IMAGING_LEASE_S": "1",
        "IMAGING_HEARTBEAT_S": "0.3",
        "IMAGING_SWEEP_S": "0.3",
    }
    with Imaging(*UP, folder=tmp_path, **settings) as imaging:
        imaging.started("is up")
        ids = [submit(imaging.url, prompt=f"a hill {n}", width=64, height=64, steps=10) for n in range(6)]
        imaging.kill()
        imaging.start()

        assert {end_of(imaging.url, image_id)["status"] for image_id in ids} == {"finished"}


def test_a_second_service_on_the_same_folder_is_told_who_holds_it(imaging: Imaging) -> None:
    second = imaging_command(imaging.folder, *UP, IMAGING_PORT=str(free_port()))

    assert second.returncode == 1
    assert str(imaging.pid) in second.stderr


def test_a_taken_port_is_named_with_its_setting(imaging: Imaging, tmp_path: Path) -> None:
    second = imaging_command(tmp_path, *UP, IMAGING_PORT=str(imaging.port))

    assert second.returncode == 1
    assert "IMAGING_PORT" in second.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"IMAGING_DATADIR": "x"}, "Did you mean IMAGING_DATA_DIR?"),
        ({"IMAGING_PORT": "many"}, "IMAGING_PORT"),
        ({"IMAGING_HOST": "0.0.0.0"}, "IMAGING_ALLOW_OPEN"),
        ({"IMAGING_DATA_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        ({"IMAGING_STORAGE_URL": "ftp://host/x"}, "IMAGING_STORAGE_URL"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    ended = imaging_command(tmp_path, *UP, **{"IMAGING_PORT": str(free_port()), **settings})

    assert ended.returncode == 1
    assert said in ended.stderr


def test_a_wrong_setting_ends_the_process_with_its_sentence_and_no_traceback(tmp_path: Path) -> None:
    with Imaging(*UP, folder=tmp_path, IMAGING_PORT="65536") as process:
        process.start()

        assert process.ended() == 1
        assert "IMAGING_PORT" in process.output
        assert "Traceback" not in process.output


def test_without_key_and_webui_the_doors_say_what_is_missing(imaging: Imaging) -> None:
    stability = httpx.post(f"{imaging.url}/images", json={"prompt": "x", "backend": "stability"})
    local = httpx.post(f"{imaging.url}/local/images", json={"prompt": "x"})

    assert stability.status_code == local.status_code == 503
    assert "IMAGING_STABILITY_API_KEY" in stability.json()["detail"]
    assert "IMAGING_SDWEBUI_URLS" in local.json()["detail"]


def test_the_local_section_makes_pictures_on_a_webui(tmp_path: Path) -> None:
    with launch_webui() as webui, Imaging(*UP, folder=tmp_path, STABLE_DIFFUSION_URL=webui.url) as imaging:
        imaging.started("is up")
        models = httpx.get(f"{imaging.url}/local/models").json()["models"]
        samplers = httpx.get(f"{imaging.url}/local/sampler_names").json()["samplers"]
        image_id = submit(
            imaging.url, "/local/images", prompt="a cat", model=models[-1], sampler_name=samplers[0], steps=4,
            width=64, height=64, n_iter=2, seed=5,
        )  # fmt: skip
        status = end_of(imaging.url, image_id)

        assert status["status"] == "finished", status
        assert [picture(imaging.url, image_id, n).size for n in (0, 1)] == [(64, 64), (64, 64)]
        wrong = httpx.post(f"{imaging.url}/local/images", json={"prompt": "x", "model": "no such model"})
        assert wrong.status_code == 422
        assert models[0] in wrong.text


def test_generate_works_on_the_running_service_and_without_one(imaging: Imaging, tmp_path: Path) -> None:
    def generate(port: int) -> dict[str, object]:
        where = {"IMAGING_PORT": str(port), "IMAGING_DATA_DIR": str(tmp_path / "own"), "IMAGING_DEMO_STEP_S": "0"}
        asked = ("a lighthouse", "--width", "64", "--height", "64", "--seed", "3", "--json")
        done = imaging_command(tmp_path, "generate", *asked, **where)
        assert done.returncode == 0, done.stderr
        made: dict[str, object] = json.loads(done.stdout)
        return made

    there = generate(imaging.port)
    here = generate(free_port())

    listed = [job["image_id"] for job in httpx.get(f"{imaging.url}/jobs").json()["jobs"]]
    assert there["image_id"] in listed
    assert here["image_id"] not in listed
    pixels = []
    for made in (there, here):
        # Each file names its own job, so it is the pixels that are the same.
        with Image.open(tmp_path / str(made["files"][0])) as picture:  # type: ignore[index]
            assert f'"job_id":"{made["image_id"]}"' in picture.info["imaging"]
            pixels.append(picture.tobytes())
    assert pixels[0] == pixels[1], "the same seed gives the same picture in both"
