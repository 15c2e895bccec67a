"""A process loads what it works with: starts are waited for, and memory is paid for as long as it runs."""

import subprocess
import sys

import pytest

LOADED = "; print(*sorted(name for name in sys.modules if sys.modules[name] is not None))"
COMMAND = "import sys; sys.argv = ['imaging', '--version']; from entrypoints.command import main\ntry: main()\nexcept SystemExit: pass\n"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + LOADED], capture_output=True, text=True, check=True, timeout=100
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("mode", ["embedded", "distributed"])
def test_what_opens_a_worker_loads_no_web_framework(mode: str) -> None:
    loaded = loaded_by(f"import sys, entrypoints.lifespan, entrypoints.container.{mode}")

    assert "dependency_injector.containers" in loaded
    assert not loaded & {"fastapi", "starlette", "werkzeug", "uvicorn", "numpy", "PIL", "streamlit"}


def test_a_framework_can_be_loaded_afterwards() -> None:
    assert "fastapi" in loaded_by("import sys, entrypoints.lifespan, fastapi")


def test_the_command_loads_no_command_line_of_its_libraries() -> None:
    loaded = loaded_by(f"{COMMAND}import httpx")

    assert "httpx" in loaded
    assert not loaded & {"httpx._main", "rich", "pygments"}
