"""`imaging repair` as a person runs it: beside a running service, on a folder at rest, and over Redis."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from imaging_core.ids import new_job_id
from imaging_process import Imaging, clean_environment, end_of, submit
from redis_server import RedisServer


def repair(folder: Path, *options: str, **settings: str) -> tuple[int, str, str]:
    """Exit status, output and complaints."""
    done = subprocess.run(
        [Path(sys.executable).parent / "imaging", "repair", *options],
        env=clean_environment({"IMAGING_DATA_DIR": str(folder / "data"), **settings}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def stray_picture(folder: Path) -> Path:
    """The folder of pictures that no job knows."""
    job_id = new_job_id()
    stray = folder / "data" / "pictures" / job_id[:2] / job_id
    stray.mkdir(parents=True)
    (stray / "0-picture.png").write_bytes(b"x")
    return stray


def test_a_folder_at_rest_is_checked_and_mended(tmp_path: Path) -> None:
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0") as imaging:
        imaging.started("is up")
        image_id = submit(imaging.url, prompt="a hill", width=64, height=64)
        assert end_of(imaging.url, image_id)["status"] == "finished"

        code, _, complaint = repair(tmp_path, "--check")
        assert code == 1
        assert str(imaging.pid) in complaint

        imaging.signal(signal.SIGINT)
        assert imaging.ended() == 0

    assert repair(tmp_path, "--check", "--now")[0] == 0
    stray = stray_picture(tmp_path)
    code, output, _ = repair(tmp_path, "--check", "--now")
    assert (code, stray.exists()) == (1, True)
    assert f"pictures-without-job {stray.name}" in output

    code, output, _ = repair(tmp_path, "--now", "--json")
    told = json.loads(output)
    assert (code, stray.exists()) == (0, False)
    assert (told["clean"], told["found"], told["mended"], told["jobs"], told["pictures"]) == (True, 1, 1, 1, 1)


def test_over_redis_it_asks_redis(tmp_path: Path) -> None:
    with RedisServer() as redis:
        stray = stray_picture(tmp_path)

        code, output, complaint = repair(tmp_path, "--now", IMAGING_REDIS_URL=redis.url)

    assert code == 0, complaint
    assert f"mended pictures-without-job {stray.name}" in output
    assert not stray.exists()


def test_a_folder_that_two_modes_share_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "imaging.db").touch()
    with RedisServer() as redis:
        stray = stray_picture(tmp_path)

        code, output, _ = repair(tmp_path, "--now", IMAGING_REDIS_URL=redis.url)

    assert code == 1
    assert "left alone" in output
    assert stray.exists()


def test_a_folder_without_jobs_is_named(tmp_path: Path) -> None:
    code, _, complaint = repair(tmp_path)

    assert code == 1
    assert "IMAGING_DATA_DIR" in complaint
    assert "Traceback" not in complaint
