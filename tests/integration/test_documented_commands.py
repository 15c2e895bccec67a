"""Every curl command of the documentation, run as it stands there on a service with the demo: each is answered with 2xx.

May import the standard library, httpx, Pillow, pytest and the neighbouring test modules.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from contracts.picture_work import file_of, four_colours, right_half
from imaging_process import Imaging, clean_environment, end_of, submit

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: How ids of jobs are written in the pages.
_ID = re.compile(r"5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e|\b[0-9a-f]{4,8}\.\.\.")
#: What --fail-with-body ends with, and a time limit, which ends a stream that would go on.
_OK, _TIME_IS_UP = 0, 28

# Tells every status on stderr, whatever the command does with the answer.
_SHIM = "curl() { command curl --fail-with-body --noproxy '*' -w '%{stderr}%{http_code}\\n' \"$@\"; }\n"


def commands(page: Path) -> Iterator[str]:
    """The page's curl commands, each with all of its lines."""
    for block in _BLOCK.findall(page.read_text()):
        lines = iter(block.splitlines())
        for line in lines:
            command = line.removeprefix("$ ")
            if "curl " not in command or command.startswith("#"):
                continue
            while command.endswith("\\") or command.count("'") % 2:
                command += "\n" + next(lines)
            yield command


COMMANDS = [pytest.param(command, id=f"{page.name}-{n}") for page in PAGES for n, command in enumerate(commands(page))]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imaging]:
    settings = {"IMAGING_DEMO": "1", "IMAGING_DEMO_STEP_S": "0", "IMAGING_WEBHOOK_ALLOW": "127.0.0.1"}
    # Of the WebUI only the name is needed; nobody listens there.
    settings["IMAGING_SDWEBUI_URLS"] = "http://127.0.0.1:9"
    with Imaging("up", "--no-gui", folder=tmp_path_factory.mktemp("documented"), **settings) as imaging:
        yield imaging.started("is up")


@pytest.fixture(scope="module")
def image_id(service: Imaging) -> str:
    """A finished job, whose picture lies beside a mask in the folder in which the commands run."""
    made = submit(service.url, prompt="a lighthouse at dusk", width=256, height=192, steps=1)
    assert end_of(service.url, made)["status"] == "finished"
    (service.folder / "lighthouse.png").write_bytes(file_of(four_colours(256, 192)))
    (service.folder / "sky.png").write_bytes(file_of(right_half(256, 192)))
    # OpenAI's clients mark with transparency what is to be painted anew.
    hole = Image.new("RGBA", (256, 192), "white")
    hole.paste((0, 0, 0, 0), (128, 0, 256, 192))
    (service.folder / "mask.png").write_bytes(file_of(hole))
    return made


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_works(service: Imaging, image_id: str, command: str) -> None:
    command = _ID.sub(image_id, command).replace("localhost:8000", f"127.0.0.1:{service.port}")
    # The only things of the examples that nobody here has: a receiver on the internet, and time.
    command = re.sub(r"https://hooks\.example\.org/[\w/]+", "http://127.0.0.1:9/", command)
    command = re.sub(r"--max-time \d+", "--max-time 1", command)

    done = subprocess.run(
        ["bash", "-c", _SHIM + command],
        cwd=service.folder,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )

    statuses = re.findall(r"^\d{3}$", done.stderr, re.MULTILINE)
    assert statuses, done.stderr
    assert all(status.startswith("2") for status in statuses), f"{command}\n{done.stdout[-800:]}"
    assert done.returncode == (_TIME_IS_UP if "--max-time" in command else _OK), done.stderr


def test_the_service_is_none_the_worse_for_it(service: Imaging, image_id: str) -> None:
    assert httpx.get(f"{service.url}/image/{image_id}").status_code == 200
    assert "Traceback" not in service.output
