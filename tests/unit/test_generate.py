"""What the command writes where, and how it tells its end."""

from pathlib import Path

import pytest

from entrypoints import generate
from entrypoints.generate import Made
from entrypoints.settings import SettingsError


def made(status: str, *files: str) -> Made:
    return Made(image_id="0", backend="demo", status=status, seed=1, credits=0.0, files=files)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (made("finished", "a", "b"), 0),
        (made("finished", "a"), 1),
        (made("failed"), 1),
        (made("cancelled"), 130),
    ],
)
def test_the_exit_status_says_whether_all_pictures_are_there(ended: Made, code: int) -> None:
    assert ended.code(2) == code


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "0-0.png"
    path.write_bytes(b"somebody's")

    with pytest.raises(SettingsError, match="there already"):
        generate._write(path, b"ours")
    assert path.read_bytes() == b"somebody's"
