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


@pytest.mark.parametrize(("mode", "other"), [("embedded", "redis"), ("distributed", "adapters.sqlite")])
def test_what_opens_a_worker_loads_no_web_framework_and_nothing_of_the_other_mode(mode: str, other: str) -> None:
    loaded = loaded_by(f"import sys, entrypoints.lifespan, entrypoints.container.{mode}")

    assert "dependency_injector.containers" in loaded
    assert not loaded & {"fastapi", "starlette", "werkzeug", "uvicorn", "numpy", "PIL", "streamlit", "yaml", other}


def test_a_framework_can_be_loaded_afterwards() -> None:
    assert "fastapi" in loaded_by("import sys, entrypoints.lifespan, fastapi")


def test_the_command_loads_no_command_line_of_its_libraries() -> None:
    loaded = loaded_by(f"{COMMAND}import httpx")

    assert "httpx" in loaded
    assert not loaded & {"httpx._main", "rich", "pygments"}


def test_a_route_loads_nothing_of_pydantic_1_and_makes_no_validators_of_answers() -> None:
    code = """
from fastapi import FastAPI
from entrypoints.api.job_shapes import Status
from entrypoints.api.lean_route import LeanRoute
async def endpoint(request, image_id: str): ...
app = FastAPI()
app.router.route_class = LeanRoute
app.router.add_api_route("/status/{image_id}", endpoint, responses={200: {"model": Status}})
assert app.routes[-1].response_fields == {}, app.routes[-1].response_fields
assert not Status.__pydantic_complete__
import sys"""

    assert not {"pydantic.v1", "pydantic.v1.main"} & loaded_by(code)
