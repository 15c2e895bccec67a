"""The two wheels, built and installed in bare environments, as strangers install them."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(300)]


def _uv() -> str:
    found = shutil.which("uv") or ROOT / ".tools" / "bin" / "uv"
    return str(found)


def _run(*command: str | Path, cwd: Path) -> str:
    # Neither this environment nor this checkout may help.
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built from a copy of what git would hand over."""
    source = tmp_path_factory.mktemp("source")
    for name in ("src", "packaging", "pyproject.toml", "README.md", "LICENSE", "uv.lock"):
        path = ROOT / name
        copy = source / name
        if path.is_dir():
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
        else:
            shutil.copy(path, copy)
    out = tmp_path_factory.mktemp("wheels")
    for package in ("imaging-core", "imaging-service"):
        _run(_uv(), "build", "--quiet", "--wheel", "--package", package, "--out-dir", out, cwd=source)
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


def _folders(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" not in name}


def test_each_wheel_carries_only_its_own_top_level_names(wheels: dict[str, Path]) -> None:
    assert _folders(wheels["imaging_core"]) == {"imaging_core"}
    assert _folders(wheels["imaging_service"]) == {"adapters", "entrypoints"}


def test_the_wheels_carry_their_data_files(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["imaging_service"]) as archive:
        names = archive.namelist()
    for path in (ROOT / "src").rglob("*"):
        inside = path.relative_to(ROOT / "src")
        wanted = path.suffix in (".lua", ".typed", ".css", ".js", ".toml") and inside.parts[0] != "imaging_core"
        if wanted and ".streamlit" not in inside.parts:
            assert str(inside) in names
    with zipfile.ZipFile(wheels["imaging_core"]) as archive:
        assert "imaging_core/py.typed" in archive.namelist()
        assert "imaging_core/memory/__init__.py" in archive.namelist()


def test_the_example_runs_with_nothing_but_the_core_and_attrs(wheels: dict[str, Path], tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    _run(_uv(), "venv", "--quiet", "--python", sys.executable, venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    _run(_uv(), "pip", "install", "--quiet", "--python", python, wheels["imaging_core"], cwd=tmp_path)

    installed = _run(_uv(), "pip", "list", "--quiet", "--python", python, "--format", "freeze", cwd=tmp_path)
    said = _run(python, ROOT / "examples" / "embed.py", cwd=tmp_path)

    assert {line.partition("==")[0].partition(" ")[0] for line in installed.split("\n") if line} == {
        "attrs",
        "imaging-core",
    }
    assert "finished" in said
    assert "64 x 64 px" in said


def test_the_command_runs_from_the_service_wheel(wheels: dict[str, Path], tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    _run(_uv(), "venv", "--quiet", "--python", sys.executable, venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    _run(_uv(), "pip", "install", "--quiet", "--python", python, *wheels.values(), cwd=tmp_path)

    assert _run(venv / "bin" / "imaging", "version", cwd=tmp_path).strip() == "0.1.0"
    made = _run(
        "env", f"IMAGING_DATA_DIR={tmp_path / 'data'}", "IMAGING_DEMO_STEP_S=0", "IMAGING_PORT=1",
        venv / "bin" / "imaging", "generate", "a lighthouse", "--width", "64", "--height", "64", "-o", tmp_path, cwd=tmp_path,
    )  # fmt: skip

    assert len(list(tmp_path.glob("*.png"))) == 1, made
