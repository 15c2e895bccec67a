"""`imaging generate` as people and scripts use it: on a running service and without one."""

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from imaging_command import imaging as imaging_command
from imaging_process import PATIENCE_S, Imaging, clean_environment, free_port, until

SMALL = ("--width", "64", "--height", "64")


@pytest.fixture(scope="module")
def imaging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imaging]:
    """The service, embedded, on a demo that takes its time only when many steps are asked for."""
    with Imaging("up", "--no-gui", folder=tmp_path_factory.mktemp("up"), IMAGING_DEMO_STEP_S="0.02") as process:
        yield process.started("is up")


def begun(folder: Path, *args: str | Path, port: int, **popen: Any) -> subprocess.Popen[str]:
    """The command, running."""
    env = clean_environment(
        {"IMAGING_PORT": str(port), "IMAGING_DATA_DIR": str(folder / "data"), "IMAGING_DEMO_STEP_S": "0.02"}
    )
    command = [Path(sys.executable).parent / "imaging", "generate", *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
    return subprocess.Popen(command, env=env, cwd=folder, text=True, **pipes)


def done(folder: Path, *args: str | Path, port: int) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command; the ends by Ctrl-C and on a terminal are processes."""
    ended = imaging_command(folder, "generate", *args, IMAGING_PORT=str(port), IMAGING_DEMO_STEP_S="0.02")
    return ended.returncode, ended.stdout, ended.stderr


def jobs(imaging: Imaging) -> list[dict[str, Any]]:
    """The jobs of the service, newest first."""
    found: list[dict[str, Any]] = httpx.get(f"{imaging.url}/jobs").json()["jobs"]
    return found


@pytest.mark.parametrize("embedded", [False, True])
def test_pictures_are_named_by_their_job_and_json_is_one_document(
    embedded: bool, imaging: Imaging, tmp_path: Path
) -> None:
    port = free_port() if embedded else imaging.port
    code, out, err = done(
        tmp_path, "a lighthouse", *SMALL, "-n", "2", "--steps", "3", "--seed", "5", "--negative", "fog",
        "-o", "out/deep", "--json", port=port,
    )  # fmt: skip

    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["status"], made["backend"], made["seed"], made["reason"]) == ("finished", "demo", 5, None)
    assert made["files"] == [f"out/deep/{made['image_id']}-{n}.png" for n in range(2)]
    for file in made["files"]:
        with Image.open(tmp_path / file) as picture:
            assert picture.size == (64, 64)
            assert "Negative prompt: fog" in picture.info["parameters"]


@pytest.mark.parametrize("embedded", [False, True])
def test_a_picture_is_painted_anew_where_the_mask_says(embedded: bool, imaging: Imaging, tmp_path: Path) -> None:
    Image.new("RGB", (128, 128), (200, 40, 40)).save(tmp_path / "in.png")
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (64, 0, 128, 128))
    mask.save(tmp_path / "m.png")
    code, out, err = done(
        tmp_path, "a mill", "--image", "in.png", "--mask", "m.png", "--strength", "0.9", "--backend", "demo", "--json",
        port=free_port() if embedded else imaging.port,
    )  # fmt: skip

    assert code == 0, err
    with Image.open(tmp_path / json.loads(out)["files"][0]) as picture:
        assert picture.size == (128, 128)
        assert picture.convert("RGB").getpixel((5, 64)) == (200, 40, 40)
        assert picture.convert("RGB").crop((72, 0, 128, 128)).getcolors(1) is None


@pytest.mark.parametrize("embedded", [False, True])
def test_ctrl_c_cancels_the_job(embedded: bool, imaging: Imaging, tmp_path: Path) -> None:
    port = free_port() if embedded else imaging.port
    before = 0 if embedded else len(jobs(imaging))
    with begun(tmp_path, "a lighthouse", *SMALL, "--steps", "150", "-n", "8", "--json", port=port) as process:
        if embedded:
            until(lambda: (tmp_path / "data" / "jobs.sqlite3").exists() or any(tmp_path.glob("data/*")), "the data")
            until(lambda: _started_here(tmp_path), "a started job")
        else:
            until(lambda: len(jobs(imaging)) > before and jobs(imaging)[0]["status"] == "started", "the job's start")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130, err
    assert json.loads(out)["status"] == "cancelled"
    assert "was cancelled" in err
    assert "Traceback" not in err
    if not embedded:
        assert jobs(imaging)[0]["status"] == "cancelled"


def _started_here(folder: Path) -> bool:
    """Whether the process in that folder has begun a job: its write-ahead log tells of it."""
    return any(b"taken_over" in f.read_bytes() or b'"started"' in f.read_bytes() for f in folder.glob("data/*-wal"))


def test_what_cannot_be_made_is_one_sentence_and_status_1(imaging: Imaging, tmp_path: Path) -> None:
    (tmp_path / "no-picture.png").write_bytes(b"nothing")
    (tmp_path / "file").touch()
    for args, said in (
        (("a mill", "--steps", "100000"), "steps"),
        (("a mill", "--backend", "nowhere"), "nowhere|no backend"),
        (("a mill", "--mask", "m.png"), "--mask: is of use only together with --image"),
        (("a mill", "--strength", "0.5"), "--strength"),
        (("a mill", "--image", "missing.png"), r"--image: missing\.png cannot be read"),
        (("a mill", "--image", "no-picture.png", "--backend", "demo"), "image"),
        (("a mill", "-o", "file"), "--out: the folder cannot be made"),
    ):
        code, out, err = done(tmp_path, *args, port=imaging.port)
        assert (code, out) == (1, ""), args
        assert re.search(said, err), err
        assert "Traceback" not in err


def test_a_service_that_was_named_but_is_not_there_is_told(tmp_path: Path) -> None:
    ended = imaging_command(tmp_path, "generate", "a mill", IMAGING_API_URL=f"http://127.0.0.1:{free_port()}")

    assert ended.returncode == 1
    assert "does not answer" in ended.stderr


def test_a_terminal_shows_how_far_it_is_and_is_left_clean(imaging: Imaging, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    args = ("a lighthouse", *SMALL, "--steps", "20", "--json")
    with begun(tmp_path, *args, port=imaging.port, stderr=theirs) as process:
        os.close(theirs)
        shown = io.BytesIO()
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            shown.write(data)
        out = process.communicate(timeout=PATIENCE_S)[0]
    os.close(ours)

    assert process.returncode == 0
    assert json.loads(out)["status"] == "finished"
    text = shown.getvalue().decode()
    assert "[####" in text
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text
