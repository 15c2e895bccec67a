"""Files of the page that are no Python, by name; imports stdlib."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"


@cache
def text(name: str) -> str:
    """The file's text, read when it is first asked for."""
    return (FOLDER / name).read_text(encoding="utf-8")
